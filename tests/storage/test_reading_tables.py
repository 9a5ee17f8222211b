"""Whoever asks for a day opens that day's chunks, and not more of them the longer the table's history."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import psycopg
import pytest

from storage import explore, history
from storage.incident_file import readings_of
from storage.quality import score_day
from tests.storage.test_aggregates_chunks import BEGIN, DAYS, live_forty_days, locked

DAY = BEGIN + timedelta(days=20)
NEXT = DAY + timedelta(days=1)
SERIES = np.array([1, 2], np.int32)
LIMITS = np.array([3600.0, np.nan])
FEW = 8  # the day and its neighbours, of two tables; there are eighty in all


def us(*at: datetime) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.array([round(one.timestamp() * 1e6) for one in at])


@pytest.fixture
def lived(db: psycopg.Connection) -> psycopg.Connection:
    """Forty days of two series, and an incident."""
    live_forty_days(db)
    db.execute(
        "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
        " confidence, place, tracks, why, received, changed)"
        " VALUES ('x', 1, 1, 'collision', 'end', 'major', 'c', %(at)s, %(at)s, %(at)s, 1, '{}', '{}', '{}', %(at)s,"
        " %(at)s)",
        {"at": DAY},
    )
    return db


ASKED: dict[str, Callable[[psycopg.Connection], object]] = {
    "a chart": lambda c: len(explore.readings(c, 1, DAY, NEXT, 100)) == 4,
    "how many a chart would show": lambda c: explore.count_readings(c, 2, DAY, NEXT, 100) == 4,
    "an export": lambda c: len(list(explore.stream_readings(c, 2, DAY, NEXT, 100))) == 4,
    "around an incident": lambda c: len(readings_of(c, "x", DAY, DAY + timedelta(hours=7)).rows) == 4,
    "a day's quality": lambda c: score_day(c, DAY.date()).read == 2 * 4,
    "what stood before": lambda c: (history.before(c, SERIES, us(DAY, NEXT), LIMITS).value == 1).all(),
    "what is stored already": lambda c: history.held(c, SERIES, us(DAY, DAY)).tolist() == [True, False],
    "what had another value": lambda c: (
        history.last_otherwise(c, SERIES, np.array([1.0, 2.0]), us(DAY, DAY), us(NEXT, NEXT))
        == [history.NEVER, us(NEXT)[0]]
    ).all(),
}  # fmt: skip


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_day_opens_its_own_chunks(lived: psycopg.Connection, ask: Callable[[psycopg.Connection], object]) -> None:
    for _ in range(7):  # psycopg prepares what it has seen five times, PostgreSQL keeps plans from then on
        with lived.transaction():
            assert ask(lived)
            assert 1 <= locked(lived) <= FEW


def test_what_ingest_asks_of_days_far_apart_opens_none_between_them(lived: psycopg.Connection) -> None:
    far = us(BEGIN + timedelta(days=2), BEGIN + timedelta(days=30))
    with lived.transaction():
        assert history.held(lived, np.array([1, 1], np.int32), far[::-1]).all()
        stood = history.before(lived, SERIES, far[::-1], np.array([np.nan, np.nan]))
        assert (stood.at == far[::-1] - 6 * 3600 * 10**6).all()
        assert locked(lived) <= 2 * FEW


def test_what_came_next_and_what_came_last_open_no_chunk_that_is_older(lived: psycopg.Connection) -> None:
    late = BEGIN + timedelta(days=DAYS - 3)
    with lived.transaction():
        assert (history.next_after(lived, SERIES, us(late, late)) == us(late + timedelta(hours=6))).all()
        newest = history.before(lived, SERIES, us(late, late), np.array([np.nan, np.nan]), newest=True)
        assert (newest.at == us(BEGIN + timedelta(days=DAYS, hours=-6))).all()
        assert 1 <= locked(lived) <= 2 * 5


def test_a_last_reading_is_looked_for_among_the_new_ones_and_found_however_old_it_is(db: psycopg.Connection) -> None:
    now = datetime.now(UTC)
    db.execute("INSERT INTO device (name) VALUES ('a')")
    db.execute("INSERT INTO series (device_id, name) VALUES (1, 'new'), (1, 'old'), (1, 'none')")
    for table, series, days in (("reading", 1, 0), ("foreign_reading", 2, 30), ("reading", 2, 31)):
        db.execute(
            f"INSERT INTO {table} (at, received, value, series_id)"
            " SELECT at, at, 1, %s FROM generate_series(%s - interval '100 days', %s, interval '1 day') at".encode(),
            (series, now, now - timedelta(days=days)),
        )
    with db.transaction():
        assert explore.last_reading(db, 1) == now
        assert 1 <= locked(db) <= FEW
    assert explore.last_reading(db, 2) == now - timedelta(days=30)
    db.execute("DELETE FROM reading WHERE at > now() - interval '70 days'")
    assert explore.last_reading(db, 1) == now - timedelta(days=70)
    assert explore.last_reading(db, 3) is None
