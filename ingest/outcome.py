"""What became of a batch, and what its senders are told."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ingest.item import Item
from ingest.write import Written
from storage import ledger
from storage.ledger import Range

Acks = dict[str, dict[str, list[Range]]]  # device → stream → what the database accounts for


@dataclass(slots=True, kw_only=True)
class Outcome:
    """What became of a batch. All of it is committed."""

    acks: Acks = field(default_factory=dict)
    stored: int = 0  # messages
    readings: int = 0
    duplicates: int = 0  # messages
    discarded: int = 0  # rejected messages too many to keep
    flagged: Counter[int] = field(default_factory=Counter)  # readings by quality bit
    rejected: list[Item] = field(default_factory=list)

    def add(self, other: "Outcome") -> None:
        """Take in what became of another part of the batch."""
        for device, streams in other.acks.items():
            self.acks.setdefault(device, {}).update(streams)
        self.stored += other.stored
        self.readings += other.readings
        self.duplicates += other.duplicates
        self.discarded += other.discarded
        self.flagged += other.flagged
        self.rejected += other.rejected


def settle_accounts(
    items: Sequence[Item], fresh: Sequence[Item], known: Mapping[str, list[Range]], written: Written
) -> Outcome:
    """Say what became of `items`, whose transaction has committed.

    Args:
        items: the whole batch.
        fresh: those of it that were written, as good or as rejected; the others were stored before.
        known: what was accounted for of each stream before, where that was asked.
        written: what the transaction did.
    """
    acks: Acks = {}
    for item in items:
        if item.id is None or not item.device or not item.ledgered:
            continue
        streams = acks.setdefault(item.device, {})
        stream = item.id.stream
        if item.disowned:  # its sender must not send it for ever
            streams[stream] = ledger.to_ranges({*_numbers(streams.get(stream, ())), item.id.seq})
        elif stream not in streams:
            streams[stream] = written.accounted.get(stream) or known.get(stream) or []
    rejected = [item for item in fresh if item.bad is not None]
    return Outcome(
        acks=acks,
        stored=len(fresh) - len(rejected),
        readings=written.readings,
        duplicates=len(items) - len(fresh),
        discarded=written.discarded,
        flagged=Counter(written.flagged),
        rejected=rejected,
    )


def _numbers(ranges: Sequence[Range]) -> list[int]:
    return [number for first, last in ranges for number in range(first, last + 1)]
