"""A lane: an MQTT connection, a database connection, and the thread between them. Lanes don't wait for each other."""

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event, Thread
from typing import Final

import psycopg

from events.evidence import Evidence
from events.fact import to_json
from events.incident import Incident
from events.topic import Topic
from ingest.adapters.told import AskAgain
from ingest.clock import Clocks
from ingest.consumer import BrokerAddress, Consumer, Subscription
from ingest.inbox import Inbox, Limits
from ingest.item import Arrival, Item, understand
from ingest.metrics import Metrics
from ingest.outcome import Acks, Outcome
from ingest.store import Store
from storage.connect import connect, is_absence, is_conflict

log: Final = logging.getLogger(__name__)

MAX_WAITING: Final = 128 * 1024 * 1024  # bytes of payload that may wait for the database in one lane
HOUSEKEEPING: Final = 5.0  # seconds
LOGGED: Final = 5  # rejected messages of one batch that get a line of their own
FIRST_DELAY: Final = 0.1  # seconds before the second attempt to reach the database; doubles
LONGEST_DELAY: Final = 1.0  # seconds: alerts wait for it once the database is back


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a lane carries, and in what portions."""

    name: str
    subscription: Subscription
    limits: Limits
    durable: bool = False  # what devices that number nothing send comes here, and need not be stored elsewhere
    adapt: Callable[[Arrival], Item | None] | None = None  # what reads it, where not our contract; its None: pass over


class Lane:
    """Runs from `start` until `stop`; `fail` is called if one of its threads ends otherwise."""

    def __init__(self, plan: Plan, dsn: str, broker: BrokerAddress, metrics: Metrics, fail: Callable[[], None]) -> None:
        self.plan = plan
        self._dsn = dsn
        self._metrics = metrics
        self._fail = fail
        self._stopping = Event()
        self._inbox = Inbox(plan.limits)
        self._clocks = Clocks()
        self._consumer = Consumer(broker, plan.subscription, self._receive)
        self._thread = Thread(target=self._run, name=plan.name)
        self._conn: psycopg.Connection | None = None
        self._store: Store | None = None
        self._next_housekeeping = 0.0

    @property
    def ailment(self) -> str | None:
        """What keeps the lane from working, for /healthz; None: nothing."""
        if not self._thread.is_alive():
            return "its thread has ended"
        if not self._consumer.connected:
            return "the broker is away"
        return None if self._conn is not None else "the database is away"

    def start(self) -> None:
        """Begin to receive and store."""
        self._thread.start()
        self._consumer.start()

    def stop(self) -> None:
        """Finish the batch at hand, acknowledge it, and end."""
        self._stopping.set()
        self._thread.join()
        self._consumer.stop()

    def listen(self, filters: Sequence[str]) -> frozenset[str]:
        """Hear these filters too; return all that the broker has agreed to by now."""
        return self._consumer.listen(filters)

    def _receive(self, arrivals: Sequence[Arrival]) -> None:
        try:
            adapt = self.plan.adapt
            items = self._keep(
                self._adapted(arrivals, adapt) if adapt else [understand(arrival) for arrival in arrivals]
            )
            if urgent := [item for item in items if _is_urgent(item)]:
                self._inbox.put(urgent, first=True)
            if usual := [item for item in items if not _is_urgent(item)]:
                self._inbox.put(usual)
        except BaseException:
            log.exception("lane=%s failed to receive", self.plan.name)
            self._fail()
            raise

    def _adapted(self, arrivals: Sequence[Arrival], adapt: Callable[[Arrival], Item | None]) -> Sequence[Item]:
        items = [adapt(arrival) for arrival in arrivals]
        self._consumer.acknowledge(a.token for a, item in zip(arrivals, items, strict=True) if item is None)
        for item in items:
            if item and isinstance(item.bad, AskAgain):
                self._consumer.publish(item.bad.topic, item.bad.payload)
        return [item for item in items if item]

    def _keep(self, items: Sequence[Item]) -> Sequence[Item]:
        """Let go, where too much waits, of what its sender will send again; return the rest."""
        waiting = self._inbox.payload_bytes
        if self.plan.durable or waiting + sum(len(item.arrival.payload) for item in items) <= MAX_WAITING:
            return items
        kept: list[Item] = []
        for item in items:
            if item.id is None or waiting <= MAX_WAITING:
                waiting += len(item.arrival.payload)
                kept.append(item)
            else:
                self._consumer.acknowledge([item.arrival.token])  # to the broker only
                self._metrics.shed.labels(self.plan.name).inc()
        return kept

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                self._turn()
        except BaseException:
            log.exception("lane=%s failed", self.plan.name)
            self._fail()
            raise
        finally:
            self._drop_connection()

    def _turn(self) -> None:
        items = self._inbox.take(timeout=0.2)
        if items:
            started = time.monotonic()
            outcome = self._store_until_done(items)
            if outcome is None:
                return
            self._consumer.acknowledge(item.arrival.token for item in items)
            self._publish(outcome.acks)
            self._account(items, outcome, time.monotonic() - started)
        if time.monotonic() >= self._next_housekeeping:
            self._next_housekeeping = time.monotonic() + HOUSEKEEPING
            self._keep_house()

    def _store_until_done(self, items: Sequence[Item]) -> Outcome | None:
        """Store `items` however long the database is away; None where we are told to stop first."""
        delay = FIRST_DELAY
        while not self._stopping.is_set():
            try:
                return self._connected().store(items)
            except psycopg.Error as error:
                level = logging.WARNING if is_absence(error) else logging.ERROR
                reason = str(error).strip().partition("\n")[0]
                log.log(
                    level,
                    "database away lane=%s waiting=%d retry_s=%.2f sqlstate=%s error=%r",
                    *(self.plan.name, len(self._inbox) + len(items), delay, error.sqlstate, reason),
                )
                self._drop_connection()
            self._stopping.wait(delay * random.uniform(0.5, 1.0))  # noqa: S311 - jitter: not all lanes at once
            delay = min(delay * 2, LONGEST_DELAY)
        return None

    def _connected(self) -> Store:
        if self._store is None:
            self._conn = connect(self._dsn, application=f"ngatu ingest {self.plan.name}")
            self._store = Store(self._conn, durable=self.plan.durable)
            self._metrics.database_up.labels(self.plan.name).set(1)
        return self._store

    def _drop_connection(self) -> None:
        conn, self._conn, self._store = self._conn, None, None
        self._metrics.database_up.labels(self.plan.name).set(0)
        if conn is not None:
            conn.close()

    def _publish(self, acks: Acks) -> None:
        self._consumer.publish_retained(
            (str(Topic(device, "ack")), to_json(streams)) for device, streams in acks.items()
        )

    def _account(self, items: Sequence[Item], outcome: Outcome, seconds: float) -> None:
        name, metrics = self.plan.name, self._metrics
        metrics.count(name, outcome)
        metrics.batch_messages.labels(name).observe(len(items))
        metrics.store_seconds.labels(name).observe(seconds)
        metrics.lag_seconds.labels(name).observe(max(0.0, time.time() - items[0].arrival.at))
        self._clocks.note(items)
        for item in outcome.rejected[:LOGGED]:
            assert item.bad is not None
            log.warning(
                "rejected device=%s topic=%s id=%s reason=%s detail=%r",
                *(item.device, item.arrival.topic, item.id, item.bad.reason, item.bad.detail),
            )
        if len(outcome.rejected) > LOGGED:
            log.warning("rejected lane=%s more=%d", name, len(outcome.rejected) - LOGGED)

    def _keep_house(self) -> None:
        name = self.plan.name
        self._metrics.queued.labels(name).set(len(self._inbox))
        self._metrics.broker_up.labels(name).set(self._consumer.connected)
        try:
            self._connected().touch(self._clocks.report())
        except psycopg.Error as error:
            if is_conflict(error):  # another process has just done the same
                return
            log.warning("database away lane=%s error=%r", name, str(error).strip().partition("\n")[0])
            self._drop_connection()


def _is_urgent(item: Item) -> bool:
    """Incidents don't wait behind what devices tell of themselves, nor stills behind clips."""
    return isinstance(item.body, Incident) or (isinstance(item.body, Evidence) and item.body.role == "still")
