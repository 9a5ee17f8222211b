"""MQTT in: what arrives is handed on at once, and acknowledged to the broker only when told so."""

import logging
import random
import ssl
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Event, Lock, Thread
from typing import Final
from urllib.parse import unquote, urlsplit

from events.envelope import JSON
from ingest.item import Arrival
from ingest.mqtt import commands, tls
from ingest.mqtt.connection import FAILURE, Connection, Login, RefusedError
from ingest.mqtt.packets import Publish, Suback
from ingest.mqtt.properties import CONTENT_TYPE, REASON, ProtocolError

log: Final = logging.getLogger(__name__)

RECONNECT: Final = (0.25, 4.0)  # seconds between attempts, doubling from the first to the second
FORTNIGHT: Final = 14 * 86_400  # seconds that the broker keeps a durable session for us

SUBSCRIBE_AT_ONCE: Final = 500  # filters in one packet

Token = tuple[int, int]  # connection, packet id (0: nothing to acknowledge)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None
    tls: ssl.SSLContext | None = None

    @classmethod
    def parse(cls, url: str, password: str | None = None, ca_file: str | None = None) -> "BrokerAddress":
        """Read `mqtt://[user[:password]@]host[:port]`, or `mqtts://…`: TLS, with these authorities or the machine's.

        >>> BrokerAddress.parse("mqtt://ingest@broker:1884").port, BrokerAddress.parse("mqtts://broker").port
        (1884, 8883)

        Raises:
            ValueError: it is no such URL, or `ca_file` can't be used.
        """
        parts = urlsplit(url)
        if parts.scheme not in {"mqtt", "mqtts"} or not parts.hostname:
            raise ValueError(f"{url!r} is not mqtt://[user[:password]@]host[:port], or mqtts://… for TLS")
        secure = parts.scheme == "mqtts"
        return cls(
            host=parts.hostname,
            port=parts.port or (8883 if secure else 1883),
            username=unquote(parts.username) if parts.username else None,
            password=password or (unquote(parts.password) if parts.password else None),
            tls=tls.context(ca_file) if secure else None,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What one connection hears, and how much of it unacknowledged."""

    client_id: str
    filters: Sequence[str]
    receive_maximum: int
    durable: bool = False  # the broker keeps what arrives while we are away
    retained: bool = True  # False: what was said before we came is not news


class Consumer:
    """A connection that mends itself. `deliver` runs on its thread and must not raise."""

    def __init__(
        self, address: BrokerAddress, subscription: Subscription, deliver: Callable[[Sequence[Arrival]], None]
    ) -> None:
        self._address = address
        self._subscription = subscription
        self._filters = set(subscription.filters)
        self._deliver = deliver
        self._number = 0  # of the connection; a token of an earlier one is worth nothing
        self._connection: Connection | None = None
        self._asked: dict[int, Sequence[str]] = {}  # by packet id
        self._next_id = 0
        self._agreed: set[str] = set()
        self._guard = Lock()  # no acknowledgement slips from one connection into the next
        self._stopping = Event()
        self._thread = Thread(target=self._run, name=subscription.client_id)

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return self._connection is not None

    def start(self) -> None:
        """Connect, and from now on deliver, until `stop`."""
        self._thread.start()

    def stop(self) -> None:
        """Disconnect; what is not acknowledged is the broker's again (durable) or its sender's."""
        self._stopping.set()
        if connection := self._connection:
            connection.hang_up()
        if self._thread.is_alive():
            self._thread.join()

    def listen(self, filters: Iterable[str]) -> frozenset[str]:
        """Subscribe to more, now and after each reconnect; return all that the broker has agreed to by now."""
        with self._guard:
            new = set(filters) - self._filters
            self._filters |= new
            self._subscribe(new)
        return frozenset(self._agreed)

    def acknowledge(self, tokens: Iterable[Token | None]) -> None:
        """PUBACK messages of the present connection; those of an earlier one will come again."""
        with self._guard:
            present = [token[1] for token in tokens if token and token[0] == self._number and token[1]]
            self._send([commands.pubacks(present)])

    def publish_retained(self, messages: Iterable[tuple[str, bytes]]) -> None:
        """Publish JSON (topic, payload) with QoS 0: whoever misses it asks again, by sending again."""
        packets = [commands.publish(topic, payload, retain=True, content_type=JSON) for topic, payload in messages]
        with self._guard:
            self._send(packets)

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 0, in a device's own tongue."""
        with self._guard:
            self._send([commands.publish(topic, payload)])

    def _run(self) -> None:
        delay = RECONNECT[0]
        while not self._stopping.is_set():
            connection = self._connect()
            if connection is not None:
                delay = RECONNECT[0]
                self._listen_to(connection)
            self._stopping.wait(delay * random.uniform(0.5, 1.5))  # noqa: S311 - jitter: not all come back at once
            delay = min(delay * 2, RECONNECT[1])

    def _connect(self) -> Connection | None:
        wanted, address = self._subscription, self._address
        login = Login(
            client_id=wanted.client_id,
            username=address.username,
            password=address.password,
            clean_start=not wanted.durable,
            session_expiry=FORTNIGHT if wanted.durable else 0,
            receive_maximum=wanted.receive_maximum,
        )
        try:
            return Connection(address.host, address.port, login, address.tls)
        except RefusedError as error:
            log.error("refused client=%s reason=%r: check user, password and ACL", wanted.client_id, str(error))  # noqa: TRY400 - a line, not a traceback
        except (OSError, ProtocolError) as error:
            log.warning(
                "unreachable client=%s broker=%s:%d error=%r", wanted.client_id, address.host, address.port, str(error)
            )
        return None

    def _listen_to(self, connection: Connection) -> None:
        """Deliver what comes until the connection breaks."""
        name = self._subscription.client_id
        with self._guard:
            self._connection, self._asked = connection, {}
            self._subscribe(self._filters)
        log.info("connected client=%s", name)
        try:
            while not self._stopping.is_set():
                self._pass_on(connection)
        except (OSError, ProtocolError) as error:
            log.info("disconnected client=%s reason=%r", name, str(error))
        finally:
            with self._guard:
                self._number, self._connection = self._number + 1, None
            connection.close()

    def _pass_on(self, connection: Connection) -> None:
        """Wait once for packets, and hand on what is in them."""
        packets = connection.receive()
        now, number = time.time(), self._number
        arrivals = [_arrival(packet, now, number) for packet in packets if type(packet) is Publish]
        if arrivals:
            self._deliver(arrivals)
        if len(arrivals) < len(packets):
            for packet in packets:
                if isinstance(packet, Suback):
                    self._note_agreed(packet)

    def _subscribe(self, filters: Iterable[str]) -> None:
        """Ask the broker, where there is one; the caller holds the guard, so that the answer finds its question."""
        if self._connection is None:
            return
        wanted = sorted(filters)
        for start in range(0, len(wanted), SUBSCRIBE_AT_ONCE):
            some = wanted[start : start + SUBSCRIBE_AT_ONCE]
            self._next_id = self._next_id % 65_535 + 1
            self._asked[self._next_id] = some
            self._send([commands.subscribe(self._next_id, some, retained=self._subscription.retained)])

    def _note_agreed(self, suback: Suback) -> None:
        name = self._subscription.client_id
        with self._guard:
            asked = self._asked.pop(suback.packet_id, ())
        for topic, reason in zip(asked, suback.reasons, strict=False):
            if reason >= FAILURE:
                why = f"0x{reason:02x} {suback.properties.text(REASON) or ''}".strip()
                log.error("not subscribed client=%s topic=%s reason=%r: check the ACL", name, topic, why)
            else:
                self._agreed.add(topic)
        log.info("subscribed client=%s topics=%d", name, len(asked))

    def _send(self, packets: Iterable[bytes]) -> None:
        """Send, where there is a broker; the thread that reads notices and mends what breaks."""
        if self._connection is not None:
            try:
                self._connection.send(packets)
            except OSError:
                self._connection.hang_up()


def _arrival(message: Publish, at: float, connection: int) -> Arrival:
    properties = message.properties
    return Arrival(
        topic=message.topic,
        payload=message.payload,
        content_type=properties.text(CONTENT_TYPE),
        properties=properties.user,
        at=at,
        token=(connection, message.packet_id),
    )
