"""Devices that number nothing: the broker keeps for us what they send, in one session that one process at a time owns.

Whoever holds an advisory lock in the database leads. Its session subscribes to each such device by name, so that what
our own agents send does not come twice; a process that leads after it finds the same session.
"""

import logging
import random
from collections.abc import Callable, Sequence
from threading import Event, Thread
from typing import Final

import psycopg

from events.topic import UP, subscription
from ingest.consumer import BrokerAddress, Subscription
from ingest.foreigners import Foreigners
from ingest.inbox import Limits
from ingest.item import UNNUMBERED_KINDS
from ingest.lane import Lane, Plan
from ingest.metrics import Metrics
from storage import registry
from storage.city import city_value
from storage.connect import connect

log: Final = logging.getLogger(__name__)

CLIENT_ID: Final = "ngatu-ingest-durable"
PERIOD: Final = 2.0  # seconds between looks at who leads and whom to hear
PLAN: Final = Plan(
    name="durable",
    subscription=Subscription(client_id=CLIENT_ID, filters=(), receive_maximum=500, durable=True),
    limits=Limits(messages=500, payload_bytes=4 * 1024 * 1024, flush_s=0.05),
    durable=True,
)


class Durable:
    """Leads, or waits to lead, from `start` until `stop`."""

    def __init__(self, dsn: str, broker: BrokerAddress, metrics: Metrics, fail: Callable[[], None]) -> None:
        self._dsn = dsn
        self._broker = broker
        self._metrics = metrics
        self._fail = fail
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="durable-lead")

    def start(self) -> None:
        """Begin to stand for election."""
        self._thread.start()

    def stop(self) -> None:
        """Resign; the broker keeps what comes."""
        self._stopping.set()
        self._thread.join()

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    self._stand()
                except psycopg.Error as error:
                    log.warning("database away lane=durable error=%r", str(error).strip().partition("\n")[0])
                self._stopping.wait(PERIOD * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
        except BaseException:
            log.exception("lane=durable failed")
            self._fail()
            raise

    def _stand(self) -> None:
        """Lead for as long as the lock is ours; return or raise once it is not."""
        with connect(self._dsn, application="ngatu ingest durable lead") as conn:
            while not registry.lead_durable(conn):
                if self._stopping.wait(PERIOD * random.uniform(0.5, 1.5)):  # noqa: S311 - jitter
                    return
            log.info("leads lane=durable")
            lane = self._lane(PLAN)
            lane.start()
            foreigners = Foreigners(self._lane)
            try:
                while not self._stopping.is_set():
                    self._hear(conn, lane)
                    foreigners.follow(city_value(conn, "adapters"))
                    self._stopping.wait(PERIOD)
            finally:
                foreigners.stop()
                lane.stop()

    def _lane(self, plan: Plan) -> Lane:
        return Lane(plan, self._dsn, self._broker, self._metrics, self._fail)

    def _hear(self, conn: psycopg.Connection, lane: Lane) -> None:
        """Subscribe to devices that turned up, and note those that are heard by now."""
        devices = registry.unnumbered(conn)
        heard = lane.listen(sorted({name for device in devices for name in filters(device.name)}))
        new = [device.id for device in devices if not device.heard and heard.issuperset(filters(device.name))]
        if new:
            registry.mark_heard(conn, new)


def filters(device: str) -> Sequence[str]:
    """What to subscribe to for one device."""
    return [subscription(kind, device) for kind in UP if kind not in UNNUMBERED_KINDS]
