"""Closing buckets, computing them once, and again where a row came late. What the DAGs call.

Every function here takes a connection in autocommit mode and makes transactions of its own, a day at a time, so that a
run that is killed leaves whole days done and the rest to the next run. Two computations of one source never run at
once: the later would read before the earlier had written.
"""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from psycopg import Connection, sql
from psycopg.errors import UniqueViolation

from storage import reading_buckets, traffic_buckets
from storage.city import time_zone
from storage.late import Source
from storage.level import GRACE, LEVELS, Level

log: Final = logging.getLogger(__name__)

LOCK_CLOSING: Final = "SELECT pg_advisory_xact_lock(hashtext('ngatu/closing/' || %s))"
SORT_IN_MEMORY: Final = "SET LOCAL work_mem = '128MB'"  # a day's rows, for the percentiles
LOCK_COMPUTING: Final = "SELECT pg_advisory_xact_lock(hashtext('ngatu/computing/' || %s))"
CLOSE: Final = """
    INSERT INTO closing (source, level, closed_until) VALUES (%s, %s, %s)
    ON CONFLICT (source, level) DO UPDATE SET closed_until = greatest(closing.closed_until, excluded.closed_until)
    RETURNING closed_until, computed_until
"""
COMPUTED: Final = """
    UPDATE closing SET computed_until = greatest(computed_until, %(hi)s) WHERE source = %(source)s AND level = %(level)s
"""
FROZEN: Final = "SELECT before FROM frozen WHERE source = %s"
CHUNKS: Final = """
    SELECT range_start, range_end FROM timescaledb_information.chunks
    WHERE hypertable_name = ANY(%s) AND range_start < %s AND range_end > %s
"""
CLAIM: Final = """
    WITH claimed AS (
        DELETE FROM late_mark m USING (
            SELECT source, id, bucket FROM late_mark WHERE source = %(source)s
            ORDER BY source, id, bucket FOR UPDATE SKIP LOCKED) due
        WHERE (m.source, m.id, m.bucket) = (due.source, due.id, due.bucket) RETURNING m.*)
    INSERT INTO late_work SELECT * FROM claimed ON CONFLICT DO NOTHING
"""
DUE: Final = "SELECT DISTINCT date_trunc('day', bucket, %s) FROM late_work WHERE source = %s ORDER BY 1"
PROGRESS: Final = "SELECT computed_until FROM closing WHERE source = %s AND level = %s"
MARKED: Final = "SELECT count(*) FROM late_work WHERE source = %s AND bucket >= %s AND bucket < %s"
PUBLISHED: Final = "SELECT count(*) FROM {} WHERE bucket >= %s AND bucket < %s"
MANY: Final = 1000  # late buckets of a day from which on it is asked whether the whole day is the cheaper way
WORKED_OFF: Final = "DELETE FROM late_work WHERE source = %(source)s AND bucket >= %(lo)s AND bucket < %(hi)s"

TABLES: Final[dict[Source, list[str]]] = {"reading": ["reading", "foreign_reading"], "traffic": ["traffic"]}
FIRST: Final = datetime(2000, 1, 1, tzinfo=UTC)
DAY: Final = timedelta(days=1)


class Statements(Protocol):
    """What a source must offer: its two statements, for any level."""

    def range_statement(self, level: Level, *, fresh: bool = False) -> sql.Composed: ...  # noqa: D102 — told in the modules that offer it
    def late_statement(self, level: Level) -> sql.Composed: ...  # noqa: D102 — the same


