"""Rows that come after their bucket was closed: ingest marks the bucket in the transaction that stores the row.

What makes it safe, whatever runs beside it: ingest holds a shared advisory lock from before it reads `closed_until`
until it commits; closing takes the same lock exclusively, moves `closed_until`, commits, and only then reads. So every
row is either seen by the computation that follows the closing, or marked.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from psycopg import Connection

Source = Literal["reading", "traffic"]

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
BIG_DRAIN: Final = 100  # marks: a day of one series, or five hours of five
BUCKET: Final = 900_000_000  # microseconds: marks name buckets of 15 minutes, whatever the level

BOUNDS: Final = "SELECT closed_until, frozen_before FROM late_bounds(%s)"
MARK: Final = """
    INSERT INTO late_mark (source, id, bucket)
    SELECT %(source)s, id, timestamptz 'epoch' + at * interval '1 microsecond'
    FROM unnest(%(ids)s::int[], %(buckets)s::bigint[]) AS late(id, at)
    ON CONFLICT (source, id, bucket) DO UPDATE SET marked_at = excluded.marked_at
"""
BACKLOG: Final = "SELECT count(*), max(marked_at) FROM late_mark"


@dataclass(frozen=True, slots=True, kw_only=True)
class LateBounds:
    """What is already closed and what is already frozen, in microseconds since 1970; None: nothing yet."""

    closed_until: int | None
    frozen_before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """Buckets that are marked and not yet claimed, and when the latest of them was; alike twice: nothing came."""

    marks: int = 0
    latest: datetime | None = None


def late_bounds(conn: Connection[Any], source: Source) -> LateBounds:
    """Read how far `source` is closed, and keep it so until the caller's transaction (READ COMMITTED) ends."""
    row = conn.execute(BOUNDS, (source,)).fetchone()
    assert row is not None
    closed_until, frozen_before = row
    return LateBounds(closed_until=_microseconds(closed_until), frozen_before=_microseconds(frozen_before))


def mark_late(
    conn: Connection[Any],
    source: Source,
    ids: NDArray[np.integer[Any]],
    ats: NDArray[np.int64],
    bounds: LateBounds,
) -> int:
    """Mark the buckets of those rows that came too late for them; return how many buckets that were.

    Belongs in the transaction that stores the rows, after `late_bounds` and after every other lock. Rows older than
    `bounds.frozen_before` are left out: their buckets keep the number that was published.

    Args:
        conn: the caller's connection, inside its transaction.
        source: which table the rows went to.
        ids: (n,) series of each reading, or device of each traffic row.
        ats: (n,) microseconds since 1970, when it was measured.
        bounds: what `late_bounds` gave in this transaction.
    """
    if bounds.closed_until is None or not ats.size or ats.min() >= bounds.closed_until:
        return 0
    late = ats < bounds.closed_until
    if bounds.frozen_before is not None:
        late &= ats >= bounds.frozen_before
    if not late.any():
        return 0
    pairs = np.unique(np.stack([ids[late].astype(np.int64), ats[late] // BUCKET], axis=1), axis=0)
    buckets = (pairs[:, 1] * BUCKET).tolist()
    conn.execute(MARK, {"source": source, "ids": pairs[:, 0].tolist(), "buckets": buckets})
    return len(pairs)


def late_backlog(conn: Connection[Any]) -> Backlog:
    """What is marked now."""
    row = conn.execute(BACKLOG).fetchone()
    assert row is not None
    return Backlog(marks=row[0], latest=row[1])


def _microseconds(at: datetime | None) -> int | None:
    return None if at is None else (at - EPOCH) // MICROSECOND
