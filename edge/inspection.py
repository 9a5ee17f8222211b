"""What an outbox holds, seen from outside while its agent runs or not. Changes nothing."""

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from edge import boxfile
from events.status import Range

KINDS = """
SELECT kind, count(*), sum(size), min(nullif(created, 0)), max(created) FROM message GROUP BY kind ORDER BY min(rank)
"""
STREAMS = """
SELECT stream.id, stream.kind, stream.last, stream.done, (SELECT count(*) FROM message WHERE stream = stream.id)
FROM stream ORDER BY stream.id
"""


class Unreadable(RuntimeError):
    """It is no outbox, or a torn one; the message says which and what to do."""


class KindDepth(msgspec.Struct, frozen=True):
    """How much of one kind waits."""

    kind: str
    messages: int
    bytes: int
    oldest: datetime | None
    newest: datetime | None


class StreamDepth(msgspec.Struct, frozen=True):
    """One kind of message from one run: how far it has come."""

    stream: str
    kind: str
    last: int  # numbered up to here
    done: int  # all up to here are accounted for in the database
    waiting: int  # on disk


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """The whole outbox."""

    path: str
    agent_running: bool
    budget: int | None  # bytes; None: not known without the agent's file
    messages: int
    bytes: int
    file_bytes: int  # on disk, with its log
    kinds: tuple[KindDepth, ...]
    streams: tuple[StreamDepth, ...]
    given_up: tuple[Range, ...]  # and not yet confirmed
    torn: tuple[str, ...]  # files set aside


def inspect(path: Path, budget: int | None) -> Inspection:
    """Look into the outbox at `path`.

    Raises:
        Unreadable: there is none, or it can't be read.
    """
    if not path.exists():
        raise Unreadable(f"{path}: no such outbox; name the agent's YAML file, or the outbox.db in its folder")
    try:
        with _reading(path) as conn:
            kinds = tuple(_kind(*row) for row in conn.execute(KINDS))
            streams = tuple(StreamDepth(*row) for row in conn.execute(STREAMS))
            given_up = boxfile.load_given_up(conn)
    except sqlite3.DatabaseError as error:
        raise Unreadable(f"{path}: {error}; an agent that starts on it sets it aside and saves what it can") from error
    return Inspection(
        path=str(path),
        agent_running=_is_locked(path.with_suffix(".lock")),
        budget=budget,
        messages=sum(kind.messages for kind in kinds),
        bytes=sum(kind.bytes for kind in kinds),
        file_bytes=sum(file.stat().st_size for file in path.parent.glob(f"{path.name}*") if ".torn-" not in file.name),
        kinds=kinds,
        streams=streams,
        given_up=tuple(
            Range(stream=stream, first=first, last=last, reason=reason)
            for (stream, reason), spans in given_up.items()
            for first, last in spans
        ),
        torn=tuple(sorted(str(file) for file in path.parent.glob(f"{path.name}.torn-*") if file.suffix[-4:] != "-wal")),
    )


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(boxfile.connect_to_read(path)) as conn:
        conn.execute("BEGIN")
        yield conn


def _kind(kind: str, messages: int, size: int, oldest: int | None, newest: int) -> KindDepth:
    return KindDepth(kind, messages, size, _time(oldest), _time(newest))


def _time(milliseconds: Any) -> datetime | None:
    return datetime.fromtimestamp(milliseconds / 1000, UTC) if milliseconds else None


def _is_locked(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
