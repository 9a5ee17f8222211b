"""One connection to the broker, from CONNECT to its end; a new one is a new `Link`.

paho-mqtt reads and writes the packets; waiting is ours, so that one thread does it all.
"""

import fcntl
import logging
import os
import select
import socket
import ssl
import struct
import termios
import time
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
ANSWER_S: Final = 10.0  # a broker that has taken all our packets, and is silent for so long, is gone
PROTOCOL_ERROR: Final = 0x82
TAKEN_OVER: Final = 0x8E
UNWANTED: Final = frozenset({0x84, 0x85, 0x86, 0x87, 0x8A, 0x8C})
"""Reasons that stay until somebody changes something: protocol, client id, password, not authorised, banned, method."""
NOBODYS_FAULT: Final = frozenset({0x89, 0x8B, 0x8D, TAKEN_OVER, 0x98, 0x9C, 0x9D})
"""Reasons for a DISCONNECT that speak of no message: busy, shutting down, keep alive, taken over, by hand, moved."""
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
        self.taken_over = False  # somebody else came under our name
        self.offended = False  # it ended the connection, or answered what cannot be understood: not the network's fault
        self.receive_maximum = DEFAULT_RECEIVE_MAXIMUM
        self.packet_maximum = 268_435_455
        self._address = address
        self._device = device
        self._lost: str | None = None
        self._asked_at = self._heard_at = 0.0  # when we first asked for an answer since we last heard something
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
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(ANSWER_S * 1000))

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
            self._heard_at = time.monotonic()
            self._client.loop_read()
        if writable and self._lost is None:
            self._client.loop_write()
        if self._lost is None:
            self._client.loop_misc()
        if self._lost is None and self._is_silent(sock):
            self._lost = f"no answer in {ANSWER_S:.0f} s"
        if self._lost is not None:
            raise LinkLost(self._lost)

    def _is_silent(self, sock: Any) -> bool:
        """Whether the other end has everything, should have answered, and has not."""
        waits = self._asked_at > self._heard_at and time.monotonic() - self._asked_at > ANSWER_S
        return waits and not self.busy and _under_way(sock) == 0

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
        if qos and self._asked_at <= self._heard_at:
            self._asked_at = time.monotonic()
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
            self.refused = reason.value in UNWANTED
            hint = "; check broker.user and the password" if self.refused else ""
            self._lost = f"the broker refused us: {reason}{hint}"
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
        told = bool(flags.is_disconnect_packet_from_server)
        self.offended = reason.value == PROTOCOL_ERROR or (told and reason.value not in NOBODYS_FAULT)
        if told:
            self.refused = reason.value in UNWANTED
            self.taken_over = reason.value == TAKEN_OVER
            hint = "; does another agent use this device's name?" if self.taken_over else ""
            self._lost = self._lost or f"the broker ended it: {reason}{hint}"
        else:
            self._lost = self._lost or f"connection lost: {reason}"

    def _on_message(self, _client: object, _data: object, message: mqtt.MQTTMessage) -> None:
        properties = message.properties
        pairs = [(str(name), str(value)) for name, value in getattr(properties, "UserProperty", [])]
        self._heard(message.topic, message.payload, getattr(properties, "ContentType", None), pairs)

    def _on_publish(self, _client: object, _data: object, mid: int, reason: Any, _properties: object) -> None:
        self._taken(mid, reason.value)


def _under_way(sock: Any) -> int:
    """Bytes that the other end's kernel has not confirmed to have."""
    answer = fcntl.ioctl(sock.fileno(), termios.TIOCOUTQ, bytes(4))
    return int(struct.unpack("i", answer)[0])
