"""What goes when the budget is full: the least valuable first, and of those the oldest."""

import sqlite3
from itertools import groupby

from edge import boxfile
from edge.boxfile import Row, Totals
from edge.outgoing import RANKS

CHUNK = 256


def evict(
    conn: sqlite3.Connection, totals: Totals, coming: list[Row], budget: int
) -> tuple[dict[str, list[int]], list[Row]]:
    """Make room for `coming`.

    Args:
        conn: the outbox's file, in a transaction.
        totals: messages and bytes on disk by rank; brought up to date.
        coming: what is about to be inserted, in order.
        budget: bytes that may be on disk.

    Returns:
        The numbers that were given up by stream, and what of `coming` remains.
    """
    over = sum(size for _, size in totals.values()) + sum(row.size for row in coming) - budget
    gone: list[tuple[str, int]] = []
    refused: set[int] = set()
    for rank in reversed(RANKS):
        while over > 0 and totals[rank][0] > 0:
            over -= _delete_oldest(conn, rank, over, totals, gone)
        for row in coming:
            if over > 0 and row.rank == rank:
                over -= row.size
                refused.add(row.id)
                gone.append((row.stream, row.seq))
    by_stream = groupby(sorted(gone), key=lambda pair: pair[0])
    victims = {stream: [seq for _, seq in pairs] for stream, pairs in by_stream}
    return victims, [row for row in coming if row.id not in refused]


def _delete_oldest(conn: sqlite3.Connection, rank: int, over: int, totals: Totals, gone: list[tuple[str, int]]) -> int:
    """Delete messages of `rank` until `over` bytes are free, CHUNK at most; return how many bytes were."""
    freed = 0
    for number, stream, seq, size in boxfile.oldest(conn, rank, CHUNK):
        if freed >= over:
            break
        conn.execute("DELETE FROM message WHERE id = ?", (number,))
        gone.append((stream, seq))
        totals[rank][0] -= 1
        totals[rank][1] -= size
        freed += size
    return freed
