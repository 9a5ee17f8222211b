"""What goes when it is old, and what stays."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from storage.aggregates import aggregate
from storage.city import store_city
from storage.incident_days import count_incidents
from storage.late import late_bounds, mark_late
from storage.level import LEVELS
from storage.retention import Removed, expire, hand_over

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
KEEP = {
    "readings": 10,
    "traffic": 20,
    "rejected": 5,
    "evidence": {"info": 1, "minor": 2, "major": 5, "critical": 30},
    "incidents": {"info": 10, "minor": 10, "major": 10, "critical": 40},
}


@pytest.fixture(autouse=True)
def city(db: psycopg.Connection) -> None:
    store_city(db, {"time_zone": "Asia/Ho_Chi_Minh", "retention": KEEP})
    db.execute("INSERT INTO device (name) VALUES ('camera-a')")
    db.execute("INSERT INTO series (device_id, name) VALUES (1, 'air/pm25')")


def days_ago(n: float) -> datetime:
    return NOW - timedelta(days=n)


def read_hourly(conn: psycopg.Connection, days: int) -> None:
    conn.execute(
        "INSERT INTO reading (at, received, value, series_id)"
        " SELECT t, t, 1, 1 FROM generate_series(%s, %s, interval '1 hour') t",
        (days_ago(days), NOW),
    )


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def incident(conn: psycopg.Connection, name: str, severity: str, age: float, state: str = "end") -> None:
    at = days_ago(age)
    conn.execute(
        "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at, ended_at,"
        " confidence, place, why, tracks, received, changed)"
        " VALUES (%s, 1, 1, 'stopped_vehicle', %s, %s, 'a', %s, %s, %s, %s, 0.9, '{}', '{}', '{}', %s, %s)",
        (name, state, severity, at, at, at, at + timedelta(seconds=60), at + timedelta(seconds=1), at),
    )
    conn.execute("INSERT INTO evidence VALUES (%s, %s, 1, %s, 'a', 'still', 'image/jpeg', '', '')", (at, at, name))


def test_raw_rows_go_and_their_aggregates_stay_frozen(db: psycopg.Connection) -> None:
    read_hourly(db, 15)
    for level in LEVELS.values():
        aggregate(db, level, now=NOW)
    before = one(db, "SELECT count(*) FROM reading_1h")
    removed = expire(db, now=NOW)
    assert removed.chunks >= 4
    assert one(db, "SELECT min(at) FROM reading") >= days_ago(12)
    assert one(db, "SELECT count(*) FROM reading_1h") == before
    cut = one(db, "SELECT before FROM frozen WHERE source = 'reading'")
    assert days_ago(11) <= cut <= days_ago(10)
    assert one(db, f"SELECT bool_and(frozen = (bucket < '{cut}')) FROM reading_1h")
    assert expire(db, now=NOW) == Removed(chunks=0, frozen=0, evidence=0, incidents=0, rejected=0)


def test_nothing_goes_that_is_not_yet_computed(db: psycopg.Connection) -> None:
    read_hourly(db, 15)
    count = one(db, "SELECT count(*) FROM reading")
    expire(db, now=NOW)
    assert one(db, "SELECT count(*) FROM reading") == count
    for level in LEVELS.values():
        aggregate(db, level, now=days_ago(13))
    expire(db, now=NOW)
    assert one(db, "SELECT min(at) FROM reading") >= days_ago(16)
    assert one(db, "SELECT before FROM frozen WHERE source = 'reading'") <= days_ago(13)


def test_what_was_marked_late_is_computed_before_its_rows_go(db: psycopg.Connection) -> None:
    read_hourly(db, 15)
    for level in LEVELS.values():
        aggregate(db, level, now=NOW)
    at = days_ago(14)
    with db.transaction():
        bounds = late_bounds(db, "reading")
        db.execute("INSERT INTO reading (at, received, value, series_id) VALUES (%s, now(), 99, 1)", (at,))
        mark_late(db, "reading", np.array([1]), np.array([int(at.timestamp()) * 1_000_000]), bounds)
    expire(db, now=NOW)
    assert one(db, "SELECT max(maximum) FROM reading_15m WHERE frozen") == 99


def test_evidence_and_incidents_go_by_severity(db: psycopg.Connection) -> None:
    for name, severity, age in [("a", "info", 1.5), ("b", "major", 1.5), ("c", "major", 11), ("d", "critical", 11)]:
        incident(db, name, severity, age)
    incident(db, "e", "major", 11, state="open")
    removed = expire(db, now=NOW)
    assert removed.incidents == 1
    assert removed.evidence == 3
    assert [i for (i,) in db.execute("SELECT id FROM incident ORDER BY 1")] == ["a", "b", "d", "e"]
    assert [i for (i,) in db.execute("SELECT incident_id FROM evidence ORDER BY 1")] == ["b", "d"]


def test_days_of_incidents_are_counted_and_counted_again_when_something_changed(db: psycopg.Connection) -> None:
    for name, severity, age in [("a", "major", 2), ("b", "major", 2), ("c", "info", 2), ("d", "major", 0)]:
        incident(db, name, severity, age)
    done = count_incidents(db, now=NOW)
    assert (done.read, done.written, done.changed) == (3, 2, 0)
    assert count_incidents(db, now=NOW).written == 0
    seen = one(db, "SELECT clock_timestamp()")
    db.execute("INSERT INTO incident_action (incident_id, at, who, action) VALUES ('a', now(), 'lan', 'false_alarm')")
    db.execute("UPDATE incident SET severity = 'critical', changed = now() WHERE id = 'c'")
    assert count_incidents(db, now=NOW).changed == 2
    told = db.execute("SELECT severity, n, false_alarms, alert_s, duration_s, revision FROM incident_1d ORDER BY 1")
    assert told.fetchall() == [("critical", 1, 0, 1, 60, 1), ("info", 0, 0, None, None, 2), ("major", 2, 1, 1, 60, 2)]
    assert one(db, "SELECT count(*) FROM incident_1d_revision") == 2
    then = db.execute("SELECT severity, n, false_alarms FROM incident_1d_as_of(%s) ORDER BY 1", (seen,)).fetchall()
    assert then == [("info", 1, 0), ("major", 2, 0)]


def test_a_day_whose_incidents_may_be_gone_keeps_its_numbers(db: psycopg.Connection) -> None:
    incident(db, "a", "critical", 15)
    incident(db, "b", "major", 15)
    count_incidents(db, now=NOW)
    expire(db, now=NOW)
    db.execute("UPDATE incident SET changed = now()")
    count_incidents(db, now=NOW)
    assert db.execute("SELECT severity, n FROM incident_1d ORDER BY 1").fetchall() == [("critical", 1), ("major", 1)]


def test_chunks_that_all_evidence_has_left_go_too(db: psycopg.Connection) -> None:
    for name, age in [("a", 50), ("b", 40), ("c", 20)]:
        incident(db, name, "critical", age)
    assert expire(db, now=NOW).evidence == 2
    assert one(db, "SELECT count(*) FROM show_chunks('evidence')") == 1


def test_the_apache_edition_compresses_nothing_and_says_so(db: psycopg.Connection) -> None:
    read_hourly(db, 15)
    assert hand_over(db) == 0


def test_a_false_alarm_that_was_reopened_is_none(db: psycopg.Connection) -> None:
    for name in ("a", "b"):
        incident(db, name, "major", 2)
    for name, action in [("a", "false_alarm"), ("a", "reopen"), ("b", "false_alarm"), ("b", "note")]:
        db.execute("INSERT INTO incident_action (incident_id, who, action) VALUES (%s, 'lan', %s)", (name, action))
    count_incidents(db, now=NOW)
    assert db.execute("SELECT n, false_alarms FROM incident_1d").fetchall() == [(2, 1)]