STATEMENTS: Final[dict[Source, Statements]] = {"reading": reading_buckets, "traffic": traffic_buckets}


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a run did: raw rows read, buckets written (new or changed), and how many of those were changed."""

    read: int = 0
    written: int = 0
    changed: int = 0

    def __add__(self, other: "Done") -> "Done":
        return Done(
            read=self.read + other.read, written=self.written + other.written, changed=self.changed + other.changed
        )


def aggregate(
    conn: Connection[Any], level: Level, *, until: datetime | None = None, now: datetime | None = None
) -> Done:
    """Close every bucket of `level` that ended a grace before `until`, and compute what is closed and not yet computed.

    Args:
        conn: in autocommit mode.
        level: of which length.
        until: the end of the run's interval; None or later than now: now.
        now: for tests; the database's clock otherwise.
    """
    clock = now or _now(conn)
    end = min(until or clock, clock) - GRACE
    return sum((_aggregate(conn, source, level, end) for source in STATEMENTS), Done())


def aggregate_interval(conn: Connection[Any], level: str, start: datetime | None, end: datetime | None) -> Done:
    """What a scheduled run does: the buckets that closed in [start, end), and any that earlier runs left.

    Where all of that was done before (a run cleared in Airflow), the interval's buckets are computed again. A run
    started by hand has no interval, and goes up to now.
    """
    length, city = LEVELS[level], time_zone(conn)
    if start is not None and end is not None:
        done_until = [_computed_until(conn, source, length) or FIRST for source in STATEMENTS]
        if min(done_until) >= length.floor(end - GRACE, city):
            return again(conn, length, start - GRACE, end - GRACE)
    return aggregate(conn, length, until=end)


def again(conn: Connection[Any], level: Level, start: datetime, end: datetime) -> Done:
    """Compute every closed bucket that [start, end) touches again; what comes out the same stays as it is."""
    city = time_zone(conn)
    done = Done()
    for source in STATEMENTS:
        computed_until = _computed_until(conn, source, level)
        if computed_until is not None:
            last = min(level.ceil(end, city), computed_until)
            for lo, hi in _slices(conn, source, level, city, level.floor(start, city), last):
                done += _compute(conn, source, level, city, lo, hi)
    return done


def backfill(conn: Connection[Any], start: datetime, end: datetime) -> Done:
    """Compute every closed bucket that [start, end) touches again, at every level."""
    return sum((again(conn, level, start, end) for level in LEVELS.values()), Done())


def recompute_late(conn: Connection[Any]) -> Done:
    """Compute the buckets again that rows came late for, at every level; also what a killed run left behind."""
    return sum((_recompute_late(conn, source) for source in STATEMENTS), Done())


def forget_days(conn: Connection[Any]) -> None:
    """Have every day computed anew: the city has another time zone, and days begin at other hours.

    The caller owns the transaction, and stores the zone in it.
    """
    for source in STATEMENTS:
        conn.execute(LOCK_COMPUTING, (source,))
        conn.execute(sql.SQL("DELETE FROM {} WHERE NOT frozen").format(sql.Identifier(f"{source}_1d")))
    conn.execute("DELETE FROM closing WHERE level = '1d'")


def _aggregate(conn: Connection[Any], source: Source, level: Level, end: datetime) -> Done:
    city = time_zone(conn)
    closed_until, computed_until = _close(conn, source, level, level.floor(end, city))
    done = Done()
    for lo, hi in _slices(conn, source, level, city, computed_until or FIRST, closed_until):
        done += _compute_new(conn, source, level, city, lo, hi)
    conn.execute(COMPUTED, {"source": source, "level": level.name, "hi": closed_until})
    log.info(
        "aggregated source=%s level=%s closed_until=%s read=%d written=%d changed=%d",
        source, level.name, closed_until.isoformat(), done.read, done.written, done.changed,
    )  # fmt: skip
    return done


def _close(conn: Connection[Any], source: Source, level: Level, until: datetime) -> tuple[datetime, datetime | None]:
    with conn.transaction():
        conn.execute(LOCK_CLOSING, (source,))
        row = conn.execute(CLOSE, (source, level.name, until)).fetchone()
    assert row is not None
    return row[0], row[1]


def _compute_new(
    conn: Connection[Any], source: Source, level: Level, city: ZoneInfo, lo: datetime, hi: datetime
) -> Done:
    """Compute what should never have been computed before, and say that it has been."""
    try:
        return _compute(conn, source, level, city, lo, hi, fresh=True)
    except UniqueViolation:
        return _compute(conn, source, level, city, lo, hi)  # it had: days that were frozen when the zone changed


def _compute(
    conn: Connection[Any],
    source: Source,
    level: Level,
    city: ZoneInfo,
    lo: datetime,
    hi: datetime,
    *,
    fresh: bool = False,
) -> Done:
    with conn.transaction():
        conn.execute(LOCK_COMPUTING, (source,))
        conn.execute(SORT_IN_MEMORY)
        parameters = {"lo": lo, "hi": hi, "zone": city.key, "source": source, "level": level.name}
        done = _run(conn, STATEMENTS[source].range_statement(level, fresh=fresh), parameters)
        if fresh:
            conn.execute(COMPUTED, parameters)
    return done


def _recompute_late(conn: Connection[Any], source: Source) -> Done:
    city = time_zone(conn)
    with conn.transaction():
        conn.execute(LOCK_COMPUTING, (source,))
        conn.execute(CLAIM, {"source": source})
    days = [day for (day,) in conn.execute(DUE, (city.key, source))]
    done = Done()
    for day in days:
        done += _recompute_day(conn, source, city, day)
    if days:
        log.info(
            "recomputed source=%s days=%d read=%d written=%d changed=%d",
            source, len(days), done.read, done.written, done.changed,
        )  # fmt: skip
    return done


def _recompute_day(conn: Connection[Any], source: Source, city: ZoneInfo, day: datetime) -> Done:
    lo = day.astimezone(UTC)
    hi = LEVELS["1d"].floor(lo + 1.5 * DAY, city)
    done = Done()
    with conn.transaction():
        conn.execute(LOCK_COMPUTING, (source,))
        whole = _is_mostly_late(conn, source, lo, hi)
        for level in LEVELS.values():
            computed_until = _computed_until(conn, source, level)
            if computed_until is None:
                continue
            if whole:
                until = min(level.ceil(hi, city), computed_until)
                for start, end in _slices(conn, source, level, city, level.floor(lo, city), until):
                    done += _compute(conn, source, level, city, start, end)
                continue
            parameters = {
                "lo": lo, "hi": hi, "computed_until": computed_until, "zone": city.key,
                "from": level.floor(lo, city), "until": level.floor(hi, city) + level.width,
            }  # fmt: skip
            done += _run(conn, STATEMENTS[source].late_statement(level), parameters)
        conn.execute(WORKED_OFF, {"source": source, "lo": lo, "hi": hi})
    return done


def _is_mostly_late(conn: Connection[Any], source: Source, lo: datetime, hi: datetime) -> bool:
    """Whether rows came late for so much of a day that reading it once is cheaper than looking up bucket by bucket.

    Measured: all buckets of a day cost 2.6 times as much one by one, a tenth of them as much as the day.
    """
    marked: int = conn.execute(MARKED, (source, lo, hi)).fetchall()[0][0]
    if marked < MANY:
        return False
    published = sql.SQL(PUBLISHED).format(sql.Identifier(f"{source}_15m"))
    return bool(marked * 5 >= conn.execute(published, (lo, hi)).fetchall()[0][0])


def _run(conn: Connection[Any], statement: sql.Composed, parameters: dict[str, Any]) -> Done:
    """Planned afresh with its bounds, so that the planner opens only the chunks they span."""
    row = conn.execute(statement, parameters, prepare=False).fetchone()
    assert row is not None
    return Done(read=row[0], written=row[1], changed=row[2])


def _slices(
    conn: Connection[Any], source: Source, level: Level, city: ZoneInfo, start: datetime, end: datetime
) -> Iterator[tuple[datetime, datetime]]:
    """Cut [start, end) into days, of those days only that have rows; whole buckets, none that is frozen."""
    row = conn.execute(FROZEN, (source,)).fetchone()
    begin = max(start, level.ceil(row[0], city)) if row is not None else start
    chunks = conn.execute(CHUNKS, (TABLES[source], end, begin)).fetchall()
    for lo, hi in _days(chunks, level.zone(city)):
        if max(lo, begin) < min(hi, end):
            yield max(lo, begin), min(hi, end)


def _days(spans: Iterable[tuple[datetime, datetime]], zone: ZoneInfo) -> list[tuple[datetime, datetime]]:
    """Each day of `zone` that a span touches, once, in order."""
    dates = set()
    for start, end in spans:
        day, last = start.astimezone(zone).date(), (end - timedelta(microseconds=1)).astimezone(zone).date()
        while day <= last:
            dates.add(day)
            day += DAY
    return [
        (datetime(d.year, d.month, d.day, tzinfo=zone), datetime.combine(d + DAY, datetime.min.time(), zone))
        for d in sorted(dates)
    ]


def _computed_until(conn: Connection[Any], source: Source, level: Level) -> datetime | None:
    row = conn.execute(PROGRESS, (source, level.name)).fetchone()
    return None if row is None else row[0]


def _now(conn: Connection[Any]) -> datetime:
    row = conn.execute("SELECT now()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
