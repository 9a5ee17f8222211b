"""MQTT in: what arrives is handed on at once, and acknowledged to the broker only when told so."""

import logging
import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from events.envelope import JSON
from ingest.item import Arrival

log: Final = logging.getLogger(__name__)

KEEPALIVE: Final = 20  # seconds
RECONNECT: Final = (0.25, 4.0)  # seconds between attempts, doubling from the first to the second
FORTNIGHT: Final = 14 * 86_400  # seconds that the broker keeps a durable session for us

SUBSCRIBE_AT_ONCE: Final = 500  # filters in one packet

Token = tuple[int, int, int]  # connection, packet id, QoS


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerAddress:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    username: str | None = None
    password: str | None = None

    @classmethod
    def parse(cls, url: str, password: str | None = None) -> "BrokerAddress":
        """Read `mqtt://[user[:password]@]host[:port]`.

        >>> BrokerAddress.parse("mqtt://ingest@broker:1884").port
        1884

        Raises:
            ValueError: it is no such URL.
        """
        parts = urlsplit(url)
        if parts.scheme != "mqtt" or not parts.hostname:
            raise ValueError(f"{url!r} is not mqtt://[user[:password]@]host[:port]")
        return cls(
            host=parts.hostname,
            port=parts.port or 1883,
            username=unquote(parts.username) if parts.username else None,
            password=password or (unquote(parts.password) if parts.password else None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What one connection hears, and how much of it unacknowledged."""

    client_id: str
    filters: Sequence[str]
    receive_maximum: int
    durable: bool = False  # the broker keeps what arrives while we are away


class Consumer:
    """A connection that mends itself. `deliver` runs on its thread and must not raise."""

    def __init__(self, address: BrokerAddress, subscription: Subscription, deliver: Callable[[Arrival], None]) -> None:
        self._subscription = subscription
        self._filters = set(subscription.filters)
        self._deliver = deliver
        self._connection = 0  # grows with each; a token of an earlier one is worth nothing
        self._asked: dict[int, list[str]] = {}  # by packet id
        self._agreed: set[str] = set()
        self._guard = Lock()  # no acknowledgement slips from one connection into the next
        client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=subscription.client_id, protocol=paho.MQTTv5, manual_ack=True
        )
        if address.username:
            client.username_pw_set(address.username, address.password)
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_message = self._on_message
        client.reconnect_delay_set(RECONNECT[0], RECONNECT[1])
        properties = Properties(PacketTypes.CONNECT)
        properties.ReceiveMaximum = subscription.receive_maximum
        properties.SessionExpiryInterval = FORTNIGHT if subscription.durable else 0
        client.connect_async(
            address.host, address.port, KEEPALIVE, clean_start=not subscription.durable, properties=properties
        )
        self._client = client

    @property
    def connected(self) -> bool:
        """Whether the broker has accepted us."""
        return bool(self._client.is_connected())

    def start(self) -> None:
        """Connect, and from now on deliver, until `stop`."""
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect; what is not acknowledged is the broker's again (durable) or its sender's."""
        self._client.disconnect()
        self._client.loop_stop()

    def listen(self, filters: Iterable[str]) -> frozenset[str]:
        """Subscribe to more, now and after each reconnect; return all that the broker has agreed to by now."""
        new = set(filters) - self._filters
        if new:
            self._filters |= new
            if self.connected:
                self._subscribe(new)
        return frozenset(self._agreed)

    def acknowledge(self, tokens: Iterable[Token | None]) -> None:
        """PUBACK messages of the present connection; those of an earlier one will come again."""
        with self._guard:
            for token in tokens:
                if token is not None and token[0] == self._connection:
                    self._client.ack(token[1], token[2])

    def publish_retained(self, topic: str, payload: bytes) -> None:
        """Publish JSON with QoS 0: whoever misses it asks again, by sending again."""
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = JSON
        self._client.publish(topic, payload, qos=0, retain=True, properties=properties)

    def _subscribe(self, filters: Iterable[str]) -> None:
        wanted = sorted(filters)
        for start in range(0, len(wanted), SUBSCRIBE_AT_ONCE):
            some = wanted[start : start + SUBSCRIBE_AT_ONCE]
            with self._guard:  # the answer must find its question
                _, mid = self._client.subscribe([(name, SubscribeOptions(qos=1)) for name in some])
                self._asked[mid or 0] = some

    def _on_connect(
        self, _client: paho.Client, _userdata: object, _flags: paho.ConnectFlags, reason: ReasonCode, _p: Any
    ) -> None:
        if reason.is_failure:
            log.error(
                "refused client=%s reason=%r: check user, password and ACL", self._subscription.client_id, str(reason)
            )
            return
        log.info("connected client=%s", self._subscription.client_id)
        if self._filters:
            self._subscribe(self._filters)

    def _on_connect_fail(self, _client: paho.Client, _userdata: object) -> None:
        log.warning(
            "unreachable client=%s broker=%s:%d", self._subscription.client_id, self._client.host, self._client.port
        )
        time.sleep(random.uniform(0, 0.5))  # noqa: S311 - jitter, so that not all come back at once

    def _on_disconnect(
        self, _client: paho.Client, _userdata: object, _flags: paho.DisconnectFlags, reason: ReasonCode, _p: Any
    ) -> None:
        with self._guard:
            self._connection += 1
        log.info("disconnected client=%s reason=%r", self._subscription.client_id, str(reason))

    def _on_subscribe(
        self, _client: paho.Client, _userdata: object, mid: int, reasons: list[ReasonCode], _p: Any
    ) -> None:
        name = self._subscription.client_id
        with self._guard:
            asked = self._asked.pop(mid, [])
        for topic, reason in zip(asked, reasons, strict=False):
            if reason.is_failure:
                log.error("not subscribed client=%s topic=%s reason=%r: check the ACL", name, topic, str(reason))
            else:
                self._agreed.add(topic)
        log.info("subscribed client=%s topics=%d", name, len(asked))

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        properties = message.properties
        self._deliver(
            Arrival(
                topic=message.topic,
                payload=message.payload,
                content_type=getattr(properties, "ContentType", None),
                properties=getattr(properties, "UserProperty", ()),
                at=time.time(),
                token=(self._connection, message.mid, message.qos),
            )
        )
