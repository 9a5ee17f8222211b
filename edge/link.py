"""One connection to the broker, from CONNECT to its end; a new one is a new `Link`.

paho-mqtt reads and writes the packets; waiting is ours, so that one thread does it all.
"""

import logging
import os
import select
import socket
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from events.envelope import JSON
from events.topic import DOWN, Topic

log = logging.getLogger(__name__)

CONNECT_S: Final = 10.0
UNSENT_BYTES: Final = 32 * 1024  # waits in the kernel at most; what is more urgent overtakes the rest
PROTOCOL_ERROR: Final = 0x82
DEFAULT_RECEIVE_MAXIMUM: Final = 65_535  # MQTT 5, 3.2.2.3.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    tls: bool = False
    user: str | None = None
    password: str | None = None
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    keepalive_s: int = 30

    def __str__(self) -> str:
        return f"mqtt{'s' if self.tls else ''}://{self.host}:{self.port}"


def parse_url(url: str) -> tuple[str, int, bool]:
    """Host, port and whether TLS, of `mqtt://…` or `mqtts://…`.

    >>> parse_url("mqtts://broker.example")
    ('broker.example', 8883, True)
    """
    parts = urlsplit(url)
    if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
        raise ValueError(f"{url!r} is not mqtt://HOST[:PORT] or mqtts://HOST[:PORT]")
    tls = parts.scheme == "mqtts"
    return parts.hostname, parts.port or (8883 if tls else 1883), tls


class LinkLost(OSError):
    """The connection could not be made, or has ended; the message says why."""


