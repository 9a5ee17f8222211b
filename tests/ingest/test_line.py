"""A message in, its rows and its ack out."""

import threading
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from events.about import About, Camera, Position, Sensor
from events.evidence import Evidence, evidence_properties
from events.health import Health
from events.incident import Incident, Place
from events.reading import Reading
from events.status import Status
from events.traffic import Flow, TrafficMinute
from tests.ingest.conftest import Device, new_stream, now, scalar
from tests.servers import WaitFor

pytestmark = pytest.mark.usefixtures("ingest")

JPEG = b"\xff\xd8\xff" + b"\x01" * 5000


def incident(**changes: object) -> Incident:
    at = datetime.now(UTC)
    facts = {
        "id": new_stream(),
        "rev": 1,
        "kind": "stopped_vehicle",
        "state": "open",
        "severity": "major",
        "camera": "north",
        "started_at": at - timedelta(seconds=12),
        "decided_at": at,
        "at": at,
        "confidence": 0.9,
        "place": Place(box=(1.0, 2.0, 3.0, 4.0)),
        "why": {"seconds": 12.5, "zone": "lane 2"},
        "tracks": (4, 5),
    }
    return Incident(**(facts | changes))  # type: ignore[arg-type]  # the test says what differs


def test_readings_are_stored_and_acknowledged(db: psycopg.Connection, device: Device, wait_for: WaitFor) -> None:
    at = now()
    message = device.send_readings(Reading("cpu/load1", at, 0.5, "1"), Reading("temp", at, 21.0, "Cel"))
    wait_for(lambda: device.knows_stored(message))
    rows = db.execute(
        "SELECT s.name, r.value, s.unit, r.quality, extract(epoch FROM r.at)::float8, r.received - r.at < '5 s'"
        " FROM any_reading r JOIN series s ON s.id = series_id JOIN device d ON d.id = device_id WHERE d.name = %s"
        " ORDER BY 1",
        [device.name],
    ).fetchall()
    assert [row[:4] for row in rows] == [("cpu/load1", 0.5, "1", 0), ("temp", 21.0, "Cel", 0)]
    assert all(row[4] == pytest.approx(at, abs=1e-5) and row[5] for row in rows)


def test_strings_booleans_and_data_become_states(db: psycopg.Connection, device: Device, wait_for: WaitFor) -> None:
    at = now()
    message = device.send_readings(
        Reading("door", at, True),
        Reading("mode", at, "auto"),
        Reading("blob", at, b"\x00\xff"),
        Reading("temp", at, 1.0),
    )
    wait_for(lambda: device.knows_stored(message))
    states = db.execute(
        "SELECT name, value, data FROM state JOIN series s ON s.id = series_id ORDER BY name"
    ).fetchall()
    assert states == [("blob", None, b"\x00\xff"), ("door", True, None), ("mode", "auto", None)]
    assert scalar(db, "SELECT count(*) FROM reading") == 1


def test_a_message_that_comes_again_is_acknowledged_and_not_stored(
    db: psycopg.Connection, device: Device, wait_for: WaitFor
) -> None:
    reading = Reading("temp", now(), 1.0)
    first = device.send_readings(reading)
    wait_for(lambda: device.knows_stored(first))
    device.acked.clear()
    device.send_readings(reading, message_id=first)
    wait_for(lambda: device.knows_stored(first))
    assert scalar(db, "SELECT count(*) FROM reading") == 1


def test_a_minute_of_traffic_is_a_row_for_each_flow_and_an_empty_minute_is_one(
    db: psycopg.Connection, device: Device, wait_for: WaitFor
) -> None:
    start = datetime.now(UTC).replace(second=0, microsecond=0)
    flows = (Flow(klass="car", direction="in", count=3, speed_mps=8.5), Flow(klass="bus", direction="in", count=1))
    full = TrafficMinute(camera="north", zone="gate", start=start, flows=flows, occupancy=0.5, pcu=4.5)
    empty = TrafficMinute(camera="north", zone="gate", start=start - timedelta(minutes=1))
    ids = [device.send_fact("traffic", full), device.send_fact("traffic", empty)]
    wait_for(lambda: device.knows_stored(*ids))
    rows = db.execute(
        "SELECT at, class, count, speed_mps, occupancy, pcu FROM traffic ORDER BY at, class DESC"
    ).fetchall()
    assert rows == [
        (empty.start, "", 0, None, None, None),
        (start, "car", 3, 8.5, 0.5, 4.5),
        (start, "bus", 1, None, None, None),
    ]


def test_an_incident_is_stored_its_older_revision_does_not_return_and_listeners_are_told(
    db: psycopg.Connection, dsn: str, device: Device, wait_for: WaitFor
) -> None:
    told: list[str] = []
    with psycopg.connect(dsn, autocommit=True) as listener:
        listener.execute("LISTEN incident")
        opened = incident()
        ended = incident(id=opened.id, rev=3, state="end", ended_at=opened.at)
        ids = [device.send_fact("incident", fact) for fact in (opened, ended, incident(id=opened.id, rev=2))]
        wait_for(lambda: device.knows_stored(*ids))
        told = [notice.payload for notice in listener.notifies(timeout=0.5)]
    row = db.execute("SELECT rev, state, place->'box'->2, why->>'zone', tracks FROM incident").fetchall()
    assert row == [(3, "end", 3.0, "lane 2", [4, 5])]
    assert set(told) == {opened.id}
    assert 1 <= len(told) <= 2


