"""Aggregates in the wards of any day."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ngatu.city_lists import load_city
from storage.incident_days import count_incidents
from storage.ward_series import incidents_by_ward, readings_by_ward, traffic_by_ward

DOCUMENT = Path(__file__).parents[2] / "docs" / "data.md"
BEFORE, SINCE = date(2025, 6, 30), date(2025, 7, 1)
AT = datetime(2025, 6, 1, tzinfo=UTC)
SPAN = (AT, AT + timedelta(days=1))


@pytest.fixture
def hanoi(db: psycopg.Connection, dsn: str) -> psycopg.Connection:
    load_city(dsn, "hanoi")
    db.execute(
        "INSERT INTO device (name, latitude, longitude, ward_code, about_at) VALUES"
        " ('a', 21.0287, 105.8524, NULL, NULL), ('b', 21.0281, 105.8520, NULL, NULL),"
        " ('c', NULL, NULL,"
        "  (SELECT old_code FROM ward_successor GROUP BY 1 HAVING count(*) = 2 ORDER BY 1 LIMIT 1), %s),"
        " ('lost', NULL, NULL, NULL, NULL)",
        (AT,),
    )
    db.execute("INSERT INTO series (device_id, name, unit) SELECT id, 'air/pm25', 'ug/m3' FROM device")
    for device, count, speed in [(1, 60, 10.0), (2, 40, 5.0), (3, 100, None), (4, 7, None)]:
        db.execute(
            "INSERT INTO traffic_1h (bucket, device_id, camera, zone, class, direction, count, speed_mps, pcu, seconds,"
            " coverage, trusted) VALUES (%s, %s, 'a', 'z', '', '', %s, %s, %s, 3600, 1, 1)",
            (AT, device, count, speed, count),
        )
        db.execute(
            "INSERT INTO reading_1h (bucket, series_id, n, mean, minimum, maximum, p50, p95, coverage, good)"
            " VALUES (%s, %s, %s, %s, 1, 9, 5, 9, 1, 1)",
            (AT, device, count, float(count)),
        )
    return db


def test_the_same_counts_stand_in_the_wards_of_either_day(hanoi: psycopg.Connection) -> None:
    for day in (BEFORE, SINCE):
        told = traffic_by_ward(hanoi, "1h", *SPAN, wards_of=day)
        assert sum(row.count for row in told) == pytest.approx(200)  # all but the device whose place nobody knows
    old, new = ({row.name for row in traffic_by_ward(hanoi, "1h", *SPAN, wards_of=day)} for day in (BEFORE, SINCE))
    assert "Phường Hoàn Kiếm" in new - old
    assert "Phường Hàng Trống" in old


def test_speeds_are_weighted_by_flow_and_means_by_readings(hanoi: psycopg.Connection) -> None:
    (row,) = [r for r in traffic_by_ward(hanoi, "1h", *SPAN, wards_of=SINCE) if r.name == "Phường Hoàn Kiếm"]
    assert (row.count, row.devices) == (100, 2)
    assert row.speed_mps == pytest.approx(100 / (60 / 10 + 40 / 5))
    assert row.methods == ["estimate: nearest centroid"]
    (air,) = readings_by_ward(hanoi, "1h", *SPAN, series="air/pm25", wards_of=SINCE, ward=row.code)
    assert air.mean == pytest.approx((60 * 60 + 40 * 40) / 100)
    assert (air.unit, air.n, air.devices) == ("ug/m3", 100, 2)


def test_a_device_of_a_divided_ward_is_split_and_says_so(hanoi: psycopg.Connection) -> None:
    told = traffic_by_ward(hanoi, "1h", *SPAN, wards_of=SINCE)
    parts = [row for row in told if any("bounding box" in method for method in row.methods)]
    assert len(parts) == 2
    assert sum(row.count for row in parts) == pytest.approx(100)
    (whole,) = [
        row for row in traffic_by_ward(hanoi, "1h", *SPAN, wards_of=BEFORE) if row.count == 100 and row.devices == 1
    ]
    assert whole.methods == ["named by the device"]


def test_an_incident_counts_where_it_happened_and_only_else_where_its_device_stands(hanoi: psycopg.Connection) -> None:
    centre = "SELECT latitude, longitude FROM ward WHERE name = %s AND valid_from = %s"
    far = hanoi.execute(centre, ("Phường Ba Đình", SINCE)).fetchone()
    assert far is not None
    later = datetime(2025, 7, 2, 3, tzinfo=UTC)
    for name, device, place in [("report", 4, far), ("seen", 1, (None, None)), ("across", 1, far)]:
        hanoi.execute(
            "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
            " latitude, longitude, confidence, place, why, tracks, received, changed) VALUES"
            " (%s, %s, 1, 'stopped_vehicle', 'end', 'minor', 'a', %s, %s, %s, %s, %s, 1, '{}', '{}', '{}', %s, %s)",
            (name, device, later, later, later, *place, later, later),
        )
    count_incidents(hanoi, now=later + timedelta(days=2))
    told = incidents_by_ward(hanoi, later - timedelta(days=1), later + timedelta(days=1), wards_of=SINCE)
    assert {(row.name, row.n) for row in told} == {("Phường Ba Đình", 2), ("Phường Hoàn Kiếm", 1)}
    assert {row.devices for row in told if row.name == "Phường Ba Đình"} == {2}
    (shown,) = re.findall(r"```sql\n([^`]*incident_ward[^`]*)```", DOCUMENT.read_text("utf-8"))
    assert hanoi.execute(shown).fetchall() == [("Phường Ba Đình", 2), ("Phường Hoàn Kiếm", 1)]
    before = incidents_by_ward(hanoi, later - timedelta(days=1), later + timedelta(days=1), wards_of=BEFORE)
    assert sum(row.n for row in before) == pytest.approx(3)
    assert len({row.code for row in before}) > 2
    assert all(row.methods[0].startswith("estimate") for row in before)


def test_an_incident_that_turns_out_to_be_elsewhere_leaves_its_ward(hanoi: psycopg.Connection) -> None:
    at = datetime(2025, 7, 2, 3, tzinfo=UTC)
    hanoi.execute(
        "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
        " confidence, place, why, tracks, received, changed)"
        " VALUES ('a', 1, 1, 'stopped_vehicle', 'end', 'minor', 'a', %s, %s, %s, 1, '{}', '{}', '{}', now(), now())",
        (at, at, at),
    )
    count_incidents(hanoi)
    seen = hanoi.execute("SELECT clock_timestamp()").fetchall()[0][0]
    hanoi.execute(
        "UPDATE incident SET changed = now(), (latitude, longitude) ="
        " (SELECT latitude, longitude FROM ward WHERE name = 'Phường Ba Đình' AND valid_from = %s)",
        (SINCE,),
    )
    count_incidents(hanoi)
    told = incidents_by_ward(hanoi, at - timedelta(days=1), at + timedelta(days=1), wards_of=SINCE)
    assert [(row.name, row.n) for row in told if row.n] == [("Phường Ba Đình", 1)]
    assert hanoi.execute("SELECT ward_code, n FROM incident_1d_as_of(%s)", (seen,)).fetchall() == [("", 1)]
