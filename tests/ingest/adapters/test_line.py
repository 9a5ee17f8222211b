"""Foreign devices on a real broker, through a real ingest, into a real database."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import cbor2
import paho.mqtt.client as paho
import psycopg
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from ingest.replay import replay
from storage.city import store_city
from storage.readings import DOUBTED, IMPLAUSIBLE_TIME
from storage.rejected import list_kept
from tests.ingest.adapters.test_golden import payload_of, rows
from tests.ingest.conftest import ingesting, scalar
from tests.servers import Broker, WaitFor

ADAPTERS = [
    {"name": "zigbee", "format": "zigbee2mqtt", "topics": ["zigbee2mqtt/#"]},
    {"name": "plant", "format": "sparkplug", "topics": ["spBv1.0/#"]},
    {"name": "frigate", "format": "frigate", "topics": ["frigate/#"]},
    {"name": "bare", "format": "senml", "topics": ["senml/+/pack"]},
]


PACK = cbor2.dumps([{-2: "dev:", -3: 1.75e9, 0: "a", 2: 1}, {0: "b", 2: 2.5, 6: 1}])


class Gateway:
    """Publishes anything anywhere, and keeps what it is told."""

    def __init__(self, broker: Broker) -> None:
        self.heard: list[str] = []
        self._client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_message = lambda *args: self.heard.append(args[2].topic)
        ready = threading.Event()
        self._client.on_subscribe = lambda *_: ready.set()
        self._client.on_connect = lambda *_: self._client.subscribe("spBv1.0/+/NCMD/+", qos=1)
        self._client.connect(broker.host, broker.port)
        self._client.loop_start()
        assert ready.wait(10)

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self._client.publish(topic, payload, 1, retain).wait_for_publish(10)

    def say_golden(self, name: str, *indices: int) -> None:
        golden = rows(name)
        for index in indices:
            self.say(golden[index]["topic"], payload_of(golden[index]))

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@pytest.fixture
def gateway(private_broker: Broker) -> Iterator[Gateway]:
    made = Gateway(private_broker)
    yield made
    made.close()


@contextmanager
def hearing(dsn: str, broker: Broker, caplog: pytest.LogCaptureFixture, wait_for: WaitFor) -> Iterator[None]:
    caplog.set_level("INFO", "ingest")
    caplog.clear()
    with ingesting(dsn, broker):
        wait_for(lambda: "subscribed client=ngatu-ingest-adapters" in caplog.text, timeout=20)
        yield


def stored(db: psycopg.Connection) -> list[tuple[object, ...]]:
    return db.execute(
        """SELECT d.name, s.name, s.unit, r.value FROM (SELECT series_id, value FROM foreign_reading
                 UNION ALL SELECT series_id, value FROM misdated_reading) r  -- the documents' times are old
           JOIN series s ON s.id = r.series_id JOIN device d ON d.id = s.device_id ORDER BY 1, 2, 4"""
    ).fetchall()


def test_what_foreign_devices_say_is_stored_also_what_they_said_while_no_ingest_ran(
    dsn: str,
    db: psycopg.Connection,
    private_broker: Broker,
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    wait_for: WaitFor,
) -> None:
    store_city(db, {"adapters": ADAPTERS})
    with hearing(dsn, private_broker, caplog, wait_for):
        gateway.say_golden("zigbee2mqtt", 0, 6, 7)
        gateway.say("senml/meter/pack", PACK)
        gateway.say_golden("frigate", 1, 0, 5)
        wait_for(lambda: len(stored(db)) == 4 and scalar(db, "SELECT count(*) FROM incident") == 1)
    gateway.say("senml/meter/pack", b'[{"n":"away","v":1,"t":1750000000}]')
    gateway.say("senml/meter/pack", PACK)  # a copy
    with hearing(dsn, private_broker, caplog, wait_for):
        wait_for(lambda: len(stored(db)) == 5)
    assert stored(db)[-2:] == [
        ("zigbee.climate", "humidity", "%", 44.72),
        ("zigbee.climate", "temperature", "Cel", 27.34),
    ]
    assert db.execute("SELECT state, kind, camera, zone, model FROM incident").fetchall() == [
        ("end", "object_detected", "front_door", "driveway", "frigate")
    ]
    assert scalar(db, "SELECT count(*) FROM rejected") == 0
    assert scalar(db, "SELECT count(*) FROM device WHERE heard_since IS NOT NULL") == 0


def test_sparkplug_births_deaths_and_a_restart_that_must_not_guess(
    dsn: str,
    db: psycopg.Connection,
    private_broker: Broker,
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    wait_for: WaitFor,
) -> None:
    store_city(db, {"adapters": ADAPTERS})
    with hearing(dsn, private_broker, caplog, wait_for):
        gateway.say_golden("sparkplug", 0, 1, 2, 3)
        wait_for(lambda: len(stored(db)) == 5)
    values = {(device, series): value for device, series, _, value in stored(db)}
    board = "plant.Sparkplug-B-Devices-Raspberry-Pi-Pibrella-"
    assert [value for (device, series), value in values.items() if str(device).startswith(board)] == [0.5, -7.0]
    with hearing(dsn, private_broker, caplog, wait_for):
        gateway.say_golden("sparkplug", 4)  # DDEATH: its birth was heard by another process
        wait_for(lambda: gateway.heard == ["spBv1.0/Sparkplug B Devices/NCMD/Raspberry Pi"])
        wait_for(lambda: scalar(db, "SELECT count(*) FROM rejected") == 1)
        (kept,) = list_kept(db)
        assert (kept.device, kept.reason) == ("plant", "no_birth")
        assert kept.detail.startswith("adapter plant: no birth of this edge node was heard")


def test_a_value_that_its_sender_calls_bad_or_stale_is_stored_with_a_flag_and_its_unit(
    dsn: str,
    db: psycopg.Connection,
    private_broker: Broker,
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    wait_for: WaitFor,
) -> None:
    store_city(db, {"adapters": ADAPTERS})
    with hearing(dsn, private_broker, caplog, wait_for):
        gateway.say_golden("sparkplug", 8, 9, 10)
        wait_for(lambda: len(stored(db)) == 5)
    found = db.execute(
        """SELECT s.name, s.unit, r.value, r.quality FROM misdated_reading r JOIN series s ON s.id = r.series_id
           ORDER BY s.name, r.at"""
    ).fetchall()
    good, doubted = IMPLAUSIBLE_TIME, IMPLAUSIBLE_TIME | DOUBTED  # the documents' times are old
    assert found == [
        ("Flow", "m3/h", 1.5, good),
        ("Flow", "m3/h", 2.5, good),
        ("Level", "m", 0.25, doubted),
        ("Level", "m", 0.5, doubted),
        ("Level", "m", 0.75, good),
    ]


def test_what_an_adapter_cannot_read_is_kept_and_can_be_replayed_after_a_change_of_the_city_file(
    dsn: str,
    db: psycopg.Connection,
    private_broker: Broker,
    gateway: Gateway,
    caplog: pytest.LogCaptureFixture,
    wait_for: WaitFor,
) -> None:
    tasmota = {"name": "plugs", "format": "zigbee2mqtt", "topics": ["tele/#"]}  # the wrong format
    store_city(db, {"adapters": [tasmota]})
    topic, payload = rows("tasmota")[1]["topic"], payload_of(rows("tasmota")[1])
    gateway.say("tele/old/LWT", b"Online", retain=True)  # said before anybody listened: no news
    with hearing(dsn, private_broker, caplog, wait_for):
        gateway.say(topic, payload)
        wait_for(lambda: scalar(db, "SELECT count(*) FROM rejected") == 1)
        (kept,) = list_kept(db)
        assert (kept.device, kept.reason) == ("plugs", "topic")
        store_city(db, {"adapters": [tasmota | {"format": "tasmota"}]})
        caplog.clear()
        wait_for(lambda: "subscribed client=ngatu-ingest-adapters" in caplog.text, timeout=20)
        gateway.say("tele/plug/SENSOR", json.dumps({"Time": "2026-01-12T14:30:10", "A": 1}).encode())
        wait_for(lambda: len(stored(db)) == 1)
    assert replay(db).stored == 1
    assert len(stored(db)) == 6
    assert scalar(db, "SELECT count(*) FROM device WHERE name = 'plugs.old'") == 0


def test_a_city_file_that_names_a_wrong_adapter_stops_nothing_else(
    dsn: str, db: psycopg.Connection, private_broker: Broker, caplog: pytest.LogCaptureFixture, wait_for: WaitFor
) -> None:
    store_city(db, {"adapters": [{"name": "x", "format": "none", "topics": ["x/#"]}]})
    caplog.set_level("INFO", "ingest")
    with ingesting(dsn, private_broker):
        wait_for(lambda: "adapters refused" in caplog.text, timeout=20)
    assert "mend the city file" in caplog.text
