"""What `ngatu bench aggregates` does to a database of its own: fill it, aggregate it, let one reading come late."""

import logging
import random
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
from psycopg import Connection

from storage.aggregates import SORT_IN_MEMORY, aggregate, recompute_late
from storage.connect import connect
from storage.late import late_bounds, mark_late
from storage.level import LEVELS, QUARTER

log: Final = logging.getLogger(__name__)

BEGIN: Final = datetime(2026, 1, 1, tzinfo=UTC)
A_DAY: Final = 1440  # readings of one series: one a minute

DEVICE: Final = "INSERT INTO device (name) VALUES ('bench')"
NEW_SERIES: Final = """
    INSERT INTO series (device_id, name, period_s) SELECT 1, 'bench/' || i, 60 FROM generate_series(1, %s) i
"""
FILL: Final = """
    INSERT INTO reading (at, received, value, series_id)
    SELECT at + s * interval '7 ms', at, 50 + 30 * sin(s + extract(epoch FROM at) / 7000) + random() * 5, s
    FROM generate_series(%(lo)s::timestamptz, %(hi)s::timestamptz - interval '1 s', interval '1 min') at,
         generate_series(1, %(series)s) s
    ORDER BY 1  -- as rows arrive: those of one series lie far apart
"""
# The same columns over the same rows, in one statement, into a table like ours; what a planner would write.
PLAIN: Final = """
    INSERT INTO bench_plain (bucket, series_id, n, mean, minimum, maximum, sd, p50, p95, coverage, good)
    SELECT bucket, series_id, n, mean, f.minimum, f.maximum, sd, p[1], p[2], least(1, n * s.period_s / 900),
           good::float4 / n
    FROM (SELECT time_bucket('15 min', at) AS bucket, series_id, count(*) AS n, avg(value) AS mean,
                 min(value) AS minimum, max(value) AS maximum, stddev(value) AS sd,
                 percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY value) AS p,
                 count(*) FILTER (WHERE quality = 0) AS good
          FROM reading WHERE at >= %(lo)s AND at < %(hi)s GROUP BY 1, 2) f
    JOIN series s ON s.id = f.series_id
"""
PLAIN_TABLE: Final = """
    DROP TABLE IF EXISTS bench_plain;
    CREATE TABLE bench_plain (LIKE reading_15m INCLUDING ALL);
    SELECT create_hypertable('bench_plain', by_range('bucket', interval '7 days'), create_default_indexes => false);
"""
AGAIN_FROM_NOTHING: Final = "TRUNCATE reading_15m, reading_1h, reading_1d; DELETE FROM closing"
DIFFERENT: Final = """
    SELECT count(*) FROM reading_15m a FULL JOIN bench_plain b USING (series_id, bucket)
    WHERE (a.n, a.minimum, a.maximum, a.p50, a.p95, a.good) IS DISTINCT FROM
          (b.n, b.minimum, b.maximum, b.p50, b.p95, b.good)
       OR abs(a.mean - b.mean) + abs(a.sd - b.sd) + abs(a.coverage - b.coverage) > 1e-6
"""
# What stands in for all that the DAGs would have computed of such a table: as many rows, from the same readings, in one
# pass without percentiles. A late reading's buckets are computed by our code, over these.
LAND: Final = (
    """
    INSERT INTO reading_15m (bucket, series_id, n, mean, minimum, maximum, p50, p95, coverage, good)
    SELECT time_bucket('15 min', at), series_id, count(*), avg(value), min(value), max(value), avg(value), avg(value),
           1, 1
    FROM reading WHERE at >= %(lo)s AND at < %(hi)s GROUP BY 1, 2
    """,
    *(
        f"""
    INSERT INTO reading_{longer} (bucket, series_id, n, mean, minimum, maximum, p50, p95, coverage, good)
    SELECT time_bucket('{width}', bucket), series_id, sum(n), avg(mean), min(minimum), max(maximum), avg(p50), avg(p95),
           1, 1
    FROM reading_{shorter} WHERE bucket >= %(lo)s AND bucket < %(hi)s GROUP BY 1, 2
    """  # noqa: S608 - names of our own tables
        for shorter, longer, width in (("15m", "1h", "1 hour"), ("1h", "1d", "1 day"))
    ),
)
LANDED: Final = """
    INSERT INTO closing (source, level, closed_until, computed_until)
    SELECT 'reading', level, %(hi)s, %(hi)s FROM unnest(%(levels)s::text[]) level
    ON CONFLICT (source, level) DO UPDATE SET closed_until = %(hi)s, computed_until = %(hi)s
"""
PAGES: Final = """
    SELECT blks_hit + blks_read, blks_read FROM pg_stat_database WHERE datname = current_database()
"""
ONE_READING: Final = "INSERT INTO reading (at, received, value, series_id) VALUES (%s, now(), 99, %s)"


