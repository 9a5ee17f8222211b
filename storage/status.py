"""What a device says about its outbox: which numbers it has given, and which it gave up."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from events.status import Range, Status
from storage.ledger import LOCK, begin_streams

NEWER: Final = "SELECT FROM device WHERE id = %s AND (status_connection, status_n) < (%s, %s)"

# A last will knows less than the status before it: what it does not speak of stays.
APPLY: Final = """
    UPDATE device SET online = %(online)s, status_connection = %(connection)s, status_n = %(n)s, status_at = %(at)s,
                      status = CASE WHEN %(online)s THEN '{}' ELSE coalesce(status, '{}') END || %(status)s::jsonb
    WHERE id = %(device_id)s AND (status_connection, status_n) < (%(connection)s, %(n)s)"""

NOTE_REASONS: Final = """
    INSERT INTO given_up_range (stream, range, device_id, reason)
    SELECT l.stream, part, l.device_id, %(reason)s
    FROM ledger l CROSS JOIN unnest(int8multirange(int8range(%(first)s, %(last)s, '[]')) - l.given_up) AS part
    WHERE l.stream = %(stream)s AND l.device_id = %(device_id)s
    ON CONFLICT (stream, range) DO NOTHING"""
GIVE_UP: Final = """
    UPDATE ledger SET given_up = given_up + int8multirange(int8range(%(first)s, %(last)s, '[]'))
    WHERE stream = %(stream)s AND device_id = %(device_id)s"""

ANNOUNCE: Final = """
    UPDATE ledger AS l SET announced = greatest(l.announced, s.last)
    FROM unnest(%(streams)s::text[], %(lasts)s::bigint[]) AS s (stream, last)
    WHERE l.stream = s.stream AND l.device_id = %(device_id)s AND l.announced < s.last"""

# Since when something is missing: kept while it is, forgotten when a status finds nothing missing.
REVIEW: Final = """
    WITH seen AS (
        SELECT stream, isempty(int8multirange(int8range(1, greatest(announced + 1, upper(received), 1)))
                               - received - given_up - discarded) AS whole
        FROM ledger WHERE device_id = %(device_id)s
    )
    UPDATE ledger AS l SET open_since = CASE WHEN whole THEN NULL ELSE now() END
    FROM seen WHERE l.stream = seen.stream AND whole <> (l.open_since IS NULL)"""

# A stream that the device no longer speaks of, in which nothing is missing, is finished: its last number says it all.
FOLD: Final = """
    WITH finished AS (
        DELETE FROM ledger AS l USING device AS d
        WHERE d.id = l.device_id AND l.device_id = ANY(%(device_ids)s)
          AND NOT coalesce(d.status -> 'streams', '{}') ? l.stream AND l.last_seen < now() - %(idle)s
          AND isempty(int8multirange(int8range(1, greatest(l.announced + 1, upper(l.received), 1)))
                      - l.received - l.given_up - l.discarded)
        RETURNING l.*
    )
    INSERT INTO ledger_folded (stream, device_id, kind, last, given_up, discarded, first_seen, last_seen)
    SELECT stream, device_id, kind, greatest(announced, upper(received) - 1, 0), given_up - received, discarded,
           first_seen, last_seen
    FROM finished"""


IDLE: Final = timedelta(hours=1)


class ReceivedStatus(NamedTuple):
    """A device's status, and when it came."""

    device_id: int
    received: datetime
    status: Status


def apply_status(conn: psycopg.Connection, received: ReceivedStatus) -> bool:
    """Let a newer status replace an older one, with what it means for the ledger; return whether it was newer.

    A transaction of its own. Safe to repeat, in any order.
    """
    device_id, at, status = received
    if conn.execute(NEWER, [device_id, status.connection, status.n]).fetchone() is None:
        return False
    streams = sorted({*status.streams, *(given_up.stream for given_up in status.given_up)})
    begin_streams(conn, dict.fromkeys(streams, device_id))
    with conn.transaction():
        conn.execute(LOCK, {"streams": streams})
        row = {
            "device_id": device_id,
            "online": status.state == "online",
            "connection": status.connection,
            "n": status.n,
            "at": at,
            "status": Jsonb(msgspec.to_builtins(status)),
        }
        if not conn.execute(APPLY, row).rowcount:
            return False
        _note_given_up(conn, device_id, status.given_up)
        lasts = [status.streams.get(stream, 0) for stream in streams]
        conn.execute(ANNOUNCE, {"device_id": device_id, "streams": streams, "lasts": lasts})
        conn.execute(REVIEW, {"device_id": device_id})
    fold(conn, [device_id])
    return True


def fold(conn: psycopg.Connection, device_ids: Sequence[int], idle: timedelta = IDLE) -> int:
    """Fold away the finished streams of some devices that were idle that long; return how many. Safe to repeat."""
    return conn.execute(FOLD, {"device_ids": list(device_ids), "idle": idle}).rowcount


def _note_given_up(conn: psycopg.Connection, device_id: int, ranges: Sequence[Range]) -> None:
    with conn.cursor() as cursor:
        for given_up in ranges:
            row = {"device_id": device_id, "stream": given_up.stream, "reason": given_up.reason}
            row |= {"first": given_up.first, "last": given_up.last}
            cursor.execute(NOTE_REASONS, row)
            cursor.execute(GIVE_UP, row)
