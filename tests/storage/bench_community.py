"""What the Community edition would save or cost, in one table: `python -m tests.storage.bench_community`.

Its own code, in WebAssembly, so seconds mean nothing; both ways run on it, so their ratios do.
"""

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median
from typing import Any

import psycopg

from ngatu.process.guard import Guard
from storage.aggregates import backfill, recompute_late
from storage.retention import hand_over
from tests.storage.community import running_community
from tests.storage.test_community import BEGIN, FILL, land, put_late, run_jobs, size_of_old

DAYS = 4
NUMBERS = """
    count(*) AS n, avg(value) AS mean, min(value) AS minimum, max(value) AS maximum, stddev_samp(value) AS sd,
    percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY value) AS p, count(*) FILTER (WHERE quality = 0) AS good
"""
WIDTHS = {"continuous_15m": "15 min", "continuous_1h": "1 hour", "continuous_1d": "1 day"}
A_DAY = "SELECT at, value FROM reading WHERE series_id = 7 AND at >= %(lo)s AND at < %(lo)s + interval '1 day'"
MEANS = "SELECT series_id, avg(value) FROM reading WHERE at < %(lo)s + interval '2 days' GROUP BY 1"


def main(series: int) -> None:
    """Measure with so many series, a reading each five minutes, four days."""
    with tempfile.TemporaryDirectory() as folder, running_community(Guard(), Path(folder) / "log") as conn:
        conn.execute("INSERT INTO device (name) VALUES ('camera-a')")
        conn.execute(
            "INSERT INTO series (device_id, name, period_s) SELECT 1, 'air/' || i, 300 FROM generate_series(1, %s) i",
            (series,),
        )
        conn.execute(FILL, {"lo": BEGIN, "hi": BEGIN + timedelta(days=DAYS), "series": series})
        conn.execute("ANALYZE")
        tell("series, rows", series, series * DAYS * 288)
        compare_landing(conn)
        compare_late(conn)
        compare_columnstore(conn)


def compare_landing(conn: psycopg.Connection) -> None:
    """Three levels, from nothing."""
    ours = timed(lambda: land(conn))
    for name, width in WIDTHS.items():
        conn.execute(
            f"CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous) AS SELECT time_bucket('{width}', at)"
            f" AS bucket, series_id, {NUMBERS} FROM reading GROUP BY 1, 2 WITH NO DATA".encode()
        )
    tell("land three levels, s: ours, continuous aggregates", ours, timed(lambda: refresh(conn)))
    conn.execute("ANALYZE")


def compare_late(conn: psycopg.Connection) -> None:
    """One reading that came late, at all three levels."""
    ours, theirs = [], []
    for hour in range(5):
        put_late(conn, BEGIN + timedelta(days=1, hours=4 * hour), 99)
        ours.append(timed(lambda: recompute_late(conn)))
        theirs.append(timed(lambda: refresh(conn)))
    tell("one late reading, s: ours, continuous aggregates", median(ours), median(theirs))


def compare_columnstore(conn: psycopg.Connection) -> None:
    """The same queries before and after compression."""
    queries: dict[str, Callable[[], Any]] = {
        "a day of one series": lambda: conn.execute(A_DAY, {"lo": BEGIN + timedelta(days=1)}).fetchall(),
        "means of two days": lambda: conn.execute(MEANS, {"lo": BEGIN}).fetchall(),
        "compute all again": lambda: backfill(conn, BEGIN, BEGIN + timedelta(days=DAYS)),
    }
    size, before = size_of_old(conn), {name: best(query) for name, query in queries.items()}
    hand_over(conn)
    run_jobs(conn, "policy_compression", "reading")
    tell("bytes: rows, columns, ratio", size, size_of_old(conn), size / size_of_old(conn))
    for name, query in queries.items():
        tell(f"{name}, s: rows, columns", before[name], best(query))


def refresh(conn: psycopg.Connection) -> None:
    """Bring the continuous aggregates up to date."""
    for name in WIDTHS:
        conn.execute(f"CALL refresh_continuous_aggregate('{name}', NULL, NULL)".encode())


def best(query: Callable[[], Any]) -> float:
    """Seconds of the best of three."""
    return min(timed(query) for _ in range(3))


def timed(work: Callable[[], Any]) -> float:
    """Seconds that it takes."""
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def tell(what: str, *numbers: float) -> None:
    """One line."""
    told = "  ".join(f"{number:,.3g}" if number < 1000 else f"{number:,.0f}" for number in numbers)
    sys.stdout.write(f"{what:<52}{told}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    for arg in sys.argv[1:] or ("20", "400"):
        main(int(arg))
