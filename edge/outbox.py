"""What was measured and seen, on disk, until the database says that it holds it.

Messages are numbered per stream: one kind of message from one run of the agent. A new run makes new streams, so that
a restored or torn file can never give an old number to a new message.
"""

import fcntl
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from threading import Condition, RLock, Thread
from typing import Final

from ulid import ULID

from edge import announced, boxfile, clock, ranges
from edge.boxfile import GivenUp, Row, Stream, Torn
from edge.eviction import evict
from edge.outgoing import URGENT, Outgoing
from edge.salvage import opened, salvaged
from edge.work import Work
from events.envelope import MessageId
from events.message import MAX_BYTES
from events.status import Range, Reason

log = logging.getLogger(__name__)

GROUP_S: Final = 0.1  # readings wait this long for others, to be committed together
LAZY_S: Final = 0.5  # what was stored is deleted this much later, together with whatever else there is to write
PENDING_BYTES: Final = 16 * 1024 * 1024  # held in memory while the disk takes nothing
MIN_BUDGET: Final = 100_000


class OutboxBusy(RuntimeError):
    """Another agent uses the same outbox."""


@dataclass(frozen=True, slots=True)
class Depth:
    """How much waits."""

    messages: int
    bytes: int
    budget: int
    oldest: datetime | None  # when the oldest of them was made; None: nothing waits, or its clock was not set