def test_a_still_is_kept_with_its_hash_and_listeners_are_told(
    db: psycopg.Connection, device: Device, wait_for: WaitFor
) -> None:
    still = Evidence(incident=new_stream(), camera="north", at=datetime.now(UTC), role="still", data=JPEG)
    message = device.next_id("evidence")
    device.send("evidence", JPEG, message, content_type="image/jpeg", properties=evidence_properties(still))
    wait_for(lambda: device.knows_stored(message))
    row = db.execute("SELECT incident_id, data, sha256 = sha256(data), at FROM evidence").fetchone()
    assert row == (still.incident, JPEG, True, still.at)


def test_what_a_device_says_of_itself_places_its_incidents_and_limits_its_series(
    db: psycopg.Connection, device: Device, wait_for: WaitFor
) -> None:
    about = About(
        rev=2,
        position=Position(latitude=21.03, longitude=105.85),
        ward="00070",
        sensors=(Sensor(name="temp", unit="Cel", minimum=-40, maximum=60, period_s=1),),
        cameras=(Camera(name="north", position=Position(latitude=21.0, longitude=105.8)),),
    )
    early = device.send_readings(Reading("temp", now(), 99.0, "Cel"))  # before the limits are known
    wait_for(lambda: device.knows_stored(early))
    ids = [device.send_fact("about", about), device.send_fact("about", About(rev=1, ward="old"))]
    wait_for(lambda: device.knows_stored(*ids))
    later = [device.send_readings(Reading("temp", now(), 99.0, "Cel"), Reading("temp", now(), 300.0, "K"))]
    later.append(device.send_fact("incident", incident(camera="north")))  # type: ignore[arg-type]  # numbered: an id
    wait_for(lambda: device.knows_stored(*later))
    assert db.execute(
        "SELECT latitude, ward_code, about_rev FROM device WHERE name = %s", [device.name]
    ).fetchone() == (
        21.03,
        "00070",
        2,
    )
    told = db.execute("SELECT value, quality FROM reading ORDER BY received, at").fetchall()
    assert told == [(99.0, 0), (99.0, 1), (26.85, 128)]
    assert db.execute("SELECT latitude, longitude FROM incident").fetchone() == (21.0, 105.8)


def test_health_is_raised_and_cleared_under_one_id(db: psycopg.Connection, device: Device, wait_for: WaitFor) -> None:
    since = datetime.now(UTC)
    raised = Health(
        id=new_stream(), rev=1, subject="camera", name="north", condition="dark", state="raised", since=since
    )
    cleared = Health(
        id=raised.id, rev=2, subject="camera", name="north", condition="dark", state="cleared", since=since, until=since
    )
    ids = [device.send_fact("health", cleared), device.send_fact("health", raised)]
    wait_for(lambda: device.knows_stored(*ids))
    assert db.execute("SELECT rev, state, until FROM camera_health").fetchall() == [(2, "cleared", since)]


def test_a_status_is_applied_once_whatever_order_it_comes_in(
    db: psycopg.Connection, device: Device, wait_for: WaitFor
) -> None:
    stored = device.send_readings(Reading("temp", now(), 1.0))
    wait_for(lambda: device.knows_stored(stored))
    device.acked.clear()
    device.send_status(Status(state="online", connection=7, n=2, streams={stored.stream: 5}))
    wait_for(lambda: device.knows_stored(stored))  # all that the database holds, for an agent that came back
    device.send_status(Status(state="offline", connection=6, n=9))
    device.send_status(Status(state="offline", connection=7, n=1))
    last = device.send_readings(Reading("temp", now(), 1.0))
    wait_for(lambda: device.knows_stored(last))
    row = db.execute("SELECT online, status_connection, status_n FROM device WHERE name = %s", [device.name]).fetchone()
    assert row == (True, 7, 2)
    assert db.execute("SELECT first, last, explained FROM gap WHERE device = %s", [device.name]).fetchall() == [
        (3, 5, False)
    ]


def test_the_offset_of_a_clock_is_estimated_from_what_it_says_when_sending(
    db: psycopg.Connection, device: Device, wait_for: WaitFor
) -> None:
    ahead = datetime.now(UTC) + timedelta(hours=1)
    device.send_readings(Reading("temp", now(), 1.0), sent=ahead)
    query = "SELECT max(clock_offset_s) FROM device WHERE name = %s"
    wait_for(lambda: scalar(db, query, device.name) is not None)
    assert scalar(db, query, device.name) == pytest.approx(3600, abs=2)


def test_a_thousand_messages_of_many_threads_are_each_stored_once(
    db: psycopg.Connection, device: Device, other_device: Device, wait_for: WaitFor
) -> None:
    at = now()

    def talk(speaker: Device) -> None:
        for n in range(500):
            speaker.send_readings(Reading("n", at + n / 1000, float(n)))

    threads = [threading.Thread(target=talk, args=[speaker]) for speaker in (device, other_device)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wait_for(lambda: scalar(db, "SELECT count(*) FROM reading") == 1000)
    assert scalar(db, "SELECT count(DISTINCT (series_id, value)) FROM reading") == 1000
    received = db.execute("SELECT DISTINCT received::text FROM ledger WHERE kind = 'readings'").fetchall()
    assert received == [("{[1,501)}",)]
