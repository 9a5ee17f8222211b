"""What a series said before: against it, ingest judges what comes. Only read, one round trip for many series."""

from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

LOOK_BACK_S: Final = 86_400.0  # a rate of change is not judged over more than a day
NEVER: Final = -(2**62)  # microseconds: no reading is known; far enough to be longer ago than anything, and to subtract
AFTER_ALL: Final = 2**58  # microseconds since 1970: the year 11,000

BEFORE: Final = """
    SELECT asked.n - 1, last.at, last.value,
           CASE WHEN older.value = last.value THEN older.at ELSE coalesce(run.at, last.at) END
    FROM (SELECT n, id, timestamptz 'epoch' + before * interval '1 us' AS before,
                 timestamptz 'epoch' + at * interval '1 us'
                     - greatest(4 * stuck_after_s, %(look_back_s)s) * interval '1 s' AS earliest,
                 stuck_after_s * interval '1 s' AS span
          FROM unnest(%(ids)s::int[], %(at)s::bigint[], %(before)s::bigint[], %(stuck_after_s)s::float8[])
               WITH ORDINALITY AS a (id, at, before, stuck_after_s, n)) AS asked
    CROSS JOIN LATERAL (
        SELECT at, value FROM any_reading
        WHERE series_id = asked.id AND at < asked.before AND at >= asked.earliest
        ORDER BY at DESC LIMIT 1) AS last
    LEFT JOIN LATERAL (
        SELECT at FROM any_reading
        WHERE series_id = asked.id AND at < asked.before AND at > last.at - 2 * asked.span AND value <> last.value
        ORDER BY at DESC LIMIT 1) AS other ON asked.span IS NOT NULL
    LEFT JOIN LATERAL (
        SELECT at, value FROM any_reading
        WHERE series_id = asked.id AND at <= last.at - 2 * asked.span AND at >= asked.earliest
        ORDER BY at DESC LIMIT 1) AS older ON asked.span IS NOT NULL AND other.at IS NULL
    LEFT JOIN LATERAL (
        SELECT at FROM any_reading
        WHERE series_id = asked.id AND at <= last.at
              AND at > coalesce(other.at, last.at - 2 * asked.span)
        ORDER BY at LIMIT 1) AS run ON asked.span IS NOT NULL"""
HELD: Final = """
    SELECT asked.n - 1
    FROM (SELECT id, timestamptz 'epoch' + at * interval '1 us' AS at, n
          FROM unnest(%(ids)s::int[], %(ats)s::bigint[]) WITH ORDINALITY AS a (id, at, n)) AS asked
    CROSS JOIN LATERAL (
        SELECT FROM reading WHERE reading.series_id = asked.id AND reading.at = asked.at LIMIT 1) AS found"""
NEXT: Final = """
    SELECT asked.n - 1, next.at
    FROM (SELECT id, timestamptz 'epoch' + at * interval '1 us' AS at, n
          FROM unnest(%(ids)s::int[], %(ats)s::bigint[]) WITH ORDINALITY AS a (id, at, n)) AS asked
    CROSS JOIN LATERAL (
        SELECT at FROM any_reading AS r WHERE r.series_id = asked.id AND r.at > asked.at ORDER BY at LIMIT 1) AS next"""
OTHERWISE: Final = """
    SELECT asked.n - 1, other.at
    FROM (SELECT id, value, n, timestamptz 'epoch' + after * interval '1 us' AS after,
                 timestamptz 'epoch' + until * interval '1 us' AS until
          FROM unnest(%(ids)s::int[], %(values)s::float8[], %(after)s::bigint[], %(until)s::bigint[])
               WITH ORDINALITY AS a (id, value, after, until, n)) AS asked
    CROSS JOIN LATERAL (
        SELECT at FROM any_reading AS r
        WHERE r.series_id = asked.id AND r.at > asked.after AND r.at <= asked.until AND r.value <> asked.value
        ORDER BY at DESC LIMIT 1) AS other"""


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
    parameters = {
        "ids": ids.tolist(),
        "at": at.tolist(),
        "before": [AFTER_ALL] * len(ids) if newest else at.tolist(),
        "stuck_after_s": [None if np.isnan(seconds) else seconds for seconds in stuck_after_s.tolist()],
        "look_back_s": LOOK_BACK_S,
    }
    for n, last, value, since in conn.execute(BEFORE, parameters):
        found.at[n], found.value[n], found.since[n] = _us(last), value, _us(since)
    return found


def held(conn: psycopg.Connection, ids: NDArray[np.int32], ats: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether each series (n,) has a reading of a numbered message at that very time (n,), microseconds since 1970."""
    found = np.zeros(len(ids), np.bool_)
    found[[n for (n,) in conn.execute(HELD, {"ids": ids.tolist(), "ats": ats.tolist()})]] = True
    return found


def next_after(conn: psycopg.Connection, ids: NDArray[np.int32], ats: NDArray[np.int64]) -> NDArray[np.int64]:
    """When each series (n,) has its next reading after `ats`, microseconds since 1970; `AFTER_ALL`: none."""
    found = np.full(len(ids), AFTER_ALL)
    for n, at in conn.execute(NEXT, {"ids": ids.tolist(), "ats": ats.tolist()}):
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
    parameters = {
        "ids": ids.tolist(),
        "values": values.tolist(),
        "after": after.tolist(),
        "until": until.tolist(),
    }
    for n, at in conn.execute(OTHERWISE, parameters):
        found[n] = _us(at)
    return found


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