class Link:
    """A connection, and what the broker said about it."""

    def __init__(
        self,
        address: Address,
        device: str,
        will: bytes,
        *,
        heard: Callable[[str, bytes, str | None, list[tuple[str, str]]], None],
        taken: Callable[[int, int], None],
    ) -> None:
        """Prepare; `open` connects.

        Args:
            address: the broker.
            device: our name; the client id follows from it.
            will: payload of the last will, published as our status.
            heard: called with topic, payload, content type and user properties of what is published to us.
            taken: called with packet id and reason code when the broker has acknowledged a message.
        """
        self.ready = False  # the broker knows us, and we hear acks
        self.refused = False  # it does not want us: trying soon again is of no use
        self.offended = False  # it ended the connection, or answered what cannot be understood: not the network's fault
        self.receive_maximum = DEFAULT_RECEIVE_MAXIMUM
        self.packet_maximum = 268_435_455
        self._address = address
        self._device = device
        self._lost: str | None = None
        self._heard = heard
        self._taken = taken
        self._client = self._prepare(will)

    def _prepare(self, will: bytes) -> mqtt.Client:
        address = self._address
        client = mqtt.Client(
            mqtt.CallbackAPIVersion.VERSION2,
            client_id=f"ngatu-{self._device}",
            protocol=mqtt.MQTTv5,
            reconnect_on_failure=False,
        )
        client.max_inflight_messages_set(0)  # the uplink counts
        client.connect_timeout = CONNECT_S
        if address.password is not None:
            client.username_pw_set(address.user or self._device, address.password)
        if address.tls:
            context = ssl.create_default_context(cafile=address.ca_file)
            if address.cert_file:
                context.load_cert_chain(address.cert_file, address.key_file)
            client.tls_set_context(context)
        properties = Properties(PacketTypes.WILLMESSAGE)
        properties.ContentType = JSON
        client.will_set(str(Topic(self._device, "status")), will, qos=1, retain=True, properties=properties)
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.on_publish = self._on_publish
        return client

    def open(self) -> None:
        """Connect; the broker's answer comes while waiting.

        Raises:
            OSError: it can't be reached, or TLS failed.
        """
        self._client.connect(self._address.host, self._address.port, self._address.keepalive_s, clean_start=True)
        sock = self._socket()
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, "TCP_NOTSENT_LOWAT", 25), UNSENT_BYTES)

    def wait(self, wake: int, timeout: float) -> None:
        """Read and write packets; return when something happened, `wake` (an eventfd) was written to, or in time.

        Raises:
            LinkLost: the connection has ended.
        """
        sock = self._socket()
        pending = isinstance(sock, ssl.SSLSocket) and sock.pending() > 0
        writing = [sock] if self._client.want_write() else []
        readable, writable, _ = select.select([sock, wake], writing, [], 0 if pending else max(timeout, 0))
        if wake in readable:
            os.eventfd_read(wake)
        if sock in readable or pending:
            self._client.loop_read()
        if writable and self._lost is None:
            self._client.loop_write()
        if self._lost is None:
            self._client.loop_misc()
        if self._lost is not None:
            raise LinkLost(self._lost)

    @property
    def busy(self) -> bool:
        """Whether packets wait to be written: no use in making more."""
        return bool(self._client.want_write())

    def publish(
        self, kind_topic: str, payload: bytes, properties: Properties, *, qos: int = 1, retain: bool = False
    ) -> int:
        """Hand a message to the broker; return its packet id.

        Raises:
            LinkLost: the connection has ended.
        """
        info = self._client.publish(kind_topic, payload, qos, retain, properties)
        if self._lost is not None or info.rc not in {mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_AGAIN}:
            raise LinkLost(self._lost or mqtt.error_string(info.rc))
        return int(info.mid)

    def close(self) -> None:
        """Say goodbye: the broker keeps the last will to itself."""
        if self._client.socket() is not None:
            self._client.disconnect()
            while self._client.want_write() and self._client.socket() is not None:
                select.select([], [self._client.socket()], [], 1.0)
                self._client.loop_write()

    def abandon(self) -> None:
        """Drop the connection without a word."""
        sock = self._client.socket()
        if sock is not None:
            sock.close()

    def _socket(self) -> Any:
        sock = self._client.socket()
        if sock is None:
            raise LinkLost(self._lost or "connection closed")
        return sock

    def _on_connect(self, client: mqtt.Client, _data: object, _flags: object, reason: Any, properties: Any) -> None:
        if reason.is_failure:
            self.refused = True
            self._lost = f"the broker refused us: {reason}; check broker.user and the password"
            return
        self.receive_maximum = getattr(properties, "ReceiveMaximum", DEFAULT_RECEIVE_MAXIMUM)
        self.packet_maximum = getattr(properties, "MaximumPacketSize", self.packet_maximum)
        client.subscribe([(str(Topic(self._device, kind)), mqtt.SubscribeOptions(qos=1)) for kind in DOWN])

    def _on_subscribe(self, _client: object, _data: object, _mid: int, reasons: Sequence[Any], _props: object) -> None:
        for kind, reason in zip(DOWN, reasons, strict=True):
            if reason.is_failure:
                log.error("broker=%s does not let us hear %s: %s; check its access list", self._address, kind, reason)
        self.ready = not reasons[DOWN.index("ack")].is_failure
        if not self.ready:
            self.refused = True
            self._lost = "without acks nothing can be sent"

    def _on_disconnect(self, _client: object, _data: object, flags: Any, reason: Any, _properties: object) -> None:
        self.ready = False
        self.offended = flags.is_disconnect_packet_from_server or reason.value == PROTOCOL_ERROR
        if flags.is_disconnect_packet_from_server:
            self.refused = reason.value in {0x8E, 0x87, 0x8B}  # taken over, not authorised, shutting down
            hint = "; does another agent use this device's name?" if reason.value == 0x8E else ""
            self._lost = self._lost or f"the broker ended it: {reason}{hint}"
        else:
            self._lost = self._lost or f"connection lost: {reason}"

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        pairs = [(str(name), str(value)) for name, value in getattr(properties, "UserProperty", [])]
        self._heard(message.topic, message.payload, getattr(properties, "ContentType", None), pairs)

    def _on_publish(self, _client: object, _data: object, mid: int, reason: Any, _properties: object) -> None:
        self._taken(mid, reason.value)
