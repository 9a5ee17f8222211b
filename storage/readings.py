"""Readings and states, in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from storage.copy import Timestamps, copy_columns

OUT_OF_RANGE: Final = 1  # quality bits: see docs/quality-flags.md
IMPLAUSIBLE_TIME: Final = 2
NO_ABSOLUTE_TIME: Final = 4
FROZEN: Final = 8
TOO_FAST: Final = 16
STUCK: Final = 32
DUPLICATE_TIME: Final = 64
UNIT_DIFFERS: Final = 128
DOUBTED: Final = 256
QUALITY_BITS: Final = {
    OUT_OF_RANGE: "out_of_range",
    IMPLAUSIBLE_TIME: "implausible_time",
    NO_ABSOLUTE_TIME: "no_absolute_time",
    FROZEN: "frozen_bucket",
    TOO_FAST: "too_fast",
    STUCK: "stuck",
    DUPLICATE_TIME: "duplicate_time",
    UNIT_DIFFERS: "unit_converted",
    DOUBTED: "doubted",
}

INSERT_FOREIGN: Final = """
    INSERT INTO foreign_reading (at, received, value, series_id, quality)
    SELECT timestamptz 'epoch' + at * interval '1 us', timestamptz 'epoch' + received * interval '1 us',
           value, series_id, quality
    FROM unnest(%s::bigint[], %s::bigint[], %s::float8[], %s::int[], %s::smallint[])
         AS r (at, received, value, series_id, quality)
    ORDER BY series_id, at
    ON CONFLICT (series_id, at) DO NOTHING"""

COPY_STATES: Final = "COPY state (at, received, series_id, quality, value, data) FROM STDIN (FORMAT binary)"

INSERT_FOREIGN_STATE: Final = """
    INSERT INTO state (at, received, series_id, quality, value, data) SELECT %(at)s, %(received)s, %(series_id)s,
           %(quality)s, %(value)s, %(data)s
    WHERE NOT EXISTS (SELECT FROM state WHERE series_id = %(series_id)s AND at = %(at)s)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingColumns:
    """Readings, one an index, of all arrays."""

    at: NDArray[np.int64]  # microseconds since 1970; when it was measured
    received: NDArray[np.int64]  # microseconds since 1970
    value: NDArray[np.float64]
    series_id: NDArray[np.int32]
    quality: NDArray[np.int16]

    def __len__(self) -> int:
        return len(self.at)

    def where(self, mask: NDArray[np.bool_]) -> "ReadingColumns":
        """Those for which `mask` is true."""
        return ReadingColumns(
            at=self.at[mask],
            received=self.received[mask],
            value=self.value[mask],
            series_id=self.series_id[mask],
            quality=self.quality[mask],
        )


class StateRow(NamedTuple):
    """What a series that is no number was at an instant."""

    at: datetime
    received: datetime
    series_id: int
    quality: int
    value: str | bool | bytes


def copy_readings(
    conn: psycopg.Connection, rows: ReadingColumns, table: Literal["reading", "misdated_reading"] = "reading"
) -> int:
    """Store `rows`; the caller's ledger says that they are new. Return how many."""
    if not len(rows):
        return 0
    return copy_columns(
        conn,
        table,
        {
            "at": Timestamps(rows.at),
            "received": Timestamps(rows.received),
            "value": rows.value,
            "series_id": rows.series_id,
            "quality": rows.quality,
        },
    )


def insert_foreign_readings(conn: psycopg.Connection, rows: ReadingColumns) -> int:
    """Store those whose (series, at) is not there yet; return how many were new. Safe to repeat."""
    arrays = (rows.at, rows.received, rows.value, rows.series_id, rows.quality)
    return conn.execute(INSERT_FOREIGN, [array.tolist() for array in arrays]).rowcount if len(rows) else 0


def copy_states(conn: psycopg.Connection, rows: Sequence[StateRow]) -> None:
    """Store `rows`; the caller's ledger says that they are new."""
    if not rows:
        return
    with conn.cursor() as cursor, cursor.copy(COPY_STATES) as copy:
        copy.set_types(["timestamptz", "timestamptz", "int4", "int2", "jsonb", "bytea"])
        for row in rows:
            copy.write_row((*row[:4], *_value_and_data(row.value)))


def insert_foreign_states(conn: psycopg.Connection, rows: Sequence[StateRow]) -> None:
    """Store those whose (series, at) is not there yet. Safe to repeat, under `ledger.serialise_foreign`."""
    with conn.cursor() as cursor:
        for row in rows:
            value, data = _value_and_data(row.value)
            cursor.execute(INSERT_FOREIGN_STATE, {**row._asdict(), "value": value, "data": data})


def _value_and_data(value: str | bool | bytes) -> tuple[Any, bytes | None]:  # noqa: FBT001 - a state may be a boolean
    return (None, value) if isinstance(value, bytes) else (Jsonb(value), None)
