"""Rejected messages once more, after what was wrong with them (or with us) is mended."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

import psycopg

from events.topic import ROOT
from ingest.adapters.adapter import adapt, open_adapters
from ingest.item import Arrival, understand
from ingest.store import Store
from storage import rejected
from storage.city import city_value

OURS: Final = f"{ROOT}/"


@dataclass(slots=True, kw_only=True)
class Replayed:
    """What became of them."""

    stored: int = 0
    still_rejected: Counter[str] = field(default_factory=Counter)  # by what is wrong now


def replay(conn: psycopg.Connection, *, device: str | None = None, reason: str | None = None) -> Replayed:
    """Try all kept messages of a device, or with a reason, one by one. Safe to stop, to repeat, and beside an ingest.

    Raises:
        psycopg.Error: the database is away; what is not stored is kept.
    """
    store, replayed = Store(conn), Replayed()
    adapters = open_adapters(city_value(conn, "adapters") or [])
    for kept_id in rejected.ids(conn, device=device, reason=reason):
        kept = rejected.read(conn, kept_id)
        if kept is None:
            continue
        arrival = _arrival(kept)
        item = understand(arrival) if kept.topic.startswith(OURS) else adapt(arrival, adapters)
        bad = store.replay(item, kept_id) if item else None
        if item is None:
            rejected.remove(conn, kept_id)  # by now known to be nothing that is stored
        if bad is None:
            replayed.stored += 1
        else:
            replayed.still_rejected[bad.reason] += 1
    return replayed


def _arrival(kept: rejected.Rejected) -> Arrival:
    return Arrival(
        topic=kept.topic,
        payload=kept.payload,
        content_type=kept.content_type,
        properties=[(name, value) for name, value in kept.properties],
        at=kept.received.timestamp(),
    )
