"""Aggregates in the wards of any day."""

from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from ngatu.city_lists import load_city
from storage.ward_series import readings_by_ward, traffic_by_ward

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
