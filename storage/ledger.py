"""The ledger: which messages of each stream the database holds, which it never will, and which it misses.

Ranges are (first, last), both included. Rows are locked in the order of their streams, after the advisory locks of
`late` and before anything else.
"""

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Final, NamedTuple

import psycopg

Range = tuple[int, int]

FOREIGN_LOCK: Final = 7_237_261_002  # of pg_advisory_xact_lock

UNFOLD: Final = """
    WITH folded AS (DELETE FROM ledger_folded WHERE stream = ANY(%(streams)s) RETURNING *)
    INSERT INTO ledger (stream, device_id, kind, received, given_up, discarded, announced, first_seen, last_seen)
    SELECT stream, device_id, kind, int8multirange(int8range(1, last + 1)) - given_up - discarded, given_up, discarded,
           last, first_seen, last_seen
    FROM folded ORDER BY stream"""

BEGIN_STREAMS: Final = """
    INSERT INTO ledger (stream, device_id)
    SELECT stream, device_id FROM unnest(%(streams)s::text[], %(device_ids)s::int[]) AS new (stream, device_id)
    ORDER BY stream
    ON CONFLICT (stream) DO NOTHING"""

LOCK: Final = "SELECT FROM ledger WHERE stream = ANY(%(streams)s) ORDER BY stream FOR UPDATE"

EXTEND: Final = """
    UPDATE ledger AS l
    SET received = l.received + new.received, discarded = l.discarded + new.discarded, kind = new.kind,
        last_seen = now()
    FROM (SELECT stream, device_id, kind, received::int8multirange, discarded::int8multirange
          FROM unnest(%(streams)s::text[], %(device_ids)s::int[], %(kinds)s::text[], %(received)s::text[],
                      %(discarded)s::text[]) AS n (stream, device_id, kind, received, discarded)) AS new
    WHERE l.stream = new.stream AND l.device_id = new.device_id
      AND NOT (l.received + l.discarded) && (new.received + new.discarded)
    RETURNING l.stream, (l.received + l.given_up + l.discarded)::text"""

HELD: Final = """
    SELECT stream, device_id, (received + discarded)::text, (received + discarded + given_up)::text FROM ledger
    WHERE stream = ANY(%s)"""
ACCOUNTED: Final = "SELECT stream, (received + given_up + discarded)::text FROM ledger WHERE device_id = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What one transaction adds to a stream."""

    stream: str
    device_id: int
    kind: str
    received: Sequence[Range]
    discarded: Sequence[Range] = ()


class Held(NamedTuple):
    """Whose a stream is, and which numbers have come, or need not come."""

    device_id: int
    came: list[Range]
    accounted: list[Range]

    def has(self, seq: int) -> bool:
        """Whether the message of that number has come."""
        before = bisect_right(self.came, seq, key=itemgetter(0)) - 1
        return before >= 0 and seq <= self.came[before][1]


def to_ranges(numbers: Iterable[int]) -> list[Range]:
    """Collapse numbers into ranges.

    >>> to_ranges([3, 1, 2, 7])
    [(1, 3), (7, 7)]
    """
    ranges: list[Range] = []
    for number in sorted(numbers):
        if ranges and number <= ranges[-1][1] + 1:
            ranges[-1] = (ranges[-1][0], number)
        else:
            ranges.append((number, number))
    return ranges


def begin_streams(conn: psycopg.Connection, devices: Mapping[str, int]) -> None:
    """Make sure that each stream has a row, folded ones too; the first device to use a stream keeps it.

    In a transaction of its own: a row that says nothing does no harm, and nobody waits for it.
    """
    if not devices:
        return
    streams = sorted(devices)
    with conn.transaction():
        conn.execute(UNFOLD, {"streams": streams})
        conn.execute(BEGIN_STREAMS, {"streams": streams, "device_ids": [devices[stream] for stream in streams]})


def extend(conn: psycopg.Connection, entries: Sequence[Entry]) -> dict[str, list[Range]] | None:
    """Add `entries`, and return what is now accounted for of each stream: stored, rejected, discarded or given up.

    None where a number was not new, or a stream is another device's or has no row: roll back, ask `held`, filter.
    """
    conn.execute(LOCK, {"streams": sorted(entry.stream for entry in entries)})
    rows = conn.execute(
        EXTEND,
        {
            "streams": [entry.stream for entry in entries],
            "device_ids": [entry.device_id for entry in entries],
            "kinds": [entry.kind for entry in entries],
            "received": [_literal(entry.received) for entry in entries],
            "discarded": [_literal(entry.discarded) for entry in entries],
        },
    ).fetchall()
    return {stream: _parse(text) for stream, text in rows} if len(rows) == len(entries) else None


def held(conn: psycopg.Connection, streams: Iterable[str]) -> dict[str, Held]:
    """What has come of each stream (stored, rejected or discarded), and what is accounted for."""
    rows = conn.execute(HELD, [list(streams)]).fetchall()
    return {stream: Held(device_id, _parse(came), _parse(accounted)) for stream, device_id, came, accounted in rows}


def accounted(conn: psycopg.Connection, device_id: int) -> dict[str, list[Range]]:
    """All that the device need not send again, of its streams that are not folded."""
    return {stream: _parse(text) for stream, text in conn.execute(ACCOUNTED, [device_id])}


def serialise_foreign(conn: psycopg.Connection) -> None:
    """Let transactions that store messages without numbers go one by one: what they look up is then exact."""
    conn.execute("SELECT pg_advisory_xact_lock(%s)", [FOREIGN_LOCK])


def _literal(ranges: Iterable[Range]) -> str:
    return "{" + ",".join(f"[{first},{last}]" for first, last in ranges) + "}"


def _parse(text: str) -> list[Range]:
    return [(int(first), int(end) - 1) for first, end in _BOUNDS.findall(text)]


_BOUNDS: Final = re.compile(r"(\d+),(\d+)")
