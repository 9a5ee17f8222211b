"""A task's process killed half-way, as by a power cut: nothing is half done, and the next run does the rest."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from storage.late import late_bounds, mark_late
from tests.dags.test_buckets import run
from tests.servers import WaitFor

DAGS = Path(__file__).parents[2] / "dags"
BEGIN = datetime(2026, 3, 2, tzinfo=UTC)
END = BEGIN + timedelta(days=3, minutes=2)
PROGRAM = """
import runpy, sys
from datetime import datetime
end = datetime.fromisoformat(sys.argv[2])
runpy.run_path(sys.argv[1])["DAG"].test(logical_date=end, run_after=end)
"""
WAITING = """
    SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND cardinality(pg_blocking_pids(pid)) > 0
"""
OTHERS = """
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()
"""
ONE_PASS = """
    SELECT time_bucket('{width}', at) AS bucket, series_id, count(*), sum(value), max(value)
    FROM reading GROUP BY 1, 2 ORDER BY 1, 2
"""
LANDED = "SELECT bucket, series_id, n, round(n * mean)::float8, maximum FROM reading_{level} ORDER BY 1, 2"
STANDS_IN_THE_WAY = """
    INSERT INTO reading_15m (bucket, series_id, n, mean, minimum, maximum, p50, p95, good)
    VALUES (%s, 2, 0, 0, 0, 0, 0, 0, 0)
"""
WIDTHS = {"15m": "15 min", "1h": "1 hour", "1d": "1 day"}


@pytest.fixture
def conn(connected: str) -> Iterator[psycopg.Connection]:
    """Three days of readings, one each five minutes, of two series."""
    with psycopg.connect(connected, autocommit=True) as conn:
        conn.execute("INSERT INTO device (name) VALUES ('camera-a')")
        conn.execute("INSERT INTO series (device_id, name) VALUES (1, 'a'), (1, 'b')")
        conn.execute(
            "INSERT INTO reading (at, received, value, series_id)"
            " SELECT t, t, extract(minute FROM t) + s, s"
            " FROM generate_series(%s, %s - interval '1 s', interval '5 min') t, generate_series(1, 2) s",
            (BEGIN, BEGIN + timedelta(days=3)),
        )
        yield conn


@contextmanager
def killed_while_it_waits(name: str, conn: psycopg.Connection, wait_for: WaitFor) -> Iterator[None]:
    """Run the DAG in a process of its own, and end that with SIGKILL once it waits for a lock that we hold."""
    task = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", PROGRAM, DAGS / f"{name}.py", END.isoformat()],
        env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(lambda: value(conn, WAITING) == 1, timeout=120)
    finally:
        task.send_signal(signal.SIGKILL)
        task.wait()
    yield


def value(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def rows(conn: psycopg.Connection, query: str) -> list[Any]:
    return conn.execute(query.encode()).fetchall()


def everything_is_landed(conn: psycopg.Connection) -> bool:
    return all(
        rows(conn, LANDED.format(level=level)) == rows(conn, ONE_PASS.format(width=width))
        for level, width in WIDTHS.items()
    )


def test_closing_is_killed_in_its_second_day(
    conn: psycopg.Connection, connected: str, dag_of: Callable[[str], Any], wait_for: WaitFor
) -> None:
    conn.execute(STANDS_IN_THE_WAY, (BEGIN,))
    conn.execute("DELETE FROM reading_15m")  # its chunk stays: whose chunk is not yet committed makes all wait
    with psycopg.connect(connected) as blocker:
        blocker.execute(STANDS_IN_THE_WAY, (BEGIN + timedelta(days=1, hours=12),))
        with killed_while_it_waits("aggregates", conn, wait_for):
            blocker.rollback()
            wait_for(lambda: value(conn, OTHERS) == 1)  # its session has noticed; the blocker's stays
    landed = rows(conn, "SELECT count(*), max(bucket) FROM reading_15m")
    assert landed == [(2 * 96, BEGIN + timedelta(hours=23, minutes=45))]  # the first day, whole; nothing of the second
    assert value(conn, "SELECT computed_until FROM closing WHERE (source, level) = ('reading', '15m')") == (
        BEGIN + timedelta(days=1)
    )
    assert run(dag_of("aggregates"), END)["buckets_15m"]["written"] == 2 * 2 * 96
    assert everything_is_landed(conn)
    assert value(conn, "SELECT max(revision) FROM reading_15m") == 1


def test_late_is_killed_after_it_has_claimed_its_marks(
    conn: psycopg.Connection, connected: str, dag_of: Callable[[str], Any], wait_for: WaitFor
) -> None:
    run(dag_of("aggregates"), END)
    at = BEGIN + timedelta(days=1, hours=5)
    with conn.transaction():
        bounds = late_bounds(conn, "reading")
        conn.execute("INSERT INTO reading (at, received, value, series_id) VALUES (%s, now(), 600, 1)", (at,))
        mark_late(conn, "reading", np.array([1]), np.array([int(at.timestamp() * 1e6)]), bounds)
    with psycopg.connect(connected) as blocker:
        blocker.execute("SELECT FROM reading_1h WHERE series_id = 1 AND bucket = %s FOR UPDATE", (at,))
        with killed_while_it_waits("late", conn, wait_for):
            blocker.rollback()
            wait_for(lambda: value(conn, OTHERS) == 1)
    assert rows(conn, "SELECT id FROM late_work") == [(1,)]  # claimed, and there for the next
    assert value(conn, "SELECT max(maximum) FROM reading_15m") < 600  # the quarter had been written: not committed
    assert run(dag_of("late"), END)["recompute"]["changed"] == 3
    assert everything_is_landed(conn)
    assert rows(conn, "SELECT FROM late_work") == rows(conn, "SELECT FROM late_mark") == []
    assert value(conn, "SELECT max(revision) FROM reading_1d") == 2
