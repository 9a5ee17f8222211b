"""Out of a torn outbox whatever can still be read, page by page, without SQLite's help.

Every row carries a checksum, so a page may be tried wherever it is found: in the file, in its write-ahead log, even
in a page that is no longer in use. A row that turns up although it was stored long ago is recognised by its number.
File format: https://www.sqlite.org/fileformat2.html, sections 1.6 (b-tree pages), 2.1 (records), 4 (WAL).
"""

import logging
import sqlite3
import struct
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from edge import announced, boxfile, ranges
from edge.boxfile import PAGE, GivenUp, Row, Stream, Torn
from edge.outgoing import RANKS
from events.envelope import ID

log = logging.getLogger(__name__)

LEAF: Final = 0x0D
WAL_HEADER: Final = 32
FRAME_HEADER: Final = 24
LOCAL: Final = PAGE - 35  # a record up to this long stays on its page
LEAST: Final = (PAGE - 12) * 32 // 255 - 23

Value = int | float | str | bytes | None


@dataclass(slots=True)
class Salvaged:
    """What was found."""

    rows: dict[tuple[str, int], Row] = field(default_factory=dict)
    streams: dict[str, Stream] = field(default_factory=dict)
    given_up: GivenUp = field(default_factory=dict)
    notes: dict[str, tuple[int, str]] = field(default_factory=dict)


def opened(path: Path, budget: int) -> sqlite3.Connection:
    """Open an outbox's file, or make it; a torn one is replaced by what can be read of it.

    Raises:
        OSError: the place can't be read or written.
    """
    wal_path = path.with_name(f"{path.name}-wal")
    wal = wal_path.read_bytes() if wal_path.exists() else b""
    try:
        return _whole(path, budget, wal)
    except (sqlite3.DatabaseError, Torn) as error:
        if isinstance(error, sqlite3.OperationalError) and not _damaged(error):
            raise OSError(f"{path}: {error}") from error
        log.error("outbox path=%s torn=%s: set aside, taking over what can be read", path, error)  # noqa: TRY400 - a line, not a trace
        if wal:
            wal_path.write_bytes(wal)  # SQLite throws away what it cannot use
        return salvaged(path, budget)


def _damaged(error: sqlite3.OperationalError) -> bool:
    """A torn file can also look like one of another schema, or one that can't be read to its end."""
    elsewhere = {"BUSY", "LOCKED", "FULL", "READONLY", "PERM", "CANTOPEN"}
    return error.sqlite_errorname.split("_")[1] not in elsewhere


def _whole(path: Path, budget: int, wal: bytes) -> sqlite3.Connection:
    """Open and read everything once.

    Raises:
        Torn: something is damaged, or missing.
        sqlite3.DatabaseError: the same, in SQLite's words.
    """
    told = announced.read(path).streams
    conn = boxfile.connect(path, budget)
    try:
        _check_not_emptied(conn, was_used=bool(wal or told))
        boxfile.make(conn)
        boxfile.verify(conn)
        _check_complete(conn, wal, told)
    except BaseException:
        conn.close()
        raise
    return conn


def _check_not_emptied(conn: sqlite3.Connection, *, was_used: bool) -> None:
    if was_used and boxfile.version(conn) == 0:
        raise Torn("it is empty, and was not")


def _check_complete(conn: sqlite3.Connection, wal: bytes, told: dict[str, tuple[str, int, int]]) -> None:
    if _commits_behind(wal, boxfile.frames(conn)):
        raise Torn("its log breaks off before its end")
    streams = boxfile.load_streams(conn)
    for name, (_, last, _) in told.items():
        if name not in streams or streams[name].last < last:
            raise Torn(f"stream {name} was told up to {last}, and is missing or shorter")


def _commits_behind(wal: bytes, good: int) -> bool:
    """Whether the log holds a committed transaction behind the `good` frames that SQLite could use."""
    salts = wal[16:24]
    for at in range(WAL_HEADER + good * (PAGE + FRAME_HEADER), len(wal) - FRAME_HEADER + 1, PAGE + FRAME_HEADER):
        commits = wal[at + 4 : at + 8] != bytes(4)
        if commits and (good == 0 or wal[at + 8 : at + 16] == salts):
            return True
    return False


