"""A batch into the database, exactly once: what was stored before is filtered, what can't be stored is singled out."""

import logging
import random
import struct
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from events import BadMessage
from events.health import Health
from events.incident import Incident
from events.pack import Pack
from events.status import LAST_WORD, Status
from ingest.catalogue import Catalogue
from ingest.clock import Heard
from ingest.item import Item, is_foreign, lay_out
from ingest.outcome import Outcome, settle_accounts
from ingest.write import SeenBeforeError, Written, received_at, write
from storage import incidents, ledger, registry, rejected
from storage.connect import is_conflict, is_refusal
from storage.ledger import Range
from storage.status import ReceivedStatus, apply_status

log: Final = logging.getLogger(__name__)

MAX_ATTEMPTS: Final = 100  # each is lost to another process that stored some of the batch meanwhile
MARGIN: Final = timedelta(hours=1)  # what was sent before the durable session heard it may still be on its way


class Store:
    """One database connection's way in."""

    def __init__(self, conn: psycopg.Connection, *, durable: bool = False) -> None:
        self._conn = conn
        self._durable = durable
        self._catalogue = Catalogue(conn)
        self._expect_duplicates = False

    def store(self, items: Sequence[Item]) -> Outcome:
        """Store `items`; when this returns, they are committed or known to be.

        Raises:
            psycopg.Error: the database is away, or in no state to take anything. Some may be stored: try all again.
        """
        lay_out(items)
        outcome = Outcome()
        said = [item for item in items if isinstance(item.body, Status)]
        statuses = _not_overtaken(said)
        others = [item for item in items if not isinstance(item.body, Status)]
        unique = [item for item in _first_of_each(others) if not self._comes_elsewhere(item)]
        outcome.duplicates = len(others) - len(unique) + len(said) - len(statuses)
        if unique:
            outcome.add(self._settle(unique))
        for item in statuses:
            outcome.add(self._settle([item]))
        return outcome

    def replay(self, item: Item, kept_id: int) -> BadMessage | None:
        """Store a rejected message past the ledger, which counts it already, and take it out of `rejected`.

        Return what is still wrong with it, or None.

        Raises:
            psycopg.Error: the database is away; the message stays where it was.
        """
        lay_out([item])
        item.ledgered = False
        try:
            self._catalogue.learn([item])
            if item.bad is not None:
                return item.bad
            with self._conn.transaction():
                if rejected.remove(self._conn, kept_id):
                    self._write_again(item)
        except (psycopg.Error, OverflowError, struct.error) as error:
            if isinstance(error, psycopg.Error) and not is_refusal(error):
                raise
            return BadMessage("refused", str(error))
        return None

    def _write_again(self, item: Item) -> None:
        if isinstance(item.body, Status):
            self._commit_status(item, item.body)
        else:
            write(self._conn, [item], self._catalogue)

    def touch(self, heard: Sequence[Heard]) -> None:
        """Note when devices were last heard; asks the database in any case, so that its absence is noticed.

        Raises:
            psycopg.Error: the database is away.
        """
        ids = registry.ensure_devices(self._conn, [of.device for of in heard])
        registry.touch(
            self._conn,
            [registry.Seen(ids[of.device], datetime.fromtimestamp(of.at, UTC), of.offset_s) for of in heard],
        )

    def _comes_elsewhere(self, item: Item) -> bool:
        """Whether the durable lane has it too, and nothing in it would tell the copy."""
        if self._durable or not is_foreign(item) or not isinstance(item.body, Pack):
            return False
        heard = self._catalogue.heard_since(item.device)
        return heard is not None and received_at(item) - heard > MARGIN and not item.body.has_absolute_time

    def _settle(self, items: Sequence[Item]) -> Outcome:
        """Store `items`; of those that PostgreSQL refuses, keep the culprits as rejected."""
        try:
            return self._commit_in_the_end(items)
        except (psycopg.Error, OverflowError, struct.error) as error:
            if isinstance(error, psycopg.Error) and not is_refusal(error):
                raise
            if len(items) == 1 and items[0].bad is not None:
                raise
            refusal = error
        if len(items) == 1:
            items[0].bad = BadMessage("refused", str(refusal))
            return self._commit_in_the_end(items)
        outcome = self._settle(items[: len(items) // 2])
        outcome.add(self._settle(items[len(items) // 2 :]))
        return outcome

    def _commit_in_the_end(self, items: Sequence[Item]) -> Outcome:
        """Commit, again as often as another transaction stands in the way: each deadlock has a winner."""
        while True:
            try:
                return self._commit(items)
            except psycopg.Error as error:
                if not is_conflict(error):
                    raise
                log.info("again sqlstate=%s messages=%d", error.sqlstate, len(items))
            time.sleep(random.uniform(0.001, 0.05))  # noqa: S311 - so that two don't meet again

    def _commit(self, items: Sequence[Item]) -> Outcome:
        self._catalogue.learn(items)
        if len(items) == 1 and isinstance(items[0].body, Status) and items[0].bad is None:
            return self._commit_status(items[0], items[0].body)
        self._refuse_intruders(items)
        known: dict[str, list[Range]] = {}
        fresh = items
        for attempt in range(MAX_ATTEMPTS):
            if attempt or self._expect_duplicates:
                fresh, known = self._filter(items)
                self._expect_duplicates = len(fresh) < len(items)
            written = self._transact(fresh)
            if written is not None:
                return settle_accounts(items, fresh, known, written)
        raise RuntimeError(f"the ledger refused a batch of {len(items)} messages {MAX_ATTEMPTS} times: report this")

    def _refuse_intruders(self, items: Sequence[Item]) -> None:
        """An incident belongs to the device that first told of it."""
        told = [(item, item.body.id) for item in items if isinstance(item.body, Incident | Health)]
        owners = incidents.owners(self._conn, [id_ for _, id_ in told]) if told else {}
        for item, id_ in told:
            if owners.get(id_, device := self._catalogue.device_id(item.device)) != device:
                item.bad = item.bad or BadMessage("owner", f"{id_} belongs to another device")

    def _commit_status(self, item: Item, status: Status) -> Outcome:
        device_id = self._catalogue.device_id(item.device)
        if not apply_status(self._conn, ReceivedStatus(device_id, received_at(item), status)):
            return Outcome(duplicates=1)
        return Outcome(acks={item.device: ledger.accounted(self._conn, device_id)}, stored=1)

    def _transact(self, items: Sequence[Item]) -> Written | None:
        """One transaction; None where the ledger had one of the numbers."""
        try:
            with self._conn.transaction():
                written = write(self._conn, items, self._catalogue)
        except SeenBeforeError:  # also where the server went away before the rollback: the next question finds out
            return None
        if written.latest is not None:
            self._catalogue.series.past.keep(written.latest)
        return written

    def _filter(self, items: Sequence[Item]) -> tuple[list[Item], dict[str, list[Range]]]:
        """Ask the ledger; return what is new, and what is accounted for of all streams. Intruders become bad."""
        streams = {item.id.stream for item in items if item.id}
        self._catalogue.forget_streams(streams)
        self._catalogue.learn(items)
        held = ledger.held(self._conn, streams)
        fresh: list[Item] = []
        for item in items:
            if item.id is None or not item.device or not item.ledgered:
                fresh.append(item)
                continue
            stream = held[item.id.stream]
            if stream.device_id != self._catalogue.device_id(item.device):
                item.disowned = True
                item.bad = BadMessage("stream", f"stream {item.id.stream} belongs to another device")
                fresh.append(item)
            elif not stream.has(item.id.seq):
                fresh.append(item)
        return fresh, {stream: of.accounted for stream, of in held.items()}


def _first_of_each(items: Sequence[Item]) -> list[Item]:
    """Leave out numbers that come twice in one batch."""
    seen: set[tuple[str, object]] = set()
    first: list[Item] = []
    for item in items:
        key = (item.device, item.id)
        if item.id is not None:
            if key in seen:
                continue
            seen.add(key)
        first.append(item)
    return first


def _not_overtaken(statuses: Sequence[Item]) -> list[Item]:
    """Leave out what a device has said anew since, on the same connection; a last will says less: it overtakes none."""
    newest: dict[tuple[str, int], int] = {}
    for item in statuses:
        if isinstance(item.body, Status) and item.body.n != LAST_WORD:
            key = (item.device, item.body.connection)
            newest[key] = max(item.body.n, newest.get(key, 0))
    return [
        item
        for item in statuses
        if isinstance(item.body, Status) and item.body.n >= newest.get((item.device, item.body.connection), 0)
    ]
