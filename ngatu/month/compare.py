"""Two tables of the same columns, number by number: which differ, and where."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final

import duckdb

SHOWN: Final = 20  # differences that are told of each comparison
# Floating sums depend on the order of rows, and shares are stored as float4: six digits count.
SAME: Final = """
    CREATE OR REPLACE TEMP MACRO same(a, b) AS
    (a IS NULL AND b IS NULL) OR coalesce(abs(a - b) <= greatest(2e-6 * greatest(abs(a), abs(b)), 1e-9), false)
"""
JOINED: Final = """
    CREATE OR REPLACE TEMP TABLE joined AS
    SELECT {keys}, {values}, {differing}::int AS differing, o.there AS in_ours, p.there AS in_plain
    FROM (SELECT *, true AS there FROM ours) o FULL JOIN (SELECT *, true AS there FROM plain) p USING ({keys})
"""
WRONG: Final = "FROM joined WHERE differing > 0 ORDER BY {keys} LIMIT {most}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """What came of one comparison."""

    name: str
    rows: int
    numbers: int
    differing: int  # numbers; a row that only one side has counts with all its numbers
    examples: tuple[str, ...]


def compare(conn: duckdb.DuckDBPyConnection, name: str, keys: tuple[str, ...], values: tuple[str, ...]) -> Compared:
    """Compare the tables `ours` and `plain` of `conn`, which hold each key at most once."""
    conn.execute(SAME)
    differing = " + ".join(f"(NOT same(o.{value}, p.{value}))::int" for value in values)
    either = ", ".join(f"o.{value} AS our_{value}, p.{value} AS plain_{value}" for value in values)
    counted = f"CASE WHEN o.there AND p.there THEN {differing} ELSE {len(values)} END"
    conn.execute(JOINED.format(keys=", ".join(keys), values=either, differing=counted))
    (rows, wrong) = conn.execute("SELECT count(*), coalesce(sum(differing), 0) FROM joined").fetchall()[0]
    told = conn.execute(WRONG.format(keys=", ".join(keys), most=SHOWN))
    names = [column[0] for column in told.description or ()]
    examples = [_told(dict(zip(names, row, strict=True)), keys, values) for row in told.fetchall()]
    return Compared(
        name=name,
        rows=rows,
        numbers=rows * len(values),
        differing=int(wrong),
        examples=tuple(f"{name}: {example}" for example in examples),
    )


def load_csv(
    conn: duckdb.DuckDBPyConnection, keys: tuple[str, ...], values: tuple[str, ...], write: Callable[[IO[bytes]], None]
) -> None:
    """Make the table `ours` of what `write` writes as CSV: keys are texts, but the time `bucket`; values numbers."""
    types = {**dict.fromkeys(keys, "VARCHAR"), "bucket": "TIMESTAMP", **dict.fromkeys(values, "DOUBLE")}
    with tempfile.NamedTemporaryFile(suffix=".csv") as file:
        write(file.file)
        file.flush()
        make_ours(conn, f"FROM {csv_source([Path(file.name)], types)}")


def csv_source(files: list[Path], types: dict[str, str]) -> str:
    """How DuckDB reads CSV files of the same columns, each named with its type; "" is a text, nothing is NULL."""
    names = [str(file) for file in files]
    return f"read_csv({names}, header = true, columns = {types}, allow_quoted_nulls = false)"


def make_ours(conn: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any] | None = None) -> None:
    """Make the table `ours`."""
    conn.execute(f"CREATE OR REPLACE TEMP TABLE ours AS {query}", parameters)


def make_plain(conn: duckdb.DuckDBPyConnection, query: str, parameters: dict[str, Any] | None = None) -> None:
    """Make the table `plain`."""
    conn.execute(f"CREATE OR REPLACE TEMP TABLE plain AS {query}", parameters)


def _told(row: dict[str, Any], keys: tuple[str, ...], values: tuple[str, ...]) -> str:
    where = " ".join(str(row[key]) for key in keys)
    if not row["in_plain"]:
        return f"{where} is ours alone"
    if not row["in_ours"]:
        return f"{where} is missing; by DuckDB {values[0]} {row[f'plain_{values[0]}']}"
    pairs = [(value, row[f"our_{value}"], row[f"plain_{value}"]) for value in values]
    return f"{where} " + ", ".join(
        f"{value} {ours}, by DuckDB {plain}" for value, ours, plain in pairs if ours != plain
    )