def salvaged(path: Path, budget: int) -> sqlite3.Connection:
    """Set the torn file aside, make a new one, and take over what can be read.

    What is known to be missing is reported as given up, reason `torn`.
    """
    aside = _set_aside(path)
    found = read(aside)
    missing = _missing(found, announced.read(path))
    conn = boxfile.connect(path, budget)
    boxfile.make(conn)
    with boxfile.transaction(conn):
        ordered = sorted(found.rows.values(), key=lambda row: row.id)
        conn.executemany(boxfile.INSERT, [row._replace(id=number) for number, row in enumerate(ordered, start=1)])
        boxfile.save_streams(conn, found.streams)
        boxfile.save_given_up(conn, {name for name, _ in found.given_up}, found.given_up)
        boxfile.save_notes(conn, {key: value for key, (_, value) in sorted(found.notes.items(), key=_by_rev)})
    log.warning(
        "salvaged messages=%d streams=%d missing=%d kept=%s", len(found.rows), len(found.streams), missing, aside
    )
    return conn


def _by_rev(note: tuple[str, tuple[int, str]]) -> int:
    return note[1][0]


def _missing(found: Salvaged, told: announced.Announced) -> int:
    """Give up all that was numbered and neither stored for certain nor found; return how many."""
    for name, (kind, last, done) in told.streams.items():
        stream = found.streams.setdefault(name, Stream(kind))
        stream.last = max(stream.last, last)
        if done > stream.done:
            stream.acked = [(1, done)]
    for (name, seq), row in list(found.rows.items()):
        stream = found.streams.setdefault(name, Stream(row.kind))
        stream.last = max(stream.last, seq)
        if seq <= stream.done:
            del found.rows[name, seq]
    count = 0
    for name, stream in found.streams.items():
        known = [(seq, seq) for other, seq in found.rows if other == name]
        known += [span for (other, _), spans in found.given_up.items() if other == name for span in spans]
        gone = ranges.subtract([(stream.done + 1, stream.last)], ranges.normal(known))
        if gone:
            found.given_up[name, "torn"] = ranges.normal([*found.given_up.get((name, "torn"), []), *gone])
            count += sum(last - first + 1 for first, last in gone)
    return count


def _set_aside(path: Path) -> Path:
    """Rename the file and its log; only the last torn one is kept."""
    aside = path.with_name(f"{path.name}.torn-{time.time_ns()}")
    for old in path.parent.glob(f"{path.name}.torn-*"):
        old.unlink()
    if path.exists():
        path.rename(aside)
    with suppress(FileNotFoundError):
        path.with_name(f"{path.name}-wal").rename(f"{aside}-wal")
    path.with_name(f"{path.name}-shm").unlink(missing_ok=True)
    return aside


def read(path: Path) -> Salvaged:
    """Everything in `path` and its log that matches its checksum."""
    main = _pages(path.read_bytes() if path.exists() else b"", 0, 0)
    wal_path = path.with_name(f"{path.name}-wal")
    wal = wal_path.read_bytes() if wal_path.exists() else b""
    frames = _pages(wal, WAL_HEADER, FRAME_HEADER)
    overlaid = dict(enumerate(main, start=1))
    for index, page in enumerate(frames):
        overlaid[struct.unpack_from(">I", wal, WAL_HEADER + index * (PAGE + FRAME_HEADER))[0]] = page
    found = Salvaged()
    plain = dict(enumerate(main, start=1))
    for page in (*main, *frames):
        for pages in (overlaid, plain):
            for record in _records(page, pages):
                _take(found, record)
    return found


def _pages(data: bytes, header: int, frame: int) -> list[memoryview]:
    view = memoryview(data)
    return [view[at + frame : at + frame + PAGE] for at in range(header, len(data) - frame - PAGE + 1, PAGE + frame)]


