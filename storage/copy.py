"""Binary COPY of fixed-width columns, built by numpy in one buffer: nothing is done row by row."""

import struct
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)
POSTGRES_EPOCH: Final = 946_684_800_000_000  # 2000-01-01 in microseconds since 1970


class Timestamps:
    """Marks a column of microseconds since 1970 as timestamptz."""

    def __init__(self, microseconds: NDArray[np.int64]) -> None:
        self.postgres = microseconds - POSTGRES_EPOCH


Column = NDArray[Any] | Timestamps


def pack(columns: dict[str, Column]) -> NDArray[Any]:
    r"""One row a record, as COPY's binary format has them: field count, then length and big-endian value of each field.

    >>> pack({"n": np.array([7], np.int16)}).tobytes()
    b'\x00\x01\x00\x00\x00\x02\x00\x07'
    """
    arrays = {name: c.postgres if isinstance(c, Timestamps) else c for name, c in columns.items()}
    layout = [("fields", ">i2")]
    for name, array in arrays.items():
        layout += [(f"{name} length", ">i4"), (name, array.dtype.newbyteorder(">").str)]
    rows = np.empty(len(next(iter(arrays.values()))), np.dtype(layout))
    rows["fields"] = len(arrays)
    for name, array in arrays.items():
        rows[f"{name} length"] = array.dtype.itemsize
        rows[name] = array
    return rows


def copy_columns(conn: psycopg.Connection, table: str, columns: dict[str, Column]) -> int:
    """COPY equally long arrays into the columns of `table` that they are named after; return how many rows.

    int16, int32, int64, float32 and float64 arrays go to int2, int4, int8, float4 and float8; NULL is not possible.
    """
    rows = pack(columns)
    statement = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT binary)").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(HEADER + rows.tobytes() + TRAILER)
    return len(rows)
