#!/bin/sh
# Export the lock of each container image out of pyproject.toml, at the versions that locks/dev.txt tests.
set -eu
cd "$(dirname "$0")/.."

lock() { # name, then extras
  out=locks/$1.txt
  shift
  extras=$(for extra; do printf ' --extra %s' "$extra"; done)
  # shellcheck disable=SC2086 # the extras are words of ours
  "${UV:-.venv/bin/uv}" pip compile pyproject.toml $extras --constraints locks/dev.txt --universal --python-version 3.11 \
    --generate-hashes --no-emit-index-url --no-header --quiet --output-file "$out"
}

lock edge edge
lock camera edge vision
lock ingest ingest
lock console console
lock airflow airflow
