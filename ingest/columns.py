"""Readings of many messages as columns, with what can be said of their quality on the way in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate, chain
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from events.pack import Pack
from events.reading import ABSOLUTE, Value
from ingest.catalogue import Catalogue
from ingest.described import Described
from ingest.item import Item
from ingest.judgement import Rows, judge
from ingest.past import Latest
from ingest.units import convert
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
    latest: Latest | None  # what later readings are judged by, once this batch is committed


def is_implausible(at_us: NDArray[np.int64], received_us: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether a time (microseconds since 1970) can't be true."""
    implausible: NDArray[np.bool_] = (at_us < EARLIEST) | (at_us > received_us + AHEAD)
    return implausible


def to_columns(
    conn: psycopg.Connection, items: Sequence[Item], catalogue: Catalogue, frozen_before: int | None
) -> Columns:
    """Lay out the readings of `items`, whose bodies are all packs, one at least.

    Args:
        conn: to ask what a series said before, where that is not known here.
        items: in any order; `catalogue` has learned them.
        catalogue: knows series, limits and units.
        frozen_before: microseconds since 1970; earlier buckets can't be computed again. None: no bucket is frozen.
    """
    packs = [item.body for item in items if isinstance(item.body, Pack)]
    counts = [len(pack) for pack in packs]
    book = catalogue.series
    each = zip(items, packs, strict=True)
    codes = np.concatenate([book.codes(catalogue.device_id(item.device), pack.layout) for item, pack in each])
    received = np.repeat(np.array([_us(item.arrival.at) for item in items], np.int64), counts)
    numbered = np.repeat(np.array([item.id is not None for item in items], np.bool_), counts)
    known = book.described()
    at, relative = _times(packs, counts, received)
    value, number = _numbers(packs, len(at))
    value, converted = _in_series_unit(value, number, known, codes)
    implausible = is_implausible(at, received)
    quality = (
        relative * q.NO_ABSOLUTE_TIME
        + implausible * q.IMPLAUSIBLE_TIME
        + (number & ((value < known.minimum[codes]) | (value > known.maximum[codes]))) * q.OUT_OF_RANGE
        + converted * q.UNIT_DIFFERS
        + _doubted(packs, counts) * q.DOUBTED
        + (at < (BEGINNING if frozen_before is None else frozen_before)) * q.FROZEN
    ).astype(np.int16)
    judged = np.flatnonzero(number & ~implausible & ~relative)
    latest = None
    if len(judged):
        bits, latest = judge(conn, book.past, _rows(at, value, numbered, known, codes).at_index(judged))
        quality[judged] |= bits
    rows = ReadingColumns(at=at, received=received, value=value, series_id=known.series_id[codes], quality=quality)
    if number.all():
        return Columns(numbers=rows, numbered=numbered, states=(), foreign_states=(), latest=latest)
    values = [value for pack in packs for value in pack.values]
    return Columns(
        numbers=rows.where(number),
        numbered=numbered[number],
        states=_states(rows, values, ~number & numbered),
        foreign_states=_states(rows, values, ~number & ~numbered),
        latest=latest,
    )


def _in_series_unit(
    value: NDArray[np.float64], number: NDArray[np.bool_], known: Described, codes: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values in their series' units, and which of them came in another."""
    converted: NDArray[np.bool_] = known.converts[codes] & number
    if converted.any():
        some = codes[converted]
        value[converted] = convert(value[converted], known.numerator[some], known.offset[some], known.denominator[some])
    return value, converted


def _times(
    packs: Sequence[Pack], counts: Sequence[int], received: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """When each was measured, and whether only our clock tells."""
    seconds = np.fromiter(chain.from_iterable([pack.seconds for pack in packs]), np.float64, len(received))
    seconds += np.repeat(np.array([pack.base for pack in packs]), counts)
    relative = seconds < ABSOLUTE
    for pack, end in zip(packs, accumulate(counts), strict=True):
        if pack.relative is not None:
            relative[end - len(pack) : end] = pack.relative
    if relative.any():
        seconds[relative] = received[relative] / 1e6 + np.maximum(seconds[relative], -ABSOLUTE)
    return np.rint(seconds * 1e6).astype(np.int64), relative


def _doubted(packs: Sequence[Pack], counts: Sequence[int]) -> NDArray[np.bool_]:
    """Which readings their senders do not trust themselves."""
    doubted = np.zeros(sum(counts), np.bool_)
    for pack, end in zip(packs, accumulate(counts), strict=True):
        if pack.doubted is not None:
            doubted[end - len(pack) : end] = pack.doubted
    return doubted


def _numbers(packs: Sequence[Pack], count: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the values as floats, and which of them are numbers at all."""
    values = chain.from_iterable([pack.values for pack in packs])
    if all(pack.numeric for pack in packs):
        return np.fromiter(values, np.float64, count), np.ones(count, np.bool_)
    floats = [value if isinstance(value, float) else np.nan for value in values]
    number = [isinstance(value, float) for pack in packs for value in pack.values]
    return np.array(floats, np.float64), np.array(number, np.bool_)


def _rows(
    at: NDArray[np.int64],
    value: NDArray[np.float64],
    numbered: NDArray[np.bool_],
    known: Described,
    codes: NDArray[np.int64],
) -> Rows:
    return Rows(
        slot=known.slot[codes],
        at=at,
        value=value,
        max_rate=known.max_rate[codes],
        stuck_after_s=known.stuck_after_s[codes],
        numbered=numbered,
    )


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
