"""A dataset's rows as files: CSV, Parquet with units and meanings in its metadata, GeoJSON where there are places."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from psycopg import Connection

from storage.open_data import PERSONAL, Dataset

ROWS: Final = 20_000  # at a time: a big city's day does not fit in memory
TYPES: Final = {
    "string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
    "datetime": pa.timestamp("us", tz="UTC"), "date": pa.date32(),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """Rows in the files, and rows that were left out because a text in them could tell of a person."""

    rows: int
    personal: int


def write_tables(conn: Connection[Any], dataset: Dataset, parameters: dict[str, Any], folder: Path) -> Written:
    """Write `dataset`.csv, .parquet and, where it has places, .geojson into `folder`.

    The caller owns the transaction, in which the rows are read bit by bit.
    """
    schema = schema_of(dataset)
    rows = personal = 0
    with (
        pa.parquet.ParquetWriter(folder / f"{dataset.name}.parquet", schema) as parquet,
        pa.csv.CSVWriter(folder / f"{dataset.name}.csv", _readable_schema(schema)) as csv,
    ):
        for whole in _batches(conn, dataset, parameters, schema):
            batch = impersonal(whole)
            parquet.write_table(batch)
            csv.write_table(_readable(batch))
            rows += batch.num_rows
            personal += whole.num_rows - batch.num_rows
    if dataset.has_places:
        _write_places(folder, dataset)
    return Written(rows=rows, personal=personal)


def impersonal(table: Any) -> Any:
    """The rows in which no text looks like a number plate or like the number of an incident."""
    for field in table.schema:
        if pa.types.is_string(field.type):
            found = pa.compute.match_substring_regex(table[field.name], PERSONAL)
            table = table.filter(pa.compute.invert(pa.compute.fill_null(found, fill_value=False)))
    return table


def schema_of(dataset: Dataset) -> Any:
    """The dataset's Arrow schema; each field carries its `description` and, where it has one, its `unit` (UCUM)."""
    fields = [
        pa.field(c.name, TYPES[c.type], metadata={"description": c.description} | ({"unit": c.unit} if c.unit else {}))
        for c in dataset.columns
    ]
    return pa.schema(fields, metadata={"title": dataset.title, "title:vi": dataset.title_vi})


def _batches(conn: Connection[Any], dataset: Dataset, parameters: dict[str, Any], schema: Any) -> Iterator[Any]:
    with conn.cursor(f"open_data_{dataset.name}") as cursor:
        cursor.execute(dataset.query.encode(), parameters)
        assert [found.name for found in cursor.description or ()] == schema.names, dataset.name
        while rows := cursor.fetchmany(ROWS):
            columns = zip(*rows, strict=True)
            arrays = [pa.array(values, field.type) for values, field in zip(columns, schema, strict=True)]
            yield pa.Table.from_arrays(arrays, schema=schema)


def _readable_schema(schema: Any) -> Any:
    return pa.schema([(f.name, pa.string() if pa.types.is_timestamp(f.type) else f.type) for f in schema])


def _readable(table: Any) -> Any:
    """Times as ISO 8601 with their zone, which every reader of CSV understands."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            text = pa.compute.strftime(table[index], format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(index, field.name, text)
    return table.cast(_readable_schema(table.schema))


def _write_places(folder: Path, dataset: Dataset) -> None:
    """A GeoJSON of the rows that have a place, RFC 7946."""
    rows = _readable(pa.parquet.read_table(folder / f"{dataset.name}.parquet")).to_pylist()
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row.pop("longitude"), row.pop("latitude")]},
            "properties": row,
        }
        for row in rows
        if row["longitude"] is not None and row["latitude"] is not None
    ]
    content = json.dumps({"type": "FeatureCollection", "features": features}, ensure_ascii=False, indent=1)
    (folder / f"{dataset.name}.geojson").write_text(content + "\n", "utf-8")
