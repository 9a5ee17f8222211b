"""What a computation opens must not grow with the table: each chunk that is planned costs time, memory and a lock."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from storage.aggregates import aggregate, backfill, recompute_late
from storage.level import LEVELS

BEGIN = datetime(2026, 3, 1, tzinfo=UTC)
DAYS = 40
CHUNKS = "SELECT format('%%I.%%I', chunk_schema, chunk_name)::regclass FROM timescaledb_information.chunks"
LOCKED = f"""
    SELECT count(DISTINCT relation) FROM pg_locks
    WHERE pid = pg_backend_pid() AND relation IN ({CHUNKS} WHERE hypertable_name = ANY(%s))
"""


@pytest.fixture
def long(db: psycopg.Connection) -> psycopg.Connection:
    """Forty days, aggregated."""
    live_forty_days(db)
    for level in LEVELS.values():
        aggregate(db, level, now=BEGIN + timedelta(days=DAYS + 1))
    return db


def live_forty_days(db: psycopg.Connection) -> None:
    """One series of an agent and one of another device: two tables of forty chunks."""
    db.execute("INSERT INTO device (name) VALUES ('a')")
    db.execute("INSERT INTO series (device_id, name) VALUES (1, 'ours'), (1, 'foreign')")
    for table, series in (("reading", 1), ("foreign_reading", 2)):
        db.execute(
            f"INSERT INTO {table} (at, received, value, series_id)"
            " SELECT at, at, 1, %s FROM generate_series(%s, %s, interval '6 hours') at".encode(),
            (series, BEGIN, BEGIN + timedelta(days=DAYS, seconds=-1)),
        )


def locked(conn: psycopg.Connection, *tables: str) -> int:
    """How many chunks this transaction has opened, of the tables of readings where no others are named."""
    row = conn.execute(LOCKED.encode(), [list(tables or ("reading", "foreign_reading"))]).fetchone()
    assert row is not None
    return int(row[0])


def test_a_late_reading_opens_the_chunks_of_its_day_and_the_next(long: psycopg.Connection) -> None:
    noon = BEGIN + timedelta(days=20.5)
    long.execute("INSERT INTO reading (at, received, value, series_id) VALUES (%s, now(), 9, 1)", (noon,))
    long.execute("INSERT INTO late_mark (source, id, bucket) VALUES ('reading', 1, %s)", (noon,))
    with long.transaction():
        assert recompute_late(long).changed == len(LEVELS)
        assert 1 <= locked(long) <= 4


def test_a_day_that_is_computed_again_opens_its_own_chunks(long: psycopg.Connection) -> None:
    day = BEGIN + timedelta(days=20)
    with long.transaction():
        assert backfill(long, day, day + timedelta(days=1)).read == 3 * 2 * 4
        assert 1 <= locked(long) <= 4
