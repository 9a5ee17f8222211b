"""What the process says of itself to Prometheus."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ingest.item import Item
from ingest.outcome import Outcome
from storage.readings import QUALITY_BITS

LANE: Final = ("lane",)
MAX_DEVICES: Final = 200  # named in a label; the rest are counted as `other`


class Metrics:
    """One process's counters, in a registry of their own."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        self.messages = Counter("ngatu_ingest_messages", "Messages stored.", LANE, registry=registry)
        self.readings = Counter("ngatu_ingest_readings", "Readings stored.", LANE, registry=registry)
        self.duplicates = Counter(
            "ngatu_ingest_duplicates", "Messages that were stored before.", LANE, registry=registry
        )
        self.rejected = Counter(
            "ngatu_ingest_rejected",
            "Messages that can't be stored, by reason and device.",
            ["reason", "device"],
            registry=registry,
        )
        self.discarded = Counter(
            "ngatu_ingest_discarded", "Rejected messages too many to keep.", LANE, registry=registry
        )
        self.shed = Counter(
            "ngatu_ingest_shed", "Messages let go for want of memory: senders send again.", LANE, registry=registry
        )
        self.flagged = Counter(
            "ngatu_ingest_flagged_readings", "Readings stored with a quality flag.", ["flag"], registry=registry
        )
        self.batch_messages = Histogram(
            "ngatu_ingest_batch_messages",
            "Messages a transaction.",
            LANE,
            buckets=[1, 10, 100, 500, 1000, 2000, 5000],
            registry=registry,
        )
        self.store_seconds = Histogram(
            "ngatu_ingest_store_seconds", "Time that a batch took to commit.", LANE, registry=registry
        )
        self.lag_seconds = Histogram(
            "ngatu_ingest_lag_seconds",
            "From arrival at this process to commit, oldest message of each batch.",
            LANE,
            buckets=[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300],
            registry=registry,
        )
        self.queued = Gauge(
            "ngatu_ingest_queued_messages", "Messages received and not yet stored.", LANE, registry=registry
        )
        self.broker_up = Gauge("ngatu_ingest_broker_up", "Connected to the broker.", LANE, registry=registry)
        self.database_up = Gauge("ngatu_ingest_database_up", "Connected to the database.", LANE, registry=registry)
        self._devices: set[str] = set()

    def count(self, lane: str, outcome: Outcome) -> None:
        """Add what became of a batch."""
        self.messages.labels(lane).inc(outcome.stored)
        self.readings.labels(lane).inc(outcome.readings)
        self.duplicates.labels(lane).inc(outcome.duplicates)
        self.discarded.labels(lane).inc(outcome.discarded)
        for bit, readings in outcome.flagged.items():
            self.flagged.labels(QUALITY_BITS[bit]).inc(readings)
        for item in outcome.rejected:
            self._count_rejected(item)

    def _count_rejected(self, item: Item) -> None:
        assert item.bad is not None
        if len(self._devices) < MAX_DEVICES:
            self._devices.add(item.device)
        device = item.device if item.device in self._devices else "other"
        self.rejected.labels(item.bad.reason, device).inc()
