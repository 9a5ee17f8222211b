"""What a batch writes, inside one transaction. The order of the locks is the order of the lines.

Locks: messages without numbers (advisory), closing (advisory, shared), tally of the rejected, ledger, incidents,
health, devices and series, late marks; each table by key.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from events.about import About
from events.evidence import Evidence
from events.health import Health
from events.incident import Incident
from events.pack import Pack
from events.traffic import TrafficMinute
from ingest.catalogue import Catalogue
from ingest.columns import is_implausible, to_columns
from ingest.item import Item, is_foreign
from ingest.past import Latest
from storage import evidence, incidents, ledger, readings, registry, rejected, traffic
from storage.late import LateBounds, Source, late_bounds, mark_late
from storage.ledger import Entry, Range


class SeenBeforeError(Exception):
    """The ledger has one of the numbers, or does not know the stream as this device's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What the transaction did, if it commits."""

    accounted: dict[str, list[Range]]  # by stream, of those that it extended
    readings: int
    discarded: int  # bad messages too many to keep
    flagged: Mapping[int, int]  # readings by quality bit
    latest: Latest | None  # what later readings are judged by


@dataclass(frozen=True, slots=True)
class Dated:
    """Rows that may be late for their buckets."""

    source: Source
    ids: NDArray[np.integer[Any]]
    ats: NDArray[np.int64]  # microseconds since 1970
    bounds: LateBounds


class Measured(NamedTuple):
    """What became of readings."""

    dated: Sequence[Dated]
    flagged: Mapping[int, int]
    latest: Latest | None


NOTHING: Final = Measured((), {}, None)


def write(conn: psycopg.Connection, items: Sequence[Item], catalogue: Catalogue) -> Written:
    """Write `items`, which `catalogue` has learned.

    Raises:
        SeenBeforeError: one of them was not new: roll back, ask the ledger which, and leave it out.
    """
    good = [item for item in items if item.bad is None]
    if any(map(is_foreign, good)):
        ledger.serialise_foreign(conn)
    packs = [item for item in good if isinstance(item.body, Pack)]
    measured = _write_readings(conn, packs, catalogue) if packs else NOTHING
    dated = [
        *measured.dated,
        *_write_traffic(conn, [item for item in good if isinstance(item.body, TrafficMinute)], catalogue),
    ]
    _write_evidence(conn, [item for item in good if isinstance(item.body, Evidence)], catalogue)
    discarded = _keep_rejected(conn, [item for item in items if item.bad is not None])
    entries = _entries(items, discarded, catalogue)
    accounted = ledger.extend(conn, entries) if entries else {}
    if accounted is None:
        raise SeenBeforeError
    _write_revisions(conn, good, catalogue)
    for rows in dated:
        mark_late(conn, rows.source, rows.ids, rows.ats, rows.bounds)
    stored = sum(len(rows.ats) for rows in dated if rows.source == "reading")
    return Written(
        accounted=accounted,
        readings=stored,
        discarded=len(discarded),
        flagged=measured.flagged,
        latest=measured.latest,
    )


def received_at(item: Item) -> datetime:
    """When it arrived, by our clock."""
    return datetime.fromtimestamp(item.arrival.at, UTC)


def _write_readings(conn: psycopg.Connection, items: Sequence[Item], catalogue: Catalogue) -> Measured:
    bounds = late_bounds(conn, "reading")
    columns = to_columns(conn, items, catalogue, bounds.frozen_before)
    rows, numbered = columns.numbers, columns.numbered
    misdated = (rows.quality & readings.IMPLAUSIBLE_TIME) > 0
    readings.copy_readings(conn, rows.where(numbered & ~misdated))
    readings.copy_readings(conn, rows.where(misdated), "misdated_reading")
    readings.insert_foreign_readings(conn, rows.where(~numbered & ~misdated))
    readings.copy_states(conn, columns.states)
    readings.insert_foreign_states(conn, columns.foreign_states)
    dated = Dated("reading", rows.series_id[~misdated], rows.at[~misdated], bounds)
    return Measured([dated], _flagged(rows.quality), columns.latest)


def _flagged(quality: NDArray[np.int16]) -> dict[int, int]:
    """How many rows have each quality bit."""
    kinds = np.bincount(quality)
    return {
        bit: int(kinds[(np.arange(len(kinds)) & bit) > 0].sum()) for bit in readings.QUALITY_BITS if bit < len(kinds)
    }


