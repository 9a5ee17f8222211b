"""From a drain's commit to corrected aggregates, with the triggerer and without: `python -m tests.dags.bench_drain`.

Real Airflow, our own DAGs. Each drain is a day of ten series, committed at another second of the minute, so that
without the triggerer the minute's schedule is waited for as long as it is on average.
"""

import os
import random
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

import numpy as np
import psycopg

from ngatu.home import CHECKOUT, find_home
from ngatu.process.child import Child
from ngatu.process.guard import Guard, members
from ngatu.servers.packages import server_packages
from storage.late import late_bounds, mark_late
from storage.migrate import migrate
from tests.dags.running import running_airflow
from tests.servers import running_postgres

SERIES, EACH = 10, 288  # readings a day
DRAIN = """
    INSERT INTO reading (at, received, value, series_id)
    SELECT t, now(), 20, s FROM generate_series(%(lo)s, %(hi)s, interval '5 min') t, generate_series(1, %(series)s) s
    RETURNING series_id, (extract(epoch FROM at) * 1e6)::bigint
"""
DONE = "SELECT count(*) = %s AND min(n) = %s FROM reading_1d WHERE bucket = %s"
CLOSED = "SELECT count(*) = 6 FROM closing WHERE computed_until = closed_until"
LAST = datetime(2026, 3, 1, tzinfo=UTC)


def main(rounds: int) -> None:
    """Measure so many drains each way."""
    guard = Guard()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        with (
            running_postgres(server_packages(find_home(os.environ)), folder / "postgres", guard) as server,
            server.database() as metadata,
            server.database() as data,
        ):
            migrate(data)
            with (
                running_airflow(metadata, data, guard, folder, CHECKOUT / "dags") as children,
                psycopg.connect(data, autocommit=True) as conn,
            ):
                prepare(conn)
                seconds = random.Random(7)
                began, spent = time.monotonic(), cpu(children["triggerer"])
                tell("with the triggerer", [drain(conn, seconds, day) for day in range(rounds)])
                share = (cpu(children["triggerer"]) - spent) / (time.monotonic() - began)
                say(f"the triggerer: {megabytes(children['triggerer']):.0f} MB, {share:.1%} of a core")
                children["triggerer"].stop()
                tell("by the minute alone", [drain(conn, seconds, day + rounds) for day in range(rounds)])
    guard.close()


def prepare(conn: psycopg.Connection) -> None:
    """Ten series; wait until everything is closed once."""
    conn.execute("INSERT INTO device (name) VALUES ('camera-a')")
    conn.execute(
        "INSERT INTO series (device_id, name, period_s) SELECT 1, 's' || i, 300 FROM generate_series(1, %s) i",
        (SERIES,),
    )
    while not conn.execute(CLOSED).fetchall()[0][0]:
        time.sleep(0.1)


def drain(conn: psycopg.Connection, seconds: random.Random, day: int) -> float:
    """Store a day that is long closed, at some second; return how many until its numbers are right."""
    time.sleep(seconds.uniform(0, 60))
    lo = LAST - timedelta(days=day)
    with conn.transaction():
        bounds = late_bounds(conn, "reading")
        span = {"lo": lo, "hi": lo + timedelta(days=1, seconds=-1), "series": SERIES}
        ids, ats = np.array(conn.execute(DRAIN, span).fetchall(), dtype=np.int64).T
        mark_late(conn, "reading", ids.astype(np.int32), ats, bounds)
    begun = time.monotonic()
    while not conn.execute(DONE, (SERIES, EACH, lo)).fetchall()[0][0]:
        time.sleep(0.05)
    return time.monotonic() - begun


def tell(what: str, took: list[float]) -> None:
    """One line of the table."""
    say(f"{what}: median {median(took):.1f} s, {min(took):.1f} to {max(took):.1f}, {len(took)} drains")


def say(line: str) -> None:
    """On standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def megabytes(child: Child) -> float:
    """Memory of its session, shared pages by share."""
    kilobytes = 0
    for pid in members(child.pid or 0):
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        kilobytes += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return kilobytes / 1024


def cpu(child: Child) -> float:
    """Processor seconds of its session so far."""
    ticks = 0
    for pid in members(child.pid or 0):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 8)
