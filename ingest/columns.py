"""Readings of many messages as columns, with what can be said of their quality on the way in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from events.reading import Reading, Value
from ingest.catalogue import Catalogue
from ingest.item import Item
from storage import readings as q
from storage.readings import ReadingColumns, StateRow

EARLIEST: Final = int(datetime(2020, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
"""Older times come from clocks that were never set (1970, 2000, a firmware's build date)."""
BEGINNING: Final = np.iinfo(np.int64).min
AHEAD: Final = 300 * 1_000_000  # microseconds: more than that in the future is a wrong clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What a batch's readings become."""

    numbers: ReadingColumns
    numbered: NDArray[np.bool_]  # for each of `numbers`: came in a message with an id
    states: Sequence[StateRow]
    foreign_states: Sequence[StateRow]


def is_implausible(at_us: NDArray[np.int64], received_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a time (microseconds since 1970) can't be true."""
    implausible: NDArray[np.bool_] = (at_us < EARLIEST) | (at_us > received_us + AHEAD)
    return implausible


def to_columns(items: Sequence[Item], catalogue: Catalogue, frozen_before: int | None) -> Columns:
    """Lay out the readings of `items`, whose bodies are all lists of readings.

    Args:
        items: in any order; `catalogue` has learned them.
        catalogue: knows series, limits and units.
        frozen_before: microseconds since 1970; earlier buckets can't be computed again. None: no bucket is frozen.
    """
    bodies: list[list[Reading]] = [item.body for item in items if isinstance(item.body, list)]
    readings = [reading for body in bodies for reading in body]
    counts = [len(body) for body in bodies]
    codes = np.array([c for i, body in zip(items, bodies, strict=True) for c in catalogue.codes(i.device, body)], int)
    received = np.repeat(np.array([_us(item.arrival.at) for item in items], np.int64), counts)
    numbered = np.repeat(np.array([item.id is not None for item in items], np.bool_), counts)
    known = catalogue.describe()
    at, relative = _times(readings, received)
    values = [reading.value for reading in readings]
    value, number = _numbers(values)
    quality = (
        relative * q.NO_ABSOLUTE_TIME
        + is_implausible(at, received) * q.IMPLAUSIBLE_TIME
        + (number & ((value < known.minimum[codes]) | (value > known.maximum[codes]))) * q.OUT_OF_RANGE
        + known.differs[codes] * q.UNIT_DIFFERS
        + (at < (BEGINNING if frozen_before is None else frozen_before)) * q.FROZEN
    ).astype(np.int16)
    rows = ReadingColumns(at=at, received=received, value=value, series_id=known.series_id[codes], quality=quality)
    if number.all():
        return Columns(numbers=rows, numbered=numbered, states=(), foreign_states=())
    return Columns(
        numbers=rows.where(number),
        numbered=numbered[number],
        states=_states(rows, values, ~number & numbered),
        foreign_states=_states(rows, values, ~number & ~numbered),
    )


def _times(readings: Sequence[Reading], received: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """When each was measured, and whether only our clock tells."""
    seconds = np.array([reading.at for reading in readings], np.float64)  # None becomes NaN
    relative = np.isnan(seconds)
    if relative.any():
        for index in np.flatnonzero(relative).tolist():
            seconds[index] = received[index] / 1e6 + readings[index].ago
    return np.rint(seconds * 1e6).astype(np.int64), relative


def _numbers(values: Sequence[Value]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values as floats, and which of them are numbers at all."""
    if set(map(type, values)) <= {float}:
        return np.array(values, np.float64), np.ones(len(values), np.bool_)
    floats = [value if isinstance(value, float) else np.nan for value in values]
    return np.array(floats), np.array([isinstance(value, float) for value in values], np.bool_)


def _states(rows: ReadingColumns, values: Sequence[Value], mask: NDArray[np.bool_]) -> list[StateRow]:
    return [
        StateRow(
            at=_datetime(rows.at[index]),
            received=_datetime(rows.received[index]),
            series_id=int(rows.series_id[index]),
            quality=int(rows.quality[index]),
            value=value,
        )
        for index in np.flatnonzero(mask).tolist()
        if not isinstance(value := values[index], float)
    ]


def _us(seconds: float) -> int:
    return round(seconds * 1e6)


def _datetime(us: np.int64) -> datetime:
    return datetime.fromtimestamp(int(us) / 1e6, UTC)
