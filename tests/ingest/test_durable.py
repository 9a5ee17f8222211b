"""Devices that number nothing: as durable as the broker lets them be."""

from collections.abc import Iterator

import psycopg
import pytest

from events.reading import Reading, encode_senml
from ingest.store import Store
from ngatu.process.child import Child
from storage.connect import connect
from tests.ingest.conftest import Device, StartIngest, arrive, ingesting, now, scalar
from tests.servers import Broker, WaitFor


@pytest.fixture
def thing(private_broker: Broker) -> Iterator[Device]:
    device = Device(private_broker)
    yield device
    device.close()


def say(device: Device, *values: float) -> None:
    for value in values:
        device.send("readings", encode_senml([Reading("n", now(), value)], device.name), None)


def is_heard(db: psycopg.Connection, device: Device) -> bool:
    query = "SELECT count(*) FROM device WHERE name = %s AND heard_since IS NOT NULL"
    return scalar(db, query, device.name) == 1


def values(db: psycopg.Connection) -> list[float]:
    return [value for (value,) in db.execute("SELECT value FROM foreign_reading ORDER BY value")]


def test_what_a_thing_sends_while_no_ingest_runs_is_stored_later(
    dsn: str, db: psycopg.Connection, private_broker: Broker, thing: Device, wait_for: WaitFor
) -> None:
    with ingesting(dsn, private_broker):
        say(thing, 0)
        wait_for(lambda: is_heard(db, thing))
    say(thing, *range(1, 31))
    with ingesting(dsn, private_broker):
        wait_for(lambda: len(values(db)) == 31)
    assert values(db) == [float(n) for n in range(31)]


def test_another_process_takes_over_from_one_that_dies(
    db: psycopg.Connection, private_broker: Broker, thing: Device, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    processes = [start_ingest(NGATU_MQTT_URL=private_broker.url) for _ in range(2)]
    say(thing, 0)
    wait_for(lambda: is_heard(db, thing))

    def leaders() -> list[Child]:
        return [process for process in processes if process.running and "leads lane=durable" in process.tail(1000)]

    assert len(leaders()) == 1
    leaders()[0].kill()
    say(thing, *range(1, 31))
    wait_for(lambda: len(values(db)) == 31, timeout=20)
    wait_for(lambda: len(leaders()) == 1)


def test_a_reading_without_a_time_is_left_to_the_durable_lane_once_that_hears_its_device(
    dsn: str, db: psycopg.Connection, wait_for: WaitFor
) -> None:
    timeless = b'[{"n":"n","v":1}]'
    with connect(dsn, application="shared") as one, connect(dsn, application="durable") as two:
        shared, durable = Store(one), Store(two, durable=True)

        def taken(store: Store) -> bool:
            return store.store([arrive("thing", "readings", timeless, None)]).stored == 1

        assert taken(shared)
        db.execute("UPDATE device SET heard_since = now() - interval '2 hours'")
        db.execute("SELECT pg_notify('about', id::text) FROM device")
        wait_for(lambda: not taken(shared))  # once it has heard the notice
        before = scalar(db, "SELECT count(*) FROM foreign_reading WHERE quality = 4")
        assert taken(durable)
        assert not taken(shared)
    assert scalar(db, "SELECT count(*) FROM foreign_reading WHERE quality = 4") == before + 1  # type: ignore[operator]
