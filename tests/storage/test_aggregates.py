"""Buckets: what is in them, when they close, and what a late row does."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from statistics import fmean, median, stdev
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import psycopg
import pytest
from psycopg import sql

from storage.aggregates import Done, again, aggregate, aggregate_interval, recompute_late
from storage.city import store_city
from storage.late import late_bounds, mark_late
from storage.level import DAY, HOUR, LEVELS, QUARTER
from tests.servers import WaitFor

T0 = datetime(2026, 3, 2, 6, 0, tzinfo=UTC)
Row = tuple[Any, ...]


@pytest.fixture(autouse=True)
def series(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO device (name) VALUES ('camera-a')")
    db.execute("INSERT INTO series (device_id, name, period_s) VALUES (1, 'air/pm25', 60), (1, 'air/no2', NULL)")


def minutes(n: float) -> datetime:
    return T0 + timedelta(minutes=n)


def put(conn: psycopg.Connection, *readings: tuple[float, float], series: int = 1, quality: int = 0) -> int:
    """Store readings (minute, value) as ingest does; return how many buckets were marked late."""
    with conn.transaction():
        bounds = late_bounds(conn, "reading")
        for minute, value in readings:
            conn.execute(
                "INSERT INTO reading (at, received, value, series_id, quality) VALUES (%s, now(), %s, %s, %s)",
                (minutes(minute), value, series, quality),
            )
        ats = np.array([int(minutes(minute).timestamp() * 1e6) for minute, _ in readings])
        return mark_late(conn, "reading", np.full(len(ats), series), ats, bounds)


def count(
    conn: psycopg.Connection, minute: int, n: int, *, klass: str = "car", speed: float | None = None, **columns: Any
) -> None:
    values = {
        "at": minutes(minute), "received": minutes(minute + 1), "device_id": 1, "camera": "a", "zone": "gate",
        "class": klass, "direction": "in" if klass else "", "count": n, "seconds": 60, "speed_mps": speed,
        "trusted": True,
    } | columns  # fmt: skip
    names = sql.SQL(", ").join(map(sql.Identifier, values))
    marks = sql.SQL(", ").join([sql.Placeholder()] * len(values))
    conn.execute(sql.SQL("INSERT INTO traffic ({}) VALUES ({})").format(names, marks), list(values.values()))


def rows(conn: psycopg.Connection, what: str) -> list[Row]:
    return conn.execute(f"SELECT {what}".encode()).fetchall()


def test_a_bucket_says_what_its_readings_say(db: psycopg.Connection) -> None:
    values = [3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0]
    put(db, *enumerate(values))
    put(db, (8, 100.0), quality=1)
    done = aggregate(db, QUARTER, now=minutes(17))
    assert done == Done(read=9, written=1, changed=0)
    everything = [*values, 100.0]
    numbers = "n, mean, minimum, maximum, sd, p50, p95, coverage, good, revision"
    (row,) = rows(db, f"bucket, series_id, {numbers} FROM reading_15m")
    assert row[:3] == (T0, 1, 9)
    assert row[3:9] == pytest.approx(
        (fmean(everything), 1, 100, stdev(everything), median(everything), float(np.percentile(everything, 95)))
    )
    assert row[9:] == (pytest.approx(9 / 15), pytest.approx(8 / 9), 1)


def test_a_series_without_a_period_has_no_coverage_and_one_reading_no_deviation(db: psycopg.Connection) -> None:
    put(db, (1, 5.0), series=2)
    aggregate(db, QUARTER, now=minutes(17))
    assert rows(db, "coverage, sd, mean FROM reading_15m") == [(None, None, 5.0)]


def test_values_that_are_no_measurement_stop_no_aggregate(db: psycopg.Connection) -> None:
    put(db, (1, 1e300), (2, -1e300), (3, float("nan")), (4, float("inf")), (5, 7.0))
    put(db, (6, 8.0), quality=2)
    assert aggregate(db, QUARTER, now=minutes(17)).read == 1
    assert rows(db, "n, mean FROM reading_15m") == [(1, 7.0)]


def test_readings_of_devices_that_are_not_ours_are_in_it(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO foreign_reading (at, received, value, series_id) VALUES (%s, now(), 7, 2)", (minutes(3),))
    aggregate(db, HOUR, now=minutes(63))
    assert rows(db, "n, mean FROM reading_1h") == [(1, 7.0)]


@pytest.mark.parametrize(("at", "closed"), [(16.9, 0), (17, 1), (31.9, 1), (32, 2)])
def test_a_bucket_closes_a_grace_after_its_end(db: psycopg.Connection, at: float, closed: int) -> None:
    put(db, *[(m, 1.0) for m in range(60)])
    aggregate(db, QUARTER, now=minutes(at))
    assert len(rows(db, "1 FROM reading_15m")) == closed


def test_what_is_computed_is_not_computed_again(db: psycopg.Connection) -> None:
    put(db, *[(m, 1.0) for m in range(60)])
    assert aggregate(db, QUARTER, now=minutes(62)).read == 60
    assert aggregate(db, QUARTER, now=minutes(62)).read == 0


def test_days_are_the_citys_own(db: psycopg.Connection) -> None:
    store_city(db, {"time_zone": "Asia/Ho_Chi_Minh"})
    put(db, (11 * 60 - 1, 1.0), (11 * 60, 2.0))  # 23:59 and midnight in Hanoi
    aggregate(db, DAY, now=T0 + timedelta(days=2))
    zone = ZoneInfo("Asia/Ho_Chi_Minh")
    told = [(bucket.astimezone(zone), mean) for bucket, mean in rows(db, "bucket, mean FROM reading_1d ORDER BY 1")]
    assert told == [(datetime(2026, 3, 2, tzinfo=zone), 1.0), (datetime(2026, 3, 3, tzinfo=zone), 2.0)]


@pytest.mark.parametrize(("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)])
def test_a_day_on_which_clocks_change_is_whole(db: psycopg.Connection, day: date, hours: int) -> None:
    store_city(db, {"time_zone": "Europe/Berlin"})
    zone = ZoneInfo("Europe/Berlin")
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    offset = (midnight - T0) / timedelta(minutes=1)
    put(db, *[(offset + 60 * hour, 1.0) for hour in range(hours)], (offset - 60, 5.0), (offset + 60 * hours, 5.0))
    aggregate(db, DAY, now=midnight + timedelta(days=3))
    assert rows(db, "n, mean FROM reading_1d ORDER BY bucket") == [(1, 5.0), (hours, 1.0), (1, 5.0)]
    assert DAY.ceil(midnight + timedelta(minutes=1), zone) == midnight + timedelta(hours=hours)


def test_traffic_sums_counts_and_weighs_speeds_by_flow(db: psycopg.Connection) -> None:
    count(db, 0, 10, speed=10, occupancy=0.5, queue=3, pcu=12)
    count(db, 0, 5, klass="bus", speed=5)
    count(db, 1, 30, speed=15, occupancy=0.2, queue=7, pcu=30, seconds=30)
    count(db, 2, 0, klass="", occupancy=0, queue=0, pcu=0, trusted=False)
    aggregate(db, QUARTER, now=minutes(17))
    numbers = "count, speed_mps, occupancy, queue, pcu, seconds, coverage, trusted"
    told = {klass: row for klass, *row in rows(db, f"class, {numbers} FROM traffic_15m ORDER BY 1")}
    seen = [150, 150 / 900, 90 / 150]
    speed = 45 / (10 / 10 + 5 / 5 + 30 / 15)
    assert set(told) == {"", "bus", "car"}
    assert told[""] == pytest.approx([45, speed, (0.5 * 60 + 0.2 * 30) / 150, 7, 42, *seen], rel=1e-6)
    assert told["bus"][:5] == [5, pytest.approx(5), None, None, None]
    assert told["car"][:5] == [40, pytest.approx(40 / 3), None, None, None]
    assert told["car"][5:] == told["bus"][5:] == pytest.approx(seen)


def test_a_minute_that_came_in_two_parts_is_one_minute(db: psycopg.Connection) -> None:
    count(db, 0, 4, seconds=20, pcu=4, received=minutes(1))
    count(db, 0, 6, seconds=35, pcu=6, received=minutes(2))
    aggregate(db, QUARTER, now=minutes(17))
    assert rows(db, "count, seconds, pcu FROM traffic_15m WHERE class = ''") == [(10, 55, 10)]


def test_a_late_reading_marks_its_bucket_and_only_that_is_computed_again(db: psycopg.Connection) -> None:
    put(db, *[(m, 1.0) for m in range(60)])
    for level in LEVELS.values():
        aggregate(db, level, now=minutes(62))
    assert put(db, (20, 31.0), (21, 31.0), (70, 5.0)) == 1
    assert recompute_late(db) == Done(read=17 + 62, written=2, changed=2)  # the quarter and the hour; the day is open
    assert rows(db, "mean, n, revision FROM reading_15m ORDER BY bucket") == [
        (1, 15, 1),
        (pytest.approx((15 + 62) / 17), 17, 2),
        (1, 15, 1),
        (1, 15, 1),
    ]
    assert recompute_late(db) == Done()


def test_nothing_is_late_before_anything_is_closed(db: psycopg.Connection) -> None:
    assert put(db, (-100000, 1.0)) == 0
    assert rows(db, "1 FROM late_mark") == []


def test_late_traffic_is_computed_again(db: psycopg.Connection) -> None:
    count(db, 0, 10)
    aggregate(db, QUARTER, now=minutes(17))
    with db.transaction():
        bounds = late_bounds(db, "traffic")
        count(db, 1, 5)
        mark_late(db, "traffic", np.array([1]), np.array([int(minutes(1).timestamp()) * 1_000_000]), bounds)
    assert recompute_late(db).changed == 2
    assert rows(db, "class, count, revision FROM traffic_15m ORDER BY 1") == [("", 15, 2), ("car", 15, 2)]


def test_a_published_number_that_changes_keeps_its_earlier_revision(db: psycopg.Connection) -> None:
    put(db, (1, 1.0))
    aggregate(db, QUARTER, now=minutes(17))
    seen = []
    for value in (3.0, 5.0):
        seen.append(rows(db, "clock_timestamp()")[0][0])
        put(db, (2, value))
        recompute_late(db)
    assert rows(db, "mean, revision FROM reading_15m") == [(3.0, 3)]
    assert rows(db, "mean, revision FROM reading_15m_revision ORDER BY revision") == [(1.0, 1), (2.0, 2)]
    told = [db.execute("SELECT mean FROM reading_15m_as_of(%s)", (at,)).fetchall() for at in (*seen, datetime.now(UTC))]
    assert told == [[(1.0,)], [(2.0,)], [(3.0,)]]
    before_all = db.execute("SELECT mean FROM reading_15m_as_of(%s)", (T0,)).fetchall()
    assert before_all == []


def test_an_interval_run_again_leaves_every_number_and_revision(db: psycopg.Connection) -> None:
    put(db, *[(m, m / 7) for m in range(240)])
    span = (minutes(62), minutes(77))
    assert aggregate_interval(db, "15m", *span) == Done(read=75, written=5, changed=0)
    before = rows(db, "* FROM reading_15m ORDER BY 1")
    assert aggregate_interval(db, "15m", *span) == Done(read=15, written=0, changed=0)
    assert rows(db, "* FROM reading_15m ORDER BY 1") == before


def test_computing_a_range_again_mends_what_was_lost(db: psycopg.Connection) -> None:
    put(db, *[(m, 1.0) for m in range(120)])
    aggregate(db, QUARTER, now=minutes(100))
    before = rows(db, "bucket, n, mean FROM reading_15m ORDER BY 1")
    db.execute("DELETE FROM reading_15m WHERE bucket >= %s", (minutes(30),))
    assert again(db, QUARTER, minutes(31), minutes(1000)).written == 4
    assert rows(db, "bucket, n, mean FROM reading_15m ORDER BY 1") == before


def test_a_frozen_bucket_keeps_its_number(db: psycopg.Connection) -> None:
    put(db, *[(m, 1.0) for m in range(60)])
    aggregate(db, QUARTER, now=minutes(62))
    db.execute("INSERT INTO frozen VALUES ('reading', %s)", (minutes(30),))
    assert put(db, (20, 99.0)) == 0
    assert put(db, (40, 99.0)) == 1
    recompute_late(db)
    db.execute("DELETE FROM reading WHERE at < %s", (minutes(30),))
    again(db, QUARTER, T0, minutes(60))
    assert rows(db, "n FROM reading_15m ORDER BY bucket") == [(15,), (15,), (16,), (15,)]


def test_bounds_cannot_be_read_in_a_snapshot_that_may_be_old(db: psycopg.Connection) -> None:
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    with pytest.raises(psycopg.errors.RaiseException, match="READ COMMITTED"), db.transaction():
        late_bounds(db, "reading")


def test_a_slow_computation_never_writes_over_a_later_one(db: psycopg.Connection, dsn: str, wait_for: WaitFor) -> None:
    put(db, (1, 1.0))
    put(db, (1, 1.0), series=2)
    with ThreadPoolExecutor() as threads, psycopg.connect(dsn) as blocker:
        blocker.execute(
            "INSERT INTO reading_15m (bucket, series_id, n, mean, minimum, maximum, p50, p95, good)"
            " VALUES (%s, 1, 0, 0, 0, 0, 0, 0, 0)",
            (T0,),
        )
        with psycopg.connect(dsn, autocommit=True) as first, psycopg.connect(dsn, autocommit=True) as second:

            def waits(conn: psycopg.Connection) -> bool:
                return rows(db, f"cardinality(pg_blocking_pids({conn.info.backend_pid})) > 0") == [(True,)]

            slow = threads.submit(aggregate, first, QUARTER, now=minutes(17))
            wait_for(lambda: waits(first))  # it has read, and waits for the first of its two rows to be written
            assert put(db, (2, 3.0), series=2) == 1
            late = threads.submit(recompute_late, second)
            wait_for(lambda: late.done() or waits(second))
            blocker.rollback()
            slow.result(10)
            late.result(10)
    assert rows(db, "series_id, n, mean FROM reading_15m ORDER BY 1") == [(1, 1, 1.0), (2, 2, 2.0)]


def test_buckets_that_stand_there_already_are_brought_up_to_date(db: psycopg.Connection) -> None:
    put(db, (1, 1.0), (16, 1.0))
    aggregate(db, QUARTER, now=minutes(62))
    db.execute("DELETE FROM closing")
    db.execute("UPDATE reading_15m SET mean = 9 WHERE bucket = %s", (T0,))
    assert aggregate(db, QUARTER, now=minutes(62)) == Done(read=2, written=1, changed=1)
    assert rows(db, "mean, revision FROM reading_15m ORDER BY bucket") == [(1.0, 2), (1.0, 1)]


@pytest.mark.parametrize(("share", "whole"), [(1, True), (13, False)])
def test_a_drain_of_most_of_a_day_is_computed_as_a_day_and_a_smaller_one_by_its_buckets(
    db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch, share: int, *, whole: bool
) -> None:
    monkeypatch.setattr("storage.aggregates.MANY", 50)
    db.execute("INSERT INTO series (device_id, name) SELECT 1, 's' || i FROM generate_series(3, 12) i")
    quarters = list(range(0, 23 * 60 + 45, 15))  # the last quarter, and the last hour, stay open
    midnight = T0 - timedelta(hours=6)
    for series in range(1, 13):
        put(db, *[(m - 360, 1.0) for m in quarters], series=series)
    for level in LEVELS.values():
        aggregate(db, level, now=midnight + timedelta(hours=23, minutes=47))
    late = [(series, m) for series in range(1, 13) for m in quarters][::share]
    for series, m in late:
        put(db, (m - 355, 3.0), series=series)
    done = recompute_late(db)
    assert done.changed == len(rows(db, "1 FROM reading_15m WHERE revision = 2")) + len(
        rows(db, "1 FROM reading_1h WHERE revision = 2")
    )
    assert len(rows(db, "1 FROM reading_15m WHERE revision = 2 AND n = 2 AND mean = 2")) == len(late)
    assert rows(db, "max(bucket) FROM reading_1h") == [(midnight + timedelta(hours=22),)]
    assert rows(db, "count(*) FROM reading_1d") == [(0,)]
    assert rows(db, "1 FROM late_mark UNION ALL SELECT 1 FROM late_work") == []
    assert again(db, QUARTER, midnight, minutes(3000)).written == again(db, HOUR, midnight, minutes(3000)).written == 0
    day, hours = rows(db, f"count(*), count(*) FILTER (WHERE at < '{midnight + timedelta(hours=23)}') FROM reading")[0]
    assert (done.read == day + hours) is whole
