"""Messages that could not be stored, kept as they came: bounded for each device, counted beyond."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import psycopg
from psycopg import Connection
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

MAX_MESSAGES: Final = 1000  # kept of one device
MAX_BYTES: Final = 32 * 1024 * 1024  # kept of one device

KEPT: Final = """
    SELECT device, count(*), coalesce(sum(octet_length(payload)), 0)::bigint FROM rejected
    WHERE device = ANY(%s) GROUP BY device"""
TALLY: Final = """
    INSERT INTO rejected_tally AS t (device, reason, messages, discarded)
    VALUES (%s, %s, %s, %s)
    ON CONFLICT (device, reason) DO UPDATE SET
        messages = t.messages + excluded.messages, discarded = t.discarded + excluded.discarded, last_at = now()"""
KEEP: Final = """
    COPY rejected (received, device, topic, stream, seq, content_type, properties, reason, detail, payload)
    FROM STDIN (FORMAT binary)"""
LIST: Final = """
    SELECT id, received, device, topic, stream, seq, reason, detail, octet_length(payload) AS bytes FROM rejected
    WHERE (%(device)s::text IS NULL OR device = %(device)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    ORDER BY id DESC LIMIT %(limit)s"""
IDS: Final = """
    SELECT id FROM rejected
    WHERE (%(device)s::text IS NULL OR device = %(device)s) AND (%(reason)s::text IS NULL OR reason = %(reason)s)
    ORDER BY id"""
READ: Final = """
    SELECT received, device, topic, stream, seq, content_type, properties, reason, detail, payload FROM rejected
    WHERE id = %s"""
TALLIES: Final = (
    "SELECT device, reason, messages, discarded, last_at FROM rejected_tally ORDER BY messages DESC, device"
)
TYPES: Final = ["timestamptz", "text", "text", "text", "int8", "text", "jsonb", "text", "text", "bytea"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """A message, and why it was not stored."""

    received: datetime
    device: str  # empty where the topic names none
    topic: str
    stream: str | None
    seq: int | None
    content_type: str | None
    properties: Sequence[tuple[str, str]]
    reason: str
    detail: str
    payload: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A line about a kept message."""

    id: int
    received: datetime
    device: str
    topic: str
    stream: str | None
    seq: int | None
    reason: str
    detail: str
    bytes: int  # of payload


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How many messages of a device were rejected for a reason."""

    device: str
    reason: str
    messages: int
    discarded: int  # of them, those too many to keep
    last_at: datetime


def keep(conn: psycopg.Connection, messages: Sequence[Rejected]) -> list[bool]:
    """Keep `messages`, as far as their devices' share allows; return for each whether it was kept."""
    if not messages:
        return []
    room = dict.fromkeys((message.device for message in messages), (MAX_MESSAGES, MAX_BYTES))
    for device, count, size in conn.execute(KEPT, [list(room)]):
        room[device] = (MAX_MESSAGES - count, MAX_BYTES - size)
    kept = []
    for message in messages:
        count, size = room[message.device]
        kept.append(count > 0 and size >= len(message.payload))
        if kept[-1]:
            room[message.device] = (count - 1, size - len(message.payload))
    _tally(conn, messages, kept)
    _copy(conn, [message for message, keeping in zip(messages, kept, strict=True) if keeping])
    return kept


def _tally(conn: psycopg.Connection, messages: Sequence[Rejected], kept: Sequence[bool]) -> None:
    came = Counter((message.device, message.reason) for message in messages)
    lost = Counter((m.device, m.reason) for m, keeping in zip(messages, kept, strict=True) if not keeping)
    with conn.cursor() as cursor:
        cursor.executemany(TALLY, [(*key, came[key], lost[key]) for key in sorted(came)])


def _copy(conn: psycopg.Connection, messages: Sequence[Rejected]) -> None:
    with conn.cursor() as cursor, cursor.copy(KEEP) as copy:
        copy.set_types(TYPES)
        for m in messages:
            properties = Jsonb([[_clean(name), _clean(value)] for name, value in m.properties])
            envelope = (m.stream, m.seq, m.content_type and _clean(m.content_type), properties)
            copy.write_row((m.received, m.device, _clean(m.topic), *envelope, m.reason, _clean(m.detail), m.payload))


def _clean(text: str) -> str:
    """What is kept must be storable, whatever came."""
    return text.replace("\x00", "\\0").encode("utf-8", "replace").decode()


def list_kept(
    conn: Connection[Any], *, device: str | None = None, reason: str | None = None, limit: int = 100
) -> list[Kept]:
    """Kept messages, newest first, without their payloads."""
    with conn.cursor(row_factory=class_row(Kept)) as cursor:
        return cursor.execute(LIST, {"device": device, "reason": reason, "limit": limit}).fetchall()


def tallies(conn: Connection[Any]) -> list[Tally]:
    """How many messages were rejected ever, by device and reason, most first."""
    with conn.cursor(row_factory=class_row(Tally)) as cursor:
        return cursor.execute(TALLIES).fetchall()


def read(conn: Connection[Any], kept_id: int) -> Rejected | None:
    """One kept message whole; None where it is no more."""
    with conn.cursor(row_factory=class_row(Rejected)) as cursor:
        return cursor.execute(READ, [kept_id]).fetchone()


def ids(conn: Connection[Any], *, device: str | None = None, reason: str | None = None) -> list[int]:
    """All kept messages of a device, or with a reason, in the order in which they came."""
    return [row[0] for row in conn.execute(IDS, {"device": device, "reason": reason})]


def remove(conn: Connection[Any], kept_id: int) -> bool:
    """Take out a message that the caller's transaction stores; False where somebody else has."""
    return conn.execute("DELETE FROM rejected WHERE id = %s", [kept_id]).rowcount == 1