class Outbox:
    """Safe to use from any thread.

    `on_commit` is called (from any thread) whenever there may be something new to send. `generation` grows when the
    file was torn while in use and mended: places in it (`Row.id`) that were known before mean nothing any more.
    """

    def __init__(self, path: Path, budget: int) -> None:
        """Open `path`, or make it. A damaged file is set aside and what can be read of it is taken over.

        Args:
            path: the file; SQLite keeps two others beside it.
            budget: bytes that messages may take.

        Raises:
            OutboxBusy: another process has it open.
            OSError: the folder can't be written to.
        """
        self.path = path
        self.budget = max(budget, MIN_BUDGET)
        self.generation = 0
        self.on_commit: Callable[[], None] = lambda: None
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock_file = _locked(path.with_suffix(".lock"))
        self._disk = RLock()  # guards the connection; taken before the memory's
        self._memory = RLock()  # guards all below
        self._wake = Condition(self._memory)
        self._mine: dict[str, str] = {}  # kind → this run's stream
        self._next_seq: dict[str, int] = {}
        self._work = Work()
        self._closing = self._failing = False
        self._conn = opened(path, self.budget)
        self._load()
        self._thread = Thread(target=self._keep_writing, name="outbox", daemon=True)
        self._thread.start()

    def _load(self) -> None:
        self._streams = boxfile.load_streams(self._conn)
        self._given_up: GivenUp = boxfile.load_given_up(self._conn)
        self._notes = boxfile.load_notes(self._conn)
        self._totals = boxfile.totals(self._conn)
        self._next_id = 1 + boxfile.last_id(self._conn)

    def put(self, outgoing: Outgoing, note: tuple[str, str | None] | None = None) -> MessageId:
        """Take a message; it is on disk within GROUP_S, or, an incident or its still, at return.

        Where the disk refuses, it is held in memory and written as soon as the disk takes it.

        Args:
            outgoing: the message.
            note: a key and value that become true together with it; None: the key is forgotten.
        """
        with self._wake:
            message_id = self._number(outgoing.kind)
            idle = not self._work.rows
            if len(outgoing.payload) > MAX_BYTES:
                self._give_up(*message_id, "too_large")
                log.error("too_large kind=%s id=%s bytes=%d", outgoing.kind, message_id, len(outgoing.payload))
            else:
                created = int((clock.wall() or 0) * 1000)
                self._work.add(boxfile.row_of(outgoing, self._next_id, *message_id, created))
                self._next_id += 1
                for row in self._work.shed(PENDING_BYTES):
                    self._give_up(row.stream, row.seq, "evicted")
            if note:
                self._note(*note)
            if idle:
                self._wake.notify_all()
        if outgoing.rank <= URGENT:
            self.commit()
        return message_id

    def commit(self) -> bool:
        """Write what there is to write; return whether the disk took it."""
        with self._disk:
            with self._memory:
                work, self._work = self._work, Work()
            if not work:
                return True
            try:
                self._write(work)
            except sqlite3.DatabaseError as error:
                with self._wake:
                    self._work = work.then(self._work)
                    self._wake.notify_all()
                if not isinstance(error, sqlite3.OperationalError):
                    self._mend(error)
                elif not self._failing:
                    log.error(  # noqa: TRY400 - a line, not a trace
                        "outbox path=%s error=%s: holding up to %d bytes in memory", self.path, error, PENDING_BYTES
                    )
                self._failing = True
                return False
            self._failing = False
        self.on_commit()
        return True

    def acknowledge(self, ack: Mapping[str, Iterable[tuple[int, int]]]) -> None:
        """Forget what the database accounts for; of streams that are not ours, nothing."""
        with self._wake:
            idle = not self._work
            for name, covered in ack.items():
                stream = self._streams.get(name)
                if stream is None:
                    continue
                last = max(stream.last, self._next_seq.get(name, 1) - 1)
                within = ranges.normal((max(first, 1), min(end, last)) for first, end in covered)
                new = ranges.subtract(within, stream.acked)
                if new:
                    stream.acked = ranges.normal([*stream.acked, *new])
                    self._work.drop(name, new)
                    self._confirm_given_up(name, new)
            if idle and self._work:
                self._wake.notify_all()

    def give_up(self, row: Row, reason: Reason) -> None:
        """Drop a message that can never be delivered, and account for it."""
        with self._wake:
            self._work.drop(row.stream, [(row.seq, row.seq)])
            self._give_up(row.stream, row.seq, reason)
            self._wake.notify_all()
        log.error(
            "given_up id=%s:%d kind=%s bytes=%d reason=%s", row.stream, row.seq, row.kind, len(row.payload), reason
        )

    def fetch(self, rank: int, after: int, limit: int) -> list[Row]:
        """Committed messages of a rank, oldest first, that stand behind `after`."""
        return self._read(lambda conn: boxfile.fetch(conn, rank, after, limit))

    def fetch_newest(self, rank: int, without: Collection[int], limit: int) -> list[Row]:
        """Committed messages of a rank, newest first, but for those `without`."""
        return self._read(lambda conn: boxfile.fetch_newest(conn, rank, without, limit))

    def fetch_one(self, number: int) -> Row | None:
        """One message by its place in the file; None where it has gone."""
        return next(iter(self._read(lambda conn: boxfile.fetch_one(conn, number))), None)

    def depth(self) -> Depth:
        """How much is on disk."""
        with self._disk:
            created = boxfile.oldest_created(self._conn)
        with self._memory:
            messages = sum(total[0] for total in self._totals.values())
            size = sum(total[1] for total in self._totals.values())
        oldest = datetime.fromtimestamp(created / 1000, UTC) if created else None
        return Depth(messages, size, self.budget, oldest)

    def streams(self) -> dict[str, int]:
        """The last number on disk, of this run's streams and of those that have unfinished business."""
        with self._memory:
            return {name: stream.last for name, stream in self._streams.items() if stream.last}

    def given_up(self, limit: int = 1000) -> tuple[Range, ...]:
        """What the database has not yet confirmed to know as given up."""
        with self._memory:
            found = (
                Range(stream=stream, first=first, last=last, reason=reason)
                for (stream, reason), spans in self._given_up.items()
                for first, last in spans
            )
            return tuple(islice(found, limit))

    def note(self, key: str) -> str | None:
        """What was last noted under `key`."""
        with self._memory:
            return self._notes.get(key)

    def notes(self, prefix: str) -> dict[str, str]:
        """All notes whose keys begin so."""
        with self._memory:
            return {key: value for key, value in self._notes.items() if key.startswith(prefix)}

    def set_note(self, key: str, value: str) -> None:
        """Note it; on disk at return, where the disk takes it."""
        with self._memory:
            self._note(key, value)
        self.commit()

    def next_connection(self) -> int:
        """A number that no earlier connection had, and on disk; milliseconds of the clock where it is set."""
        known = max(int(self.note("connection") or 0), announced.read(self.path).connection)
        number = max(known + 1, int((clock.wall() or 0) * 1000))
        self.set_note("connection", str(number))
        return number

    def keep_announced(self) -> None:
        """Keep beside the file what the database has been told, for the day when the file is torn."""
        with self._memory:
            streams = {name: (stream.kind, stream.last, stream.done) for name, stream in self._streams.items()}
            connection = int(self._notes.get("connection") or 0)
        announced.write(self.path, announced.Announced(connection=connection, streams=streams))

    def close(self) -> None:
        """Write what there is, and close."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()
        self._thread.join()
        if not self.commit():
            log.error("outbox path=%s not_written=%d", self.path, len(self._work.rows))
        with suppress(sqlite3.DatabaseError):
            self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self._conn.close()
        os.close(self._lock_file)

    def _number(self, kind: str) -> MessageId:
        stream = self._mine.get(kind)
        if stream is None:
            stream = self._mine[kind] = str(ULID())
            self._streams[stream] = Stream(kind)
            self._next_seq[stream] = 1
        seq = self._next_seq[stream]
        self._next_seq[stream] = seq + 1
        self._work.last[stream] = seq
        return MessageId(stream, seq)

    def _note(self, key: str, value: str | None) -> None:
        self._work.notes[key] = value
        if value is None:
            self._notes.pop(key, None)
        else:
            self._notes[key] = value

    def _give_up(self, stream: str, seq: int, reason: Reason) -> None:
        spans = self._given_up.setdefault((stream, reason), [])
        self._given_up[stream, reason] = ranges.normal([*spans, (seq, seq)])
        self._work.given_up.add(stream)

    def _confirm_given_up(self, name: str, covered: ranges.Ranges) -> None:
        for key in [key for key in self._given_up if key[0] == name]:
            left = ranges.subtract(self._given_up[key], covered)
            if left != self._given_up[key]:
                self._work.given_up.add(name)
                self._given_up[key] = left
            if not left:
                del self._given_up[key]

    def _write(self, work: Work) -> None:
        """One transaction; the caller holds the disk. Memory follows when it is committed."""
        with self._memory:
            totals = {rank: list(total) for rank, total in self._totals.items()}
            given_up = dict(self._given_up)
            changed = {name: self._streams[name] for name in work.touched() if name in self._streams}
            progress = {
                name: Stream(stream.kind, max(stream.last, work.last.get(name, 0)), stream.acked)
                for name, stream in changed.items()
            }
            finished = {name for name, stream in progress.items() if name not in self._next_seq and stream.finished}
        with boxfile.transaction(self._conn) as conn:
            boxfile.delete(conn, work.drops, totals)
            victims, rows = evict(conn, totals, work.rows, self.budget)
            boxfile.insert(conn, rows, totals)
            for stream, numbers in victims.items():
                spans = given_up.get((stream, "evicted"), [])
                given_up[stream, "evicted"] = ranges.normal([*spans, *ranges.of_numbers(numbers)])
            boxfile.save_given_up(conn, work.given_up | victims.keys(), given_up)
            boxfile.save_streams(conn, progress, finished)
            boxfile.save_notes(conn, work.notes)
        with self._memory:
            self._totals = totals
            self._apply(progress, finished, victims)
        if finished:
            self.keep_announced()

    def _apply(self, progress: dict[str, Stream], finished: set[str], victims: dict[str, list[int]]) -> None:
        for name, stream in progress.items():
            self._streams[name].last = stream.last
            if name in finished:
                del self._streams[name]
        for name, numbers in victims.items():
            spans = self._given_up.get((name, "evicted"), [])
            self._given_up[name, "evicted"] = ranges.normal([*spans, *ranges.of_numbers(numbers)])
            if name in self._streams:  # an ack may have come for it meanwhile: no other will
                self._confirm_given_up(name, self._streams[name].acked)
        if victims:
            log.warning("evicted messages=%d budget=%d", sum(map(len, victims.values())), self.budget)

    def _read(self, query: Callable[[sqlite3.Connection], list[Row]]) -> list[Row]:
        with self._disk:
            try:
                return query(self._conn)
            except sqlite3.OperationalError as error:
                log.error("outbox path=%s error=%s", self.path, error)  # noqa: TRY400 - a line, not a trace
            except (sqlite3.DatabaseError, Torn) as error:
                self._mend(error)
            return []

    def _mend(self, error: Exception) -> None:
        """The file turned out to be torn: salvage it, with what memory still knows of it."""
        log.error("outbox path=%s torn=%s: set aside, taking over what can be read", self.path, error)
        with self._disk, self._memory:
            self.keep_announced()
            streams, given_up, notes = self._streams, self._given_up, self._notes
            self._conn.close()
            self._conn = salvaged(self.path, self.budget)
            self._load()
            self._notes |= notes
            for name, stream in streams.items():
                self._streams[name] = Stream(stream.kind, max(stream.last, self._last(name)), stream.acked)
            for key, spans in given_up.items():
                self._given_up[key] = ranges.normal([*spans, *self._given_up.get(key, [])])
            self._work.renumber(self._next_id)
            self._next_id += len(self._work.rows)
            self.generation += 1

    def _last(self, name: str) -> int:
        return self._streams[name].last if name in self._streams else 0

    def _keep_writing(self) -> None:
        while True:
            with self._wake:
                while not (self._work or self._closing):
                    self._wake.wait()
                started = time.monotonic()
                while not self._closing:
                    patience = LAZY_S if self._failing or not self._work.rows else GROUP_S
                    left = started + patience - time.monotonic()
                    if left <= 0:
                        break
                    self._wake.wait(left)
                if self._closing:
                    return
            self.commit()


def _locked(path: Path) -> int:
    """Hold a lock for as long as this process lives."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(handle)
        raise OutboxBusy(f"{path}: another agent uses this outbox; end it, or give each its own folder") from error
    return handle
