#!/bin/sh
# Who may use the broker. Without arguments: put configuration and the users of .env into $CONFIG (each start).
#   users.sh enrol NAME    make a password for the device NAME, print it once
#   users.sh revoke NAME   the device NAME may no longer enter
# After enrol and revoke: docker compose kill -s HUP mosquitto (revoked sessions end at their next connect).
set -eu

CONFIG=${CONFIG:-/mosquitto/config}
passwords=$CONFIG/passwords

known() { # name: as in events.topic.DEVICE
  case $1 in
    '' | [!A-Za-z0-9]* | *[!A-Za-z0-9_.:-]*) echo "'$1' is no device name: letters, digits and _ . : - only" >&2; exit 2 ;;
  esac
}

admit() { # name password; the hash is made from a file: a password on a command line could be read in ps
  umask 077
  printf '%s:%s\n' "$1" "$2" > "$passwords.new"
  mosquitto_passwd -U "$passwords.new"
  touch "$passwords"
  others "$1" >> "$passwords.new"
  mv "$passwords.new" "$passwords"
}

others() { # name
  awk -F: -v name="$1" '$1 != name' "$passwords"
}

case ${1:-start} in
  start)
    cp "${DEPLOY:-/deploy}/mosquitto.conf" "$CONFIG/mosquitto.conf"
    cp "${DEPLOY:-/deploy}/mosquitto.acl" "$CONFIG/acl"
    chmod 0600 "$CONFIG/acl"
    admit ingest "$NGATU_MQTT_INGEST_PASSWORD"
    admit "$NGATU_AGENT_DEVICE" "$NGATU_MQTT_AGENT_PASSWORD"
    ;;
  enrol)
    known "${2:-}"
    password=$(head -c 24 /dev/urandom | base64 | tr '+/' '-_')
    admit "$2" "$password"
    echo "$password"
    ;;
  revoke)
    known "${2:-}"
    umask 077
    others "$2" > "$passwords.new"
    mv "$passwords.new" "$passwords"
    ;;
  *)
    echo "what is '$1'? enrol NAME, revoke NAME, or nothing" >&2
    exit 2
    ;;
esac