class Cost(NamedTuple):
    """Of one late reading, from its mark to its new numbers at every level; nothing else uses the database."""

    seconds: float
    pages: int  # of the database that were looked at
    pages_read: int  # of these, those that PostgreSQL had to ask the operating system for


def fill(dsn: str, days: Iterable[int], series: int) -> int:
    """Write whole days of a reading a minute for each series, on two connections; return how many rows."""
    with connect(dsn, application="ngatu bench") as conn, ThreadPoolExecutor(2) as threads:
        conn.execute("DROP INDEX reading_series_at")  # built once afterwards: faster, and as dense as one that grew
        filled = sum(threads.map(lambda day: _fill_day(dsn, day, series), days))
        conn.execute("CREATE INDEX reading_series_at ON reading (series_id, at DESC)")
        conn.execute("ANALYZE reading")  # as autovacuum would have done by then
    return filled


def begin(conn: Connection[Any], series: int) -> None:
    """Make the series that `fill` writes to."""
    conn.execute(DEVICE)
    conn.execute(NEW_SERIES, (series,))


def compare(conn: Connection[Any], days: int, repeats: int) -> tuple[list[float], list[float]]:
    """Seconds that plain SQL and that we take for the first `days`, by turns, in one session with the same settings."""
    conn.execute(SORT_IN_MEMORY.replace("LOCAL", ""))
    plain: list[float] = []
    ours: list[float] = []
    for turn in range(repeats):
        for time_one, told in [(time_plain, plain), (time_ours, ours)][:: 1 if turn % 2 else -1]:
            conn.execute("CHECKPOINT")
            told.append(time_one(conn, days))
        log.info("compared days=%d plain=%.2fs ours=%.2fs", days, plain[-1], ours[-1])
    assert conn.execute(DIFFERENT).fetchall() == [(0,)], "plain SQL finds other numbers"
    return plain, ours


def time_plain(conn: Connection[Any], days: int) -> float:
    """Seconds that one plain INSERT … SELECT … GROUP BY takes for the first `days`."""
    conn.execute(PLAIN_TABLE)
    begun = time.perf_counter()
    conn.execute(PLAIN, {"lo": BEGIN, "hi": BEGIN + timedelta(days=days)}, prepare=False)
    return time.perf_counter() - begun


def time_ours(conn: Connection[Any], days: int) -> float:
    """Seconds that closing and computing the same buckets takes."""
    conn.execute(AGAIN_FROM_NOTHING)
    begun = time.perf_counter()
    aggregate(conn, QUARTER, now=BEGIN + timedelta(days=days, minutes=2))
    return time.perf_counter() - begun


def land_everything(dsn: str, days: int) -> None:
    """Write what all levels of `days` would hold, on two connections, so that a late reading changes it."""
    with connect(dsn, application="ngatu bench") as conn, ThreadPoolExecutor(2) as threads:
        conn.execute(AGAIN_FROM_NOTHING)
        list(threads.map(lambda day: _land_day(dsn, day), range(days)))
        conn.execute(LANDED, {"hi": BEGIN + timedelta(days=days), "levels": list(LEVELS)})
        conn.execute("VACUUM ANALYZE reading_15m, reading_1h, reading_1d")
        conn.execute("CHECKPOINT")


def late_costs(conn: Connection[Any], days: int, series: int, chosen: random.Random) -> tuple[Cost, Cost]:
    """What one reading costs that came late, anywhere in `days`; and the next one there, whose pages are in memory."""
    at, which = BEGIN + chosen.random() * timedelta(days=days), chosen.randint(1, series)
    return _late_cost(conn, at, which), _late_cost(conn, at, which)


def _fill_day(dsn: str, day: int, series: int) -> int:
    lo = BEGIN + timedelta(days=day)
    with connect(dsn, application="ngatu bench") as conn:
        return conn.execute(FILL, {"lo": lo, "hi": lo + timedelta(days=1), "series": series}).rowcount


def _land_day(dsn: str, day: int) -> None:
    lo = BEGIN + timedelta(days=day)
    with connect(dsn, application="ngatu bench") as conn:
        for statement in LAND:
            conn.execute(statement.encode(), {"lo": lo, "hi": lo + timedelta(days=1)})


def _late_cost(conn: Connection[Any], at: datetime, which: int) -> Cost:
    with conn.transaction():
        bounds = late_bounds(conn, "reading")
        conn.execute(ONE_READING, (at, which))
        mark_late(conn, "reading", np.array([which]), np.array([int(at.timestamp() * 1e6)]), bounds)
    touched, read = _pages(conn)
    begun = time.perf_counter()
    done = recompute_late(conn)
    seconds = time.perf_counter() - begun
    assert done.changed == len(LEVELS), done
    touched_then, read_then = _pages(conn)
    return Cost(seconds, touched_then - touched, read_then - read)


def _pages(conn: Connection[Any]) -> tuple[int, int]:
    conn.execute("SELECT pg_stat_force_next_flush()")
    touched, read = conn.execute(PAGES).fetchall()[0]
    return touched, read
