"""What the database has not got, as the view `gap` says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

TOTALS: Final = """
    SELECT coalesce(sum(messages) FILTER (WHERE explained), 0)::bigint,
           coalesce(sum(messages) FILTER (WHERE NOT explained), 0)::bigint
    FROM gap"""
GAPS: Final = """
    SELECT device, kind, stream, first, last, messages, since, explained, reason FROM gap
    WHERE (%(device)s::text IS NULL OR device = %(device)s) AND since <= now() - %(older_than)s
    ORDER BY explained, since, stream, first LIMIT %(limit)s"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Messages first … last of a stream, which the database has not got."""

    device: str
    kind: str  # empty: no message of the stream ever came
    stream: str
    first: int
    last: int
    messages: int
    since: datetime
    explained: bool
    reason: str


def gap_totals(conn: Connection[Any]) -> tuple[int, int]:
    """Messages that the database has not got: with an explanation, and without."""
    row = conn.execute(TOTALS).fetchone()
    assert row is not None
    return row[0], row[1]


def list_gaps(
    conn: Connection[Any], *, device: str | None = None, older_than: timedelta = timedelta(0), limit: int = 1000
) -> Sequence[Gap]:
    """Gaps known for longer than `older_than` (what is under way is no gap), unexplained ones first."""
    with conn.cursor(row_factory=class_row(Gap)) as cursor:
        return cursor.execute(GAPS, {"device": device, "older_than": older_than, "limit": limit}).fetchall()
