"""TimescaleDB's Community edition, its own code: columnstore, policies, and why no continuous aggregates."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psycopg
import pytest

from ngatu.process.guard import Guard
from storage.aggregates import Done, again, aggregate, recompute_late
from storage.city import store_city
from storage.connect import edition
from storage.late import late_bounds, mark_late
from storage.level import LEVELS
from storage.retention import expire, hand_over
from tests.storage.community import running_community

NOW = datetime.now(UTC)
BEGIN = NOW.replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=13)
SERIES = 12
FILL = """
    INSERT INTO reading (at, received, value, series_id)
    SELECT at + s * interval '7 ms', at + interval '3 s',
           round((50 + 30 * sin(s + extract(epoch FROM at) / 7000) + random() * 5)::numeric, 1), s
    FROM generate_series(%(lo)s::timestamptz, %(hi)s::timestamptz - interval '1 s', interval '5 min') at,
         generate_series(1, %(series)s) s ORDER BY 1
"""
JOBS = """
    SELECT job_id FROM timescaledb_information.jobs WHERE proc_name = %s AND hypertable_name = ANY(%s) ORDER BY 1
"""
CONTINUOUS = """
    CREATE MATERIALIZED VIEW {name} WITH (timescaledb.continuous) AS
    SELECT time_bucket('15 min', at) AS bucket, series_id, count(*) AS n, avg(value) AS mean FROM {table} GROUP BY 1, 2
    WITH NO DATA
"""
STATE_POLICY = """
    SELECT config ->> 'drop_after' FROM timescaledb_information.jobs
    WHERE proc_name = 'policy_retention' AND hypertable_name = 'state'
"""


AFRESH = (
    "DROP MATERIALIZED VIEW IF EXISTS continuous_15m",
    "TRUNCATE reading, reading_15m, reading_1h, reading_1d, state",
    "DELETE FROM closing; DELETE FROM frozen; DELETE FROM city",
    "SELECT delete_job(job_id) FROM timescaledb_information.jobs WHERE proc_name ~ '^policy_(compression|retention)$'",
)


@pytest.fixture(scope="module")
def server(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Iterator[psycopg.Connection]:
    with running_community(guard, tmp_path_factory.mktemp("community") / "log") as conn:
        conn.execute("INSERT INTO device (name) VALUES ('camera-a')")
        conn.execute(
            "INSERT INTO series (device_id, name, period_s) SELECT 1, 'air/' || i, 300 FROM generate_series(1, %s) i",
            (SERIES,),
        )
        yield conn


@pytest.fixture
def community(server: psycopg.Connection) -> psycopg.Connection:
    """Ten days of readings, each five minutes, of 12 series; the latest ended three days ago."""
    for statement in AFRESH:
        server.execute(statement.encode())
    server.execute(FILL, {"lo": BEGIN, "hi": BEGIN + timedelta(days=10), "series": SERIES})
    return server


def one(conn: psycopg.Connection, query: str) -> Any:
    row = conn.execute(query.encode()).fetchone()
    assert row is not None
    return row[0]


def run_jobs(conn: psycopg.Connection, kind: str, *tables: str) -> None:
    """Do now what the database's scheduler would do some time."""
    for (job,) in conn.execute(JOBS, (kind, list(tables))).fetchall():
        conn.execute("CALL run_job(%s)", (job,))


def land(conn: psycopg.Connection) -> Done:
    return sum((aggregate(conn, level) for level in LEVELS.values()), Done())


def put_late(conn: psycopg.Connection, at: datetime, value: float, series: int = 3) -> None:
    with conn.transaction():
        bounds = late_bounds(conn, "reading")
        conn.execute(
            "INSERT INTO reading (at, received, value, series_id) VALUES (%s, now(), %s, %s)", (at, value, series)
        )
        mark_late(conn, "reading", np.array([series]), np.array([int(at.timestamp() * 1e6)]), bounds)


