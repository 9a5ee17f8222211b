"""An ingest on a real broker and database, and devices that talk to it as an edge agent would, message by message."""

import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, datetime
from itertools import count

import msgspec
import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from events.envelope import JSON, SENML_JSON, Envelope, MessageId, user_properties
from events.fact import to_json
from events.reading import Reading, encode_senml
from events.status import Ack, Status
from events.topic import Kind, subscription
from ingest.__main__ import run
from ingest.consumer import BrokerAddress
from ingest.settings import Settings
from tests.servers import Broker

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
Running = Callable[[str, Broker], AbstractContextManager[None]]


def new_stream() -> str:
    return "01J" + "".join(secrets.choice(CROCKFORD) for _ in range(23))


class Device:
    """Speaks MQTT by hand: any number, any bytes, again if told to; keeps the acks that it hears."""

    def __init__(self, broker: Broker, name: str | None = None) -> None:
        self.name = name or f"device-{secrets.token_hex(4)}"
        self.acked: dict[str, set[int]] = {}
        self.streams: dict[str, str] = {}
        self._seqs: dict[str, Iterator[int]] = {}
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._ready.set()
        self._client.on_connect = lambda *_: self._client.subscribe(subscription("ack", self.name), qos=1)
        self._client.max_inflight_messages_set(1000)
        self._client.reconnect_delay_set(1, 1)
        self._client.connect(broker.host, broker.port, keepalive=30)
        self._client.loop_start()
        assert self._ready.wait(10)

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def next_id(self, kind: str) -> MessageId:
        stream = self.streams.setdefault(kind, new_stream())
        return MessageId(stream, next(self._seqs.setdefault(stream, count(1))))

    def send(
        self,
        kind: Kind | str,
        payload: bytes,
        message_id: MessageId | None,
        *,
        content_type: str | None = None,
        sent: datetime | None = None,
        properties: tuple[tuple[str, str], ...] = (),
        qos: int = 1,
        retain: bool = False,
    ) -> None:
        envelope = Envelope(id=message_id, sent=sent, properties=properties)
        mqtt = Properties(PacketTypes.PUBLISH)
        mqtt.ContentType = content_type or (SENML_JSON if kind == "readings" else JSON)
        mqtt.UserProperty = user_properties(envelope)
        self._client.publish(f"ngatu/v1/{self.name}/{kind}", payload, qos, retain, mqtt).wait_for_publish(10)

    def send_fact(self, kind: Kind, fact: object, *, numbered: bool = True) -> MessageId | None:
        message_id = self.next_id(kind) if numbered else None
        self.send(kind, to_json(fact), message_id)
        return message_id

    def send_readings(
        self, *readings: Reading, message_id: MessageId | None = None, sent: datetime | None = None
    ) -> MessageId:
        message_id = message_id or self.next_id("readings")
        self.send("readings", encode_senml(readings, self.name), message_id, sent=sent)
        return message_id

    def send_status(self, status: Status, *, retain: bool = False) -> None:
        self.send("status", to_json(status), None, retain=retain)

    def knows_stored(self, *ids: MessageId | None) -> bool:
        return all(i is not None and i.seq in self.acked.get(i.stream, ()) for i in ids)

    def _on_message(self, _client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        for stream, ranges in msgspec.json.decode(message.payload, type=Ack).items():
            self.acked.setdefault(stream, set()).update(n for first, last in ranges for n in range(first, last + 1))


@contextmanager
def ingesting(dsn: str, broker: Broker) -> Iterator[None]:
    """One ingest in threads of this process."""
    settings = Settings(dsn=dsn, broker=BrokerAddress.parse(broker.url), metrics_port=None)
    stopped = threading.Event()
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(run(settings, stopped)))
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join(30)
    assert results == [True]


@pytest.fixture
def ingest(dsn: str, broker: Broker) -> Iterator[None]:
    with ingesting(dsn, broker):
        yield


@pytest.fixture
def device(broker: Broker) -> Iterator[Device]:
    made = Device(broker)
    yield made
    made.close()


@pytest.fixture
def other_device(broker: Broker) -> Iterator[Device]:
    made = Device(broker)
    yield made
    made.close()


def now() -> float:
    return datetime.now(UTC).timestamp()


def scalar(db: psycopg.Connection, statement: str, *parameters: object) -> object:
    row = db.execute(statement.encode(), parameters).fetchone()
    assert row is not None
    return row[0]
