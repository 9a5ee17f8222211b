"""An ingest on a real broker and database, and devices that talk to it as an edge agent would, message by message."""

import logging
import secrets
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Protocol

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
from ingest.item import Arrival, Item, understand
from ingest.settings import Settings, plans
from ngatu.home import CHECKOUT
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers.mosquitto import BrokerSite
from tests.servers import Broker, running_broker

STREAM = "01J00000000000000000000000"
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


@pytest.fixture(scope="session")
def broker(packages: Path, server_folder: Path, guard: Guard) -> Iterator[Broker]:
    """A Mosquitto of this folder's own: what other tests' devices left retained would count as news."""
    site = BrokerSite(packages=packages, folder=server_folder / "mosquitto-ingest", port=free_port())
    with running_broker(site, guard) as server:
        yield server


class StartIngest(Protocol):
    def __call__(self, code: str = "", timeout: float = 20, **environ: str) -> Child: ...


def new_stream() -> str:
    return "01J" + "".join(secrets.choice(CROCKFORD) for _ in range(23))


class Device:
    """Speaks MQTT by hand: any number, any bytes, again if told to; keeps the acks that it hears."""

    def __init__(self, broker: Broker, name: str | None = None, password: str | None = None) -> None:
        self.name = name or f"device-{secrets.token_hex(4)}"
        self.acked: dict[str, set[int]] = {}
        self.streams: dict[str, str] = {}
        self._seqs: dict[str, Iterator[int]] = {}
        self._ready = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if password:
            self._client.username_pw_set(self.name, password)
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
        topic: str | None = None,
    ) -> None:
        envelope = Envelope(id=message_id, sent=sent, properties=properties)
        mqtt = Properties(PacketTypes.PUBLISH)
        mqtt.ContentType = content_type or (SENML_JSON if kind == "readings" else JSON)
        mqtt.UserProperty = user_properties(envelope)
        with suppress(RuntimeError):  # the broker is away: an agent sends again what no ack covers
            topic = topic or f"ngatu/v1/{self.name}/{kind}"
            self._client.publish(topic, payload, qos, retain, mqtt).wait_for_publish(10)

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
def _subscriptions(wanted: int) -> Iterator[threading.Event]:
    """An event that is set once that many lanes have said that they hear something."""
    done = threading.Event()
    heard = count(1)

    def hear(record: logging.LogRecord) -> bool:
        if record.msg.startswith("subscribed") and next(heard) >= wanted:
            done.set()
        return True

    logger = logging.getLogger("ingest.consumer")
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addFilter(hear)
    yield done
    logger.removeFilter(hear)
    logger.setLevel(level)


@contextmanager
def ingesting(dsn: str, broker: Broker) -> Iterator[None]:
    """One ingest in threads of this process."""
    settings = Settings(dsn=dsn, broker=BrokerAddress.parse(broker.url), metrics_port=None)
    stopped = threading.Event()
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(run(settings, stopped.is_set)))
    with _subscriptions(len(plans())) as subscribed:
        thread.start()
        assert subscribed.wait(20)
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


@pytest.fixture
def start_ingest(dsn: str, broker: Broker, guard: Guard, tmp_path: Path) -> Iterator[StartIngest]:
    """Starts ingest as a process of its own; `code` runs in it first, to break it."""
    started: list[Child] = []

    def start(code: str = "", timeout: float = 20, **environ: str) -> Child:
        program = Program(
            name="ingest",
            command=(
                sys.executable,
                "-W",
                "error",
                "-c",
                f"{code}\nimport sys, ingest.__main__ as m; sys.exit(m.main())",
            ),
            log=tmp_path / f"ingest-{len(started)}.log",
            environ={"NGATU_DSN": dsn, "NGATU_MQTT_URL": broker.url, "PYTHONPATH": str(CHECKOUT)} | environ,
            cwd=CHECKOUT,
        )
        child = Child(program, guard)
        child.start()
        started.append(child)
        child.wait_ready(lambda: child.tail(1000).count("subscribed client=") == len(plans()), timeout)
        return child

    yield start
    for child in started:
        child.stop()


def arrive(device: str, kind: str, payload: bytes, seq: int | None, stream: str = STREAM) -> Item:
    properties = [("id", str(MessageId(stream, seq)))] if seq else []
    return understand(Arrival(topic=f"ngatu/v1/{device}/{kind}", payload=payload, properties=properties, at=now()))