def _records(page: memoryview, pages: dict[int, memoryview]) -> Iterator[tuple[int, list[Value]]]:
    """Row id and values of each cell of a table leaf that can be read."""
    start = 100 if bytes(page[:6]) == b"SQLite" else 0
    if page[start] != LEAF:
        return
    cells = struct.unpack_from(">H", page, start + 3)[0]
    for index in range(min(cells, PAGE // 4)):
        with suppress(IndexError, struct.error, UnicodeDecodeError, ValueError, OverflowError):
            offset = struct.unpack_from(">H", page, start + 8 + 2 * index)[0]
            length, at = _varint(page, offset)
            rowid, at = _varint(page, at)
            yield rowid, _values(_payload(page, at, length, pages))


def _payload(page: memoryview, at: int, length: int, pages: dict[int, memoryview]) -> bytes:
    if length <= LOCAL:
        return bytes(page[at : at + length])
    local = LEAST + (length - LEAST) % (PAGE - 4)
    local = local if local <= LOCAL else LEAST
    parts = [bytes(page[at : at + local])]
    follow = struct.unpack_from(">I", page, at + local)[0]
    left = length - local
    while left > 0:
        overflow = pages.get(follow)
        if overflow is None:
            raise ValueError("an overflow page is missing")
        parts.append(bytes(overflow[4 : 4 + min(left, PAGE - 4)]))
        left -= PAGE - 4
        follow = struct.unpack_from(">I", overflow, 0)[0]
    return b"".join(parts)


def _varint(data: memoryview | bytes, at: int) -> tuple[int, int]:
    value = 0
    for index in range(8):
        byte = data[at + index]
        value = value << 7 | byte & 0x7F
        if byte < 0x80:
            return value, at + index + 1
    return value << 8 | data[at + 8], at + 9


def _values(record: bytes) -> list[Value]:
    size, at = _varint(record, 0)
    values: list[Value] = []
    body = size
    while at < size:
        kind, at = _varint(record, at)
        value, width = _value(record, body, kind)
        values.append(value)
        body += width
    if body != len(record):
        raise ValueError("a record of another length")
    return values


def _value(record: bytes, at: int, kind: int) -> tuple[Value, int]:
    if kind == 0:
        return None, 0
    if kind <= 6:
        width = (1, 2, 3, 4, 6, 8)[kind - 1]
        return int.from_bytes(record[at : at + width], "big", signed=True), width
    if kind in {8, 9}:
        return kind - 8, 0
    if kind < 12:
        raise ValueError(f"serial type {kind}")
    width = (kind - 12) // 2
    data = record[at : at + width]
    return (data.decode() if kind % 2 else data), width


def _take(found: Salvaged, record: tuple[int, list[Value]]) -> None:
    """Keep a record whose checksum says that it is one of ours."""
    rowid, values = record
    match values:
        case [None, int(), int(rank), str(stream), int(seq), *_] if len(values) == 12 and rank in RANKS:
            row = Row._make((rowid, *values[1:]))
            if isinstance(row.payload, bytes) and boxfile.row_crc(row) == row.crc and ID.fullmatch(f"{stream}:{seq}"):
                found.rows[stream, seq] = row
        case [str(name), str(kind), int(last), int(done), int(crc)]:
            if crc == boxfile.checksum("stream", name, kind, last, done):
                _take_stream(found, name, kind, last, done)
        case [str(name), int(first), int(last), str(reason), int(crc)]:
            if crc == boxfile.checksum("given_up", name, first, last, reason):
                key = (name, boxfile.REASONS[reason])
                spans = found.given_up.get(key, [])
                found.given_up[key] = ranges.normal([*spans, (first, last)])
        case [str(key), str(value), int(rev), int(crc)]:
            if crc == boxfile.checksum("note", key, value, rev) and rev > found.notes.get(key, (0, ""))[0]:
                found.notes[key] = (rev, value)


def _take_stream(found: Salvaged, name: str, kind: str, last: int, done: int) -> None:
    stream = found.streams.setdefault(name, Stream(kind))
    stream.last = max(stream.last, last)
    if done > stream.done:
        stream.acked = [(1, done)]
