"""What a series said before: against it, ingest judges what comes. Only read, one round trip for many series."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from storage.reading_tables import of_both

LOOK_BACK_S: Final = 86_400.0  # a rate of change is not judged over more than a day
NEVER: Final = -(2**62)  # microseconds: no reading is known; far enough to be longer ago than anything, and to subtract
AFTER_ALL: Final = 2**58  # microseconds since 1970: the year 11,000
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_US: Final = 8_000 * 31_556_952 * 10**6  # the year 9,970, which a datetime can still hold
FAR_US: Final = 7 * 86_400 * 10**6  # what lies further apart is asked one by one, so that no chunk between is opened

Columns = Mapping[str, NDArray[Any]]

# Of all that is asked for at once: from and until, the bounds of its time (see storage.reading_tables).
BEFORE: Final = sql.SQL("""
    SELECT asked.n - 1, last.at, last.value,
           CASE WHEN older.value = last.value THEN older.at ELSE coalesce(run.at, last.at) END
    FROM (SELECT n, id, timestamptz 'epoch' + before * interval '1 us' AS before,
                 timestamptz 'epoch' + earliest * interval '1 us' AS earliest,
                 nullif(stuck_after_s, 'NaN') * interval '1 s' AS span
          FROM unnest(%(ids)s::int[], %(earliest)s::bigint[], %(before)s::bigint[], %(stuck_after_s)s::float8[])
               WITH ORDINALITY AS a (id, earliest, before, stuck_after_s, n)) AS asked
    CROSS JOIN LATERAL ({last} ORDER BY at DESC LIMIT 1) AS last
    LEFT JOIN LATERAL ({other} ORDER BY at DESC LIMIT 1) AS other ON asked.span IS NOT NULL
    LEFT JOIN LATERAL ({older} ORDER BY at DESC LIMIT 1) AS older ON asked.span IS NOT NULL AND other.at IS NULL
    LEFT JOIN LATERAL ({run} ORDER BY at LIMIT 1) AS run ON asked.span IS NOT NULL""").format(
    last=of_both("""
        SELECT at, value FROM {table} WHERE at >= %(from)s AND at <= %(until)s
        AND series_id = asked.id AND at < asked.before AND at >= asked.earliest ORDER BY at DESC LIMIT 1"""),
    other=of_both("""
        SELECT at FROM {table} WHERE at >= %(from)s AND at <= %(until)s
        AND series_id = asked.id AND at < asked.before AND at > last.at - 2 * asked.span AND value <> last.value
        ORDER BY at DESC LIMIT 1"""),
    older=of_both("""
        SELECT at, value FROM {table} WHERE at >= %(from)s AND at <= %(until)s
        AND series_id = asked.id AND at <= last.at - 2 * asked.span AND at >= asked.earliest
        ORDER BY at DESC LIMIT 1"""),
    run=of_both("""
        SELECT at FROM {table} WHERE at >= %(from)s AND at <= %(until)s
        AND series_id = asked.id AND at <= last.at AND at > coalesce(other.at, last.at - 2 * asked.span)
        ORDER BY at LIMIT 1"""),
)
HELD: Final = sql.SQL("""
    SELECT asked.n - 1
    FROM (SELECT id, timestamptz 'epoch' + at * interval '1 us' AS at, n
          FROM unnest(%(ids)s::int[], %(ats)s::bigint[]) WITH ORDINALITY AS a (id, at, n)) AS asked
    CROSS JOIN LATERAL (
        SELECT FROM reading AS r WHERE r.at >= %(from)s AND r.at <= %(until)s
        AND r.series_id = asked.id AND r.at = asked.at LIMIT 1) AS found""")
NEXT: Final = sql.SQL("""
    SELECT asked.n - 1, next.at
    FROM (SELECT id, timestamptz 'epoch' + at * interval '1 us' AS at, n
          FROM unnest(%(ids)s::int[], %(ats)s::bigint[]) WITH ORDINALITY AS a (id, at, n)) AS asked
    CROSS JOIN LATERAL ({next} ORDER BY at LIMIT 1) AS next""").format(
    next=of_both("""
        SELECT r.at FROM {table} AS r WHERE r.at >= %(from)s AND r.at <= %(until)s
        AND r.series_id = asked.id AND r.at > asked.at ORDER BY at LIMIT 1""")
)
OTHERWISE: Final = sql.SQL("""
    SELECT asked.n - 1, other.at
    FROM (SELECT id, value, n, timestamptz 'epoch' + after * interval '1 us' AS after,
                 timestamptz 'epoch' + until * interval '1 us' AS until
          FROM unnest(%(ids)s::int[], %(values)s::float8[], %(after)s::bigint[], %(upto)s::bigint[])
               WITH ORDINALITY AS a (id, value, after, until, n)) AS asked
    CROSS JOIN LATERAL ({other} ORDER BY at DESC LIMIT 1) AS other""").format(
    other=of_both("""
        SELECT r.at FROM {table} AS r WHERE r.at >= %(from)s AND r.at <= %(until)s
        AND r.series_id = asked.id AND r.at > asked.after AND r.at <= asked.until AND r.value <> asked.value
        ORDER BY r.at DESC LIMIT 1""")
)


class Before(NamedTuple):
    """The last reading of some series before an instant, as arrays (n,); `NEVER` where none is known."""

    at: NDArray[np.int64]  # microseconds since 1970
    value: NDArray[np.float64]  # NaN: none
    since: NDArray[np.int64]  # since when that value stands


def before(
    conn: psycopg.Connection,
    ids: NDArray[np.int32],
    at: NDArray[np.int64],
    stuck_after_s: NDArray[np.float64],
    *,
    newest: bool = False,
) -> Before:
    """Look up what stands before each instant, or, `newest`, before or after it.

    Args:
        conn: any; nothing is locked.
        ids: (n,) series.
        at: (n,) instants, microseconds since 1970.
        newest: the last reading of all, as long as it is not far older than the instant.
        stuck_after_s: (n,) how far to look for the beginning of an unchanged value; NaN: it does not matter.
    """
    found = Before(np.full(len(ids), NEVER), np.full(len(ids), np.nan), np.full(len(ids), NEVER))
    earliest = at - _in_us(np.fmax(4 * stuck_after_s, LOOK_BACK_S))
    until = np.full(len(ids), AFTER_ALL) if newest else at
    columns: Columns = {"ids": ids, "earliest": earliest, "before": until, "stuck_after_s": stuck_after_s}
    for n, last, value, since in _ask(
        conn, BEFORE, columns, earliest - _in_us(np.nan_to_num(2 * stuck_after_s)), until
    ):
        found.at[n], found.value[n], found.since[n] = _us(last), value, _us(since)
    return found


def held(conn: psycopg.Connection, ids: NDArray[np.int32], ats: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each series (n,) has a reading of a numbered message at that very time (n,), microseconds since 1970."""
    found = np.zeros(len(ids), np.bool_)
    found[[n for (n,) in _ask(conn, HELD, {"ids": ids, "ats": ats}, ats, ats)]] = True
    return found