def size_of_old(conn: psycopg.Connection) -> int:
    query = """
        SELECT sum(total_bytes)::bigint FROM chunks_detailed_size('reading')
        JOIN timescaledb_information.chunks USING (chunk_name) WHERE range_end < now() - interval '7 days'
    """
    return int(one(conn, query))


def test_old_chunks_go_into_the_columnstore_and_their_numbers_stay(community: psycopg.Connection) -> None:
    assert edition(community) == "timescale"
    land(community)
    before = size_of_old(community)
    assert hand_over(community) == 0  # set; the jobs have not run yet
    run_jobs(community, "policy_compression", "reading", "traffic")
    assert hand_over(community) == 6
    assert before / size_of_old(community) > 2  # chunks so small are mostly what an empty one takes
    assert sum((again(community, level, BEGIN, NOW) for level in LEVELS.values()), Done()).changed == 0
    assert one(community, "SELECT count(*) FROM reading") == SERIES * 10 * 288


def test_a_row_that_comes_late_for_a_compressed_chunk_counts_and_is_compressed_with_it(
    community: psycopg.Connection,
) -> None:
    land(community)
    hand_over(community)
    run_jobs(community, "policy_compression", "reading")
    put_late(community, BEGIN + timedelta(days=1, hours=3), 999)
    assert recompute_late(community) == Done(read=4 + 13 + 289, written=3, changed=3)
    told = "SELECT max(maximum) FROM reading_1d"
    assert one(community, told) == one(community, "SELECT max(value) FROM reading") == 999
    partial = "SELECT count(*) FROM _timescaledb_catalog.chunk WHERE status & 8 <> 0"
    assert one(community, partial) == 1
    run_jobs(community, "policy_compression", "reading")
    assert one(community, partial) == 0
    assert one(community, "SELECT max(value) FROM reading") == 999


def test_what_nothing_is_computed_from_is_dropped_by_the_database_and_the_rest_by_us(
    community: psycopg.Connection,
) -> None:
    hand_over(community)
    assert one(community, STATE_POLICY) == "400 days"
    store_city(community, {"time_zone": "Asia/Ho_Chi_Minh", "retention": {"readings": 8}})
    for days in (30, 1):
        at = NOW - timedelta(days=days)
        community.execute("INSERT INTO state VALUES (%s, %s, 1, 0, 'true', NULL)", (at, at))
    land(community)
    hand_over(community)
    assert one(community, STATE_POLICY) == "8 days"
    run_jobs(community, "policy_compression", "reading")
    run_jobs(community, "policy_retention", "state", "reading")
    assert one(community, "SELECT count(*) FROM state") == 1
    assert one(community, "SELECT min(at) FROM reading") < BEGIN + timedelta(hours=1)  # no policy touches readings
    published = one(community, "SELECT count(*) FROM reading_15m")
    assert expire(community).chunks >= 4
    assert one(community, "SELECT min(at) FROM reading") > BEGIN + timedelta(days=3)
    assert one(community, "SELECT count(*) FROM reading_15m") == published


def test_continuous_aggregates_cannot_read_both_tables_and_forget_what_was_published(
    community: psycopg.Connection,
) -> None:
    """Two of the grounds on which docs/aggregates.md decides against them; bench_community.py measures the third."""
    with pytest.raises(psycopg.errors.FeatureNotSupported):
        community.execute(CONTINUOUS.format(name="of_both", table="any_reading").encode())
    land(community)
    community.execute(CONTINUOUS.format(name="continuous_15m", table="reading").encode())
    refresh = "CALL refresh_continuous_aggregate('continuous_15m', NULL, NULL)"
    community.execute(refresh)
    published = one(community, "SELECT count(*) FROM continuous_15m")
    assert published == one(community, "SELECT count(*) FROM reading_15m")
    community.execute("SELECT drop_chunks('reading', older_than => %s)", (BEGIN + timedelta(days=2),))
    community.execute(refresh)
    assert one(community, "SELECT count(*) FROM continuous_15m") < published
    assert one(community, "SELECT count(*) FROM reading_15m") == published
