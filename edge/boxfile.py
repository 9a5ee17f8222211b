"""The outbox's file: SQLite tables whose rows each carry a checksum, so that a damaged one is never taken for true.

SQLite itself checks the structure of its pages and the frames of its log, not what stands in a page.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, get_args
from zlib import crc32

from edge.clock import Moment
from edge.outgoing import RANKS, Outgoing
from edge.ranges import Ranges
from events.status import Reason

PAGE: Final = 4096
OVERHEAD: Final = 256  # bytes that a row and its index entries take beside the payload, at most
VERSION: Final = 1

SCHEMA: Final = f"""
CREATE TABLE IF NOT EXISTS message (
    id INTEGER PRIMARY KEY, size INTEGER NOT NULL, rank INTEGER NOT NULL, stream TEXT NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, created INTEGER NOT NULL, content_type TEXT NOT NULL, properties TEXT NOT NULL,
    made TEXT NOT NULL, crc INTEGER NOT NULL, payload BLOB NOT NULL, UNIQUE (stream, seq)
);
CREATE INDEX IF NOT EXISTS message_rank ON message (rank, id);
CREATE TABLE IF NOT EXISTS stream (
    id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, last INTEGER NOT NULL, done INTEGER NOT NULL, crc INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS given_up (
    stream TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, reason TEXT NOT NULL,
    crc INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS note (
    key TEXT NOT NULL UNIQUE, value TEXT NOT NULL, rev INTEGER NOT NULL, crc INTEGER NOT NULL
);
PRAGMA user_version = {VERSION};
"""
COLUMNS: Final = "id, size, rank, stream, seq, kind, created, content_type, properties, made, crc, payload"
INSERT: Final = f"INSERT OR IGNORE INTO message ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608 - a constant
ALL: Final = f"SELECT {COLUMNS} FROM message ORDER BY id"  # noqa: S608 - a constant


class Torn(RuntimeError):
    """The outbox's file is damaged: open it again, which sets it aside and salvages what can be read."""


class Row(NamedTuple):
    """One message on disk."""

    id: int  # where it stands in the file; not what it is called on the wire
    size: int  # bytes of the budget
    rank: int
    stream: str
    seq: int
    kind: str
    created: int  # Unix milliseconds; 0: the clock was not set
    content_type: str
    properties: str  # JSON, pairs
    made: str  # "": by the clock; else JSON, a Moment
    crc: int
    payload: bytes

    def pairs(self) -> list[tuple[str, str]]:
        """The user properties beside `id` and `sent`."""
        return [(name, value) for name, value in json.loads(self.properties)] if self.properties else []

    def moment(self) -> Moment | None:
        """When the readings were taken, where the clock was not set."""
        return Moment(*json.loads(self.made)) if self.made else None


@dataclass(slots=True)
class Stream:
    """One kind of message from one run."""

    kind: str
    last: int = 0  # committed up to here
    acked: Ranges = field(default_factory=list)  # what the database accounts for

    @property
    def finished(self) -> bool:
        """Whether nothing of it is left to be told."""
        return self.done >= self.last

    @property
    def done(self) -> int:
        """All up to here are accounted for."""
        return self.acked[0][1] if self.acked and self.acked[0][0] == 1 else 0


def size_of(payload: int, rest: int) -> int:
    """Bytes that a message takes of the budget; large ones fill whole pages."""
    size = OVERHEAD + payload + rest
    return size if size < PAGE - OVERHEAD else -(-size // PAGE) * PAGE


def row_of(outgoing: Outgoing, number: int, stream: str, seq: int, created: int) -> Row:
    """The row that keeps `outgoing`, with its checksum."""
    properties = json.dumps(outgoing.properties) if outgoing.properties else ""
    made = json.dumps(outgoing.made) if outgoing.made else ""
    size = size_of(len(outgoing.payload), len(properties) + len(made))
    row = Row(
        number, size, outgoing.rank, stream, seq, outgoing.kind, created, outgoing.content_type, properties, made, 0,
        outgoing.payload,
    )  # fmt: skip
    return row._replace(crc=row_crc(row))


def row_crc(row: Row) -> int:
    """The checksum of all that a row says; where it stands (`id`) is not part of it."""
    return crc32(row.payload, checksum("message", *row[1:10]))


def checksum(*values: object) -> int:
    """CRC-32 of the values as text."""
    return crc32("\x1f".join(map(str, values)).encode())


def connect(path: Path, budget: int) -> sqlite3.Connection:
    """Open for writing: what is committed survives a power cut. Nothing is changed yet.

    Raises:
        sqlite3.DatabaseError: not a database, or damaged.
    """
    conn = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
    try:
        conn.execute(f"PRAGMA page_size = {PAGE}")
        conn.execute("PRAGMA journal_mode = WAL")
        conn.execute("PRAGMA synchronous = FULL")
        conn.execute("PRAGMA journal_size_limit = 4194304")
        conn.execute("PRAGMA cache_size = -1024")
        conn.execute(f"PRAGMA max_page_count = {budget * 5 // 4 // PAGE + 1024}")
        conn.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    except BaseException:
        conn.close()
        raise
    return conn


def version(conn: sqlite3.Connection) -> int:
    """Of the schema; 0: there is none."""
    return int(conn.execute("PRAGMA user_version").fetchone()[0])


def make(conn: sqlite3.Connection) -> None:
    """Make the tables where they are missing."""
    if version(conn) != VERSION:
        conn.executescript(SCHEMA)


def frames(conn: sqlite3.Connection) -> int:
    """How many frames of the write-ahead log SQLite takes for good; they are copied into the file."""
    return max(0, int(conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()[1]))


def connect_to_read(path: Path) -> sqlite3.Connection:
    """Open beside a writer; changes nothing."""
    conn = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, check_same_thread=False, timeout=10)
    conn.execute("PRAGMA cache_size = -512")
    return conn


def verify(conn: sqlite3.Connection) -> None:
    """Read everything once.

    Raises:
        Torn: something in it is not what was written.
    """
    try:
        answer = conn.execute("PRAGMA quick_check(1)").fetchone()[0]
        if answer != "ok":
            raise Torn(str(answer))
        for row in map(Row._make, conn.execute(ALL)):
            check(row)
        for row in conn.execute("SELECT id, kind, last, done, crc FROM stream"):
            _check("stream", row)
        for row in conn.execute("SELECT stream, first, last, reason, crc FROM given_up"):
            _check("given_up", row)
        for row in conn.execute("SELECT key, value, rev, crc FROM note"):
            _check("note", row)
    except (sqlite3.DatabaseError, TypeError, AttributeError) as error:  # damage changes types, too
        raise Torn(str(error)) from error


def check(row: Row) -> Row:
    """Return `row`.

    Raises:
        Torn: it is not what was written.
    """
    if not isinstance(row.payload, bytes) or row_crc(row) != row.crc:
        raise Torn(f"message {row.id} does not match its checksum")
    return row


def _check(table: str, row: tuple[object, ...]) -> None:
    if checksum(table, *row[:-1]) != row[-1]:
        raise Torn(f"a row of {table} does not match its checksum")


def load_streams(conn: sqlite3.Connection) -> dict[str, Stream]:
    """The streams that have unfinished business."""
    rows = conn.execute("SELECT id, kind, last, done FROM stream")
    return {name: Stream(kind, last, [(1, done)] if done else []) for name, kind, last, done in rows}


def save_streams(conn: sqlite3.Connection, streams: Mapping[str, Stream], finished: Collection[str] = ()) -> None:
    """Write how far each has come; forget those that are finished."""
    rows = [(name, stream.kind, stream.last, stream.done) for name, stream in streams.items() if name not in finished]
    conn.executemany(
        "INSERT INTO stream (id, kind, last, done, crc) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET"
        " last = excluded.last, done = excluded.done, crc = excluded.crc",
        [(*row, checksum("stream", *row)) for row in rows],
    )
    conn.executemany("DELETE FROM stream WHERE id = ?", [(name,) for name in finished])


GivenUp = dict[tuple[str, Reason], Ranges]
"""(stream, reason) → ranges."""

REASONS: Final[dict[str, Reason]] = {reason: reason for reason in get_args(Reason)}


def load_given_up(conn: sqlite3.Connection) -> GivenUp:
    """What was given up, and not yet confirmed."""
    found: GivenUp = {}
    for stream, first, last, reason in conn.execute("SELECT stream, first, last, reason FROM given_up ORDER BY 1, 2"):
        found.setdefault((stream, REASONS[reason]), []).append((first, last))
    return found


def save_given_up(conn: sqlite3.Connection, streams: Collection[str], given_up: GivenUp) -> None:
    """Write what was given up of `streams`, whole."""
    conn.executemany("DELETE FROM given_up WHERE stream = ?", [(stream,) for stream in streams])
    rows = [
        (stream, first, last, reason)
        for (stream, reason), spans in given_up.items()
        if stream in streams
        for first, last in spans
    ]
    conn.executemany(
        "INSERT INTO given_up (stream, first, last, reason, crc) VALUES (?, ?, ?, ?, ?)",
        [(*row, checksum("given_up", *row)) for row in rows],
    )


def load_notes(conn: sqlite3.Connection) -> dict[str, str]:
    """What the agent keeps beside its messages: counters, how far a replay has come. The latest comes last."""
    return dict(conn.execute("SELECT key, value FROM note ORDER BY rev"))


def save_notes(conn: sqlite3.Connection, notes: Mapping[str, str | None]) -> None:
    """Write notes; those that are None are forgotten."""
    for key, value in notes.items():
        if value is None:
            conn.execute("DELETE FROM note WHERE key = ?", (key,))
            continue
        rev = conn.execute("SELECT coalesce(max(rev), 0) + 1 FROM note").fetchone()[0]
        values = (key, value, rev)
        conn.execute(
            "INSERT INTO note (key, value, rev, crc) VALUES (?, ?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value, rev = excluded.rev, crc = excluded.crc",
            (*values, checksum("note", *values)),
        )


Totals = dict[int, list[int]]
"""rank → [messages, bytes]."""


def totals(conn: sqlite3.Connection) -> Totals:
    """How much is in the file."""
    found = {int(rank): [0, 0] for rank in RANKS}
    for rank, messages, size in conn.execute("SELECT rank, count(*), sum(size) FROM message GROUP BY rank"):
        found[rank] = [messages, size]
    return found


def last_id(conn: sqlite3.Connection) -> int:
    """The last place that is taken; 0: none."""
    return int(conn.execute("SELECT coalesce(max(id), 0) FROM message").fetchone()[0])


def insert(conn: sqlite3.Connection, rows: list[Row], totals: Totals) -> None:
    """Write messages, and count them."""
    conn.executemany(INSERT, rows)
    for row in rows:
        totals[row.rank][0] += 1
        totals[row.rank][1] += row.size


def delete(conn: sqlite3.Connection, drops: Mapping[str, Ranges], totals: Totals) -> None:
    """Delete messages, and count them off."""
    for stream, spans in drops.items():
        for span in spans:
            gone = conn.execute(
                "DELETE FROM message WHERE stream = ? AND seq BETWEEN ? AND ? RETURNING rank, size", (stream, *span)
            )
            for rank, size in gone.fetchall():
                totals[rank][0] -= 1
                totals[rank][1] -= size


def oldest(conn: sqlite3.Connection, rank: int, limit: int) -> list[tuple[int, str, int, int]]:
    """Return (id, stream, seq, size) of the oldest messages of a rank."""
    return conn.execute(
        "SELECT id, stream, seq, size FROM message WHERE rank = ? ORDER BY id LIMIT ?", (rank, limit)
    ).fetchall()


def oldest_created(conn: sqlite3.Connection) -> int:
    """When the oldest message was made, Unix milliseconds; 0: there is none, or the clock was not set."""
    found = conn.execute("SELECT created FROM message ORDER BY id LIMIT 1").fetchone()
    return int(found[0]) if found else 0


def fetch(conn: sqlite3.Connection, rank: int, after: int, limit: int) -> list[Row]:
    """Messages of a rank, oldest first, that stand behind `after`.

    Raises:
        Torn: one is not what was written.
    """
    return _select(conn, "rank = ? AND id > ? ORDER BY id LIMIT ?", (rank, after, limit))


def fetch_newest(conn: sqlite3.Connection, rank: int, without: Collection[int], limit: int) -> list[Row]:
    """Messages of a rank, newest first, but for those `without`."""
    found = conn.execute("SELECT id FROM message WHERE rank = ? ORDER BY id DESC LIMIT ?", (rank, limit + len(without)))
    wanted = [number for (number,) in found.fetchall() if number not in without][:limit]
    return [row for number in wanted for row in fetch_one(conn, number)]


def fetch_one(conn: sqlite3.Connection, number: int) -> list[Row]:
    """The message in one place, or none."""
    return _select(conn, "id = ?", (number,))


def _select(conn: sqlite3.Connection, where: str, values: tuple[int, ...]) -> list[Row]:
    found = conn.execute(f"SELECT {COLUMNS} FROM message WHERE {where}", values)  # noqa: S608 - constants of this module
    return [check(Row(*row)) for row in found]


@contextmanager
def transaction(conn: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing, and on disk at the end."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield conn
        conn.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            conn.execute("ROLLBACK")
        raise