def _write_traffic(conn: psycopg.Connection, items: Sequence[Item], catalogue: Catalogue) -> list[Dated]:
    if not items:
        return []
    bounds = late_bounds(conn, "traffic")
    minutes = [
        traffic.Minute(catalogue.device_id(item.device), received_at(item), item.body)
        for item in items
        if isinstance(item.body, TrafficMinute) and not (is_foreign(item) and _is_known(conn, item, catalogue))
    ]
    ats = np.array([_us(minute.counted.start) for minute in minutes], np.int64)
    misdated = is_implausible(ats, np.array([_us(minute.received) for minute in minutes], np.int64))
    plausible = [minute for minute, wrong in zip(minutes, misdated, strict=True) if not wrong]
    traffic.copy_minutes(conn, plausible)
    wrong = [minute for minute, wrong in zip(minutes, misdated, strict=True) if wrong]
    traffic.copy_minutes(conn, wrong, "misdated_traffic")
    ids = np.array([minute.device_id for minute in plausible], np.int32)
    return [Dated("traffic", ids, ats[~misdated], bounds)]


def _write_evidence(conn: psycopg.Connection, items: Sequence[Item], catalogue: Catalogue) -> None:
    evidence.copy_evidence(
        conn,
        [
            evidence.ReceivedEvidence(catalogue.device_id(item.device), received_at(item), item.body)
            for item in items
            if isinstance(item.body, Evidence) and not (is_foreign(item) and evidence.is_known(conn, item.body))
        ],
    )


def _write_revisions(conn: psycopg.Connection, items: Sequence[Item], catalogue: Catalogue) -> None:
    """What describes a state: the highest revision counts, in whatever order they come."""
    found: list[incidents.ReceivedIncident] = []
    health: list[incidents.ReceivedHealth] = []
    abouts: list[registry.ReceivedAbout] = []
    for item in items:
        match item.body:
            case Incident() as body:
                found.append(incidents.ReceivedIncident(catalogue.device_id(item.device), received_at(item), body))
            case Health() as body:
                health.append(incidents.ReceivedHealth(catalogue.device_id(item.device), received_at(item), body))
            case About() as body:
                abouts.append(registry.ReceivedAbout(catalogue.device_id(item.device), received_at(item), body))
    incidents.store_incidents(conn, found)
    incidents.store_health(conn, health)
    registry.apply_abouts(conn, abouts)


def _keep_rejected(conn: psycopg.Connection, items: Sequence[Item]) -> set[int]:
    """Keep what is bad; return the `id()` of those items that were too many of their device."""
    kept = rejected.keep(conn, [_rejected(item) for item in items])
    return {id(item) for item, keeping in zip(items, kept, strict=True) if not keeping}


def _rejected(item: Item) -> rejected.Rejected:
    assert item.bad is not None
    return rejected.Rejected(
        received=received_at(item),
        device=item.device,
        topic=item.arrival.topic,
        stream=item.id and item.id.stream,
        seq=item.id and item.id.seq,
        content_type=item.arrival.content_type,
        properties=item.arrival.properties,
        reason=item.bad.reason,
        detail=item.bad.detail,
        payload=item.arrival.payload,
    )


def _entries(items: Sequence[Item], discarded: set[int], catalogue: Catalogue) -> list[Entry]:
    numbers: dict[tuple[str, str, str], tuple[list[int], list[int]]] = defaultdict(lambda: ([], []))
    for item in items:
        if item.id and item.device and item.ledgered and not item.disowned:
            numbers[item.id.stream, item.device, item.kind][id(item) in discarded].append(item.id.seq)
    return [
        Entry(
            stream=stream,
            device_id=catalogue.device_id(device),
            kind=kind,
            received=ledger.to_ranges(received),
            discarded=ledger.to_ranges(lost),
        )
        for (stream, device, kind), (received, lost) in numbers.items()
    ]


def _is_known(conn: psycopg.Connection, item: Item, catalogue: Catalogue) -> bool:
    assert isinstance(item.body, TrafficMinute)
    return traffic.is_known(conn, catalogue.device_id(item.device), item.body)


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
