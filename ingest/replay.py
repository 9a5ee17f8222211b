"""Rejected messages once more, after what was wrong with them (or with us) is mended."""

from collections import Counter
from dataclasses import dataclass, field

import psycopg

from ingest.item import Arrival, understand
from ingest.store import Store
from storage import rejected


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
    for kept_id in rejected.ids(conn, device=device, reason=reason):
        kept = rejected.read(conn, kept_id)
        if kept is None:
            continue
        bad = store.replay(understand(_arrival(kept)), kept_id)
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