def next_after(conn: psycopg.Connection, ids: NDArray[np.int32], ats: NDArray[np.int64]) -> NDArray[np.int64]:
    """When each series (n,) has its next reading after `ats`, microseconds since 1970; `AFTER_ALL`: none."""
    found = np.full(len(ids), AFTER_ALL)
    for n, at in _ask(conn, NEXT, {"ids": ids, "ats": ats}, ats, found):
        found[n] = _us(at)
    return found


def last_otherwise(
    conn: psycopg.Connection,
    ids: NDArray[np.int32],
    values: NDArray[np.float64],
    after: NDArray[np.int64],
    until: NDArray[np.int64],
) -> NDArray[np.int64]:
    """When each series (n,) last had another value than `values`, `after` < t <= `until`; `NEVER`: it had none."""
    found = np.full(len(ids), NEVER)
    columns: Columns = {"ids": ids, "values": values, "after": after, "upto": until}
    for n, at in _ask(conn, OTHERWISE, columns, after, until):
        found[n] = _us(at)
    return found


def _ask(
    conn: psycopg.Connection,
    statement: sql.SQL | sql.Composed,
    columns: Columns,
    since: NDArray[np.int64],
    until: NDArray[np.int64],
) -> Iterator[tuple[Any, ...]]:
    """Yield what `statement` says, its first column as places in `columns`; what lies far apart is asked one by one.

    Args:
        conn: any.
        statement: takes `columns` as arrays, and from and until, between which it looks.
        columns: arrays (n,).
        since: (n,) the earliest time that each needs, microseconds since 1970.
        until: (n,) the latest.
    """
    order = np.argsort(since)
    apart = since[order][1:] - np.maximum.accumulate(until[order])[:-1] > FAR_US
    for places in np.split(order, np.flatnonzero(apart) + 1):
        values: dict[str, Any] = {name: column[places].tolist() for name, column in columns.items()}
        values |= {"from": _time(since[places].min()), "until": _time(until[places].max())}
        for n, *told in conn.execute(statement, values, prepare=False):
            yield places[n], *told


def _time(us: np.int64) -> datetime:
    return EPOCH + timedelta(microseconds=min(max(int(us), 0), LAST_US))


def _in_us(seconds: NDArray[np.float64]) -> NDArray[np.int64]:
    return (np.minimum(seconds, 1e9) * 1e6).astype(np.int64)


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
