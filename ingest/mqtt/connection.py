"""One connection to a broker: read by one thread, written by any. It is used until it breaks, then dropped."""

import socket
import ssl
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Final

from ingest.mqtt import commands
from ingest.mqtt.packets import Connack, Disconnect, Packet, read_packets
from ingest.mqtt.properties import MAXIMUM_PACKET, REASON, SERVER_KEEP_ALIVE, ProtocolError
from ingest.mqtt.tls import TlsSocket

READ_SIZE: Final = 256 * 1024
TIMEOUT: Final = 5.0  # seconds for the handshake, and for the broker to take what we send
LARGEST: Final = 16 * 1024 * 1024  # bytes of a packet, either way
FAILURE: Final = 0x80  # reason codes from here on


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Who we are to the broker, and the session that we want; times in seconds."""

    client_id: str
    username: str | None = None
    password: str | None = None
    clean_start: bool = True
    session_expiry: int = 0
    receive_maximum: int = 65_535
    keepalive: int = 10  # half of it later we, and half more later the broker, know that the other is gone


class RefusedError(Exception):
    """The broker does not take us."""

    def __init__(self, connack: Connack) -> None:
        super().__init__(f"0x{connack.reason:02x} {connack.properties.text(REASON) or ''}".strip())
        self.reason = connack.reason


class Connection:
    """Open, and accepted by the broker. OSError from any method: it is gone."""

    def __init__(self, host: str, port: int, login: Login, tls: ssl.SSLContext | None = None) -> None:
        """Connect, with `tls` under it.

        Raises:
            OSError: the broker is not there, or not who it should be.
            RefusedError: it is, and does not take us.
            ProtocolError: something else answers.
        """
        self._unread = b""
        self._early: list[Packet] = []  # what came right behind the CONNACK
        self._sending = Lock()
        plain = socket.create_connection((host, port), timeout=TIMEOUT)
        self._socket: socket.socket | TlsSocket = plain
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = TlsSocket(plain, tls, host) if tls else plain
            connack = self._shake_hands(login)
        except BaseException:
            self._socket.close()
            raise
        self._largest = connack.properties.number(MAXIMUM_PACKET, LARGEST)
        keepalive = connack.properties.number(SERVER_KEEP_ALIVE, login.keepalive) or login.keepalive
        self._ping_every = keepalive / 2
        self._next_ping = time.monotonic() + self._ping_every
        self._heard = True  # since the last ping
        self._socket.settimeout(min(TIMEOUT, keepalive / 4))

    def fileno(self) -> int:
        """For select."""
        return self._socket.fileno()

    def receive(self) -> list[Packet]:
        """Wait for packets; return some, or none after a while in which nothing came. Keeps the connection alive.

        Raises:
            OSError: the broker is gone, says goodbye or has been silent for too long.
            ProtocolError: it does not speak MQTT 5.
        """
        packets, self._early = self._early, []
        with suppress(TimeoutError):
            packets = packets or self._read()
        self._heard = self._heard or bool(packets)
        if time.monotonic() >= self._next_ping:
            self._ping()
        if packets and isinstance(last := packets[-1], Disconnect):
            raise ConnectionAbortedError(f"0x{last.reason:02x} {last.properties.text(REASON) or ''}".strip())
        return packets

    def send(self, packets: Iterable[bytes]) -> None:
        """Send whole packets, in this order and together; those that the broker would not take are left out."""
        data = b"".join([packet for packet in packets if len(packet) <= self._largest])
        with self._sending:
            self._socket.sendall(data)

    def hang_up(self) -> None:
        """Say goodbye, from any thread; `receive` then raises."""
        with suppress(OSError):
            self.send([commands.DISCONNECT])
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Let go of the socket; to be called by the thread that reads."""
        with self._sending:
            self._socket.close()

    def _ping(self) -> None:
        if not self._heard:
            raise TimeoutError("the broker did not answer a ping")
        self._heard, self._next_ping = False, time.monotonic() + self._ping_every
        self.send([commands.PINGREQ])

    def _shake_hands(self, login: Login) -> Connack:
        hello = commands.connect(
            client_id=login.client_id,
            keepalive=login.keepalive,
            clean_start=login.clean_start,
            session_expiry=login.session_expiry,
            receive_maximum=login.receive_maximum,
            username=login.username,
            password=login.password,
        )
        self._socket.sendall(hello)
        packets: list[Packet] = []
        while not packets:
            packets = self._read()
        connack, *self._early = packets
        if not isinstance(connack, Connack):
            raise ProtocolError(f"the first packet is {type(connack).__name__}, not CONNACK")
        if connack.reason >= FAILURE:
            raise RefusedError(connack)
        return connack

    def _read(self) -> list[Packet]:
        """Read once; return what has become whole."""
        data = self._socket.recv(READ_SIZE)
        if not data:
            raise ConnectionResetError("the broker hung up")
        self._unread += data
        packets, taken = read_packets(self._unread, LARGEST)
        self._unread = self._unread[taken:]
        return packets
