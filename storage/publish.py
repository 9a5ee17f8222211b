"""A day's open data in a folder: CSV and Parquet with a Frictionless data package, GeoJSON, and a DCAT-AP catalogue.

`FOLDER/2026-03-02/r1/…`: written beside and renamed, so that nobody sees half a day. The same content makes no new
issue; a corrected day is issued again as r2. `catalog.jsonld` and the `datapackage.json` of each issue name licence,
units and checksums.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from psycopg import Connection

from storage.city import city_value, time_zone
from storage.level import DAY
from storage.open_data import DATASETS, DEVICES, Dataset

PUBLISHED: Final = """
    SELECT revision, sha256 FROM publication WHERE day = %s AND dataset = %s ORDER BY revision DESC LIMIT 1
"""
RECORD: Final = """
    INSERT INTO publication (day, dataset, revision, sha256, rows, withheld) VALUES (%s, %s, %s, %s, %s, %s)
"""
CHECKED: Final = "UPDATE publication SET checked_at = clock_timestamp() WHERE day = %s"
WITHHELD: Final = """
    SELECT d.name || ': ' || array_to_string(q.reasons, '; ') FROM quality_1d q JOIN device d ON d.id = q.device_id
    WHERE q.day = %s AND NOT q.well ORDER BY q.score, d.name
"""
# Days that are scored, and were never issued or whose scores or aggregates are younger than the last issue.
DUE: Final = """
    SELECT q.day FROM quality_1d q LEFT JOIN publication p ON p.day = q.day
    GROUP BY q.day HAVING max(p.checked_at) IS NULL OR max(q.computed_at) > max(p.checked_at) ORDER BY q.day
"""
TYPES: Final = {
    "string": pa.string(), "integer": pa.int64(), "number": pa.float64(), "boolean": pa.bool_(),
    "datetime": pa.timestamp("us", tz="UTC"), "date": pa.date32(),
}  # fmt: skip
MEDIA: Final = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".geojson": "application/geo+json"}


def publish_due_days(conn: Connection[Any], folder: Path) -> dict[str, int]:
    """Issue each day that is scored and not yet issued, or was corrected since; return issues and rows."""
    days = [day for (day,) in conn.execute(DUE).fetchall()]
    rows = [publish_day(conn, folder, day) for day in days]
    return {"issues": sum(count is not None for count in rows), "rows": sum(count or 0 for count in rows)}


def publish_day(conn: Connection[Any], folder: Path, day: date) -> int | None:
    """Issue `day`; return how many rows, or None where nothing has changed since its last issue. Safe to repeat."""
    folder.mkdir(parents=True, exist_ok=True)
    with conn.transaction(), _beside(folder / day.isoformat()) as made:
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('ngatu/publishing'))")
        rows = {dataset.name: _write(conn, dataset, day, made) for dataset in DATASETS}
        _write_places(made)
        sums = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in sorted(made.iterdir())}
        last = {dataset.name: conn.execute(PUBLISHED, (day, dataset.name)).fetchone() for dataset in DATASETS}
        if all(found and found[1] == sums[f"{name}.csv"] for name, found in last.items()):
            conn.execute(CHECKED, (day,))
            return None
        revision = 1 + max((found[0] for found in last.values() if found), default=0)
        withheld = [reason for (reason,) in conn.execute(WITHHELD, (day,))]
        _write_json(made / "datapackage.json", _package(conn, day, revision, made, sums, withheld))
        _put(made, folder / day.isoformat() / f"r{revision}")
        for dataset in DATASETS:
            told = (day, dataset.name, revision, sums[f"{dataset.name}.csv"], rows[dataset.name], withheld)
            conn.execute(RECORD, told)
        _write_json(folder / "catalog.jsonld", _catalogue(conn, folder))
    return sum(rows.values())


@contextmanager
def _beside(target: Path) -> Iterator[Path]:
    target.mkdir(exist_ok=True)
    made = target / f".making-{os.getpid()}"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put(made: Path, target: Path) -> None:
    """Rename `made` to `target`; one that is there already was never recorded: a run was killed before it could be."""
    if target.exists():
        target.rename(made / ".unrecorded")
        shutil.rmtree(made / ".unrecorded")
    made.rename(target)


def _write(conn: Connection[Any], dataset: Dataset, day: date, made: Path) -> int:
    lo = datetime(day.year, day.month, day.day, tzinfo=time_zone(conn)).astimezone(UTC)
    hi = DAY.ceil(lo + timedelta(hours=1), time_zone(conn))
    parameters = {"day": day, "lo": lo, "hi": hi, "smallest": city_value(conn, "smallest_count") or 5}
    cursor = conn.execute(dataset.query.encode(), parameters)
    columns = list(zip(*cursor.fetchall(), strict=True)) or [() for _ in dataset.columns]
    names = [column.name for column in dataset.columns]
    assert [found.name for found in cursor.description or ()] == names, dataset.name
    arrays = [pa.array(values, TYPES[column.type]) for values, column in zip(columns, dataset.columns, strict=True)]
    table = pa.table(arrays, names=names)
    pa.parquet.write_table(table, made / f"{dataset.name}.parquet")
    pa.csv.write_csv(_readable(table), made / f"{dataset.name}.csv")
    return int(table.num_rows)


def _readable(table: Any) -> Any:
    """Times as ISO 8601 with their zone, which every reader of CSV understands."""
    for index, field in enumerate(table.schema):
        if pa.types.is_timestamp(field.type):
            text = pa.compute.strftime(table[index], format="%Y-%m-%dT%H:%M:%SZ")
            table = table.set_column(index, field.name, text)
    return table


def _write_places(made: Path) -> None:
    devices = pa.parquet.read_table(made / f"{DEVICES.name}.parquet").to_pylist()
    features = [
        {
            "type": "Feature",
            "geometry": {"type": "Point", "coordinates": [row.pop("longitude"), row.pop("latitude")]},
            "properties": row,
        }
        for row in devices
        if row["longitude"] is not None and row["latitude"] is not None
    ]
    _write_json(made / "devices.geojson", {"type": "FeatureCollection", "features": features})


def _package(
    conn: Connection[Any], day: date, revision: int, made: Path, sums: dict[str, str], withheld: list[str]
) -> dict[str, Any]:
    """A Frictionless data package, https://datapackage.org (version 2)."""
    known = {dataset.name: dataset for dataset in DATASETS}
    resources = []
    for name, digest in sums.items():
        path = made / name
        resource: dict[str, Any] = {
            "name": name.replace(".", "-"), "path": name, "format": path.suffix[1:], "mediatype": MEDIA[path.suffix],
            "encoding": "utf-8", "bytes": path.stat().st_size, "hash": f"sha256:{digest}",
            "title": known[path.stem].title,
        }  # fmt: skip
        if path.suffix == ".csv":
            fields = [
                {"name": c.name, "type": c.type, "description": c.description, **({"unit": c.unit} if c.unit else {})}
                for c in known[path.stem].columns
            ]
            resource |= {"type": "table", "schema": {"fields": fields, "missingValues": [""]}}
        resources.append(resource)
    licence = city_value(conn, "licence") or "CC-BY-4.0"
    return {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": f"ngatu-{day.isoformat()}",
        "title": f"{city_value(conn, 'name') or 'Ngã Tư'}, {day.isoformat()}",
        "version": f"{revision}.0.0",
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "licenses": [{"name": licence}],
        "contributors": [{"title": city_value(conn, "publisher") or "Ngã Tư", "roles": ["publisher"]}],
        "withheld": withheld,
        "resources": resources,
    }


def _catalogue(conn: Connection[Any], folder: Path) -> dict[str, Any]:
    """A DCAT-AP 3 catalogue as JSON-LD: each dataset, with the latest issue of each day as its distributions."""
    publisher = {"@type": "foaf:Agent", "foaf:name": city_value(conn, "publisher") or "Ngã Tư"}
    licence = {"@id": f"https://spdx.org/licenses/{city_value(conn, 'licence') or 'CC-BY-4.0'}"}
    days = [list(day.glob("r*")) for day in sorted(folder.glob("????-??-??"))]
    issues = [max(made, key=lambda issue: int(issue.name[1:])) for made in days if made]
    return {
        "@context": {
            "dcat": "http://www.w3.org/ns/dcat#",
            "dct": "http://purl.org/dc/terms/",
            "foaf": "http://xmlns.com/foaf/0.1/",
            "spdx": "http://spdx.org/rdf/terms#",
        },
        "@id": "./",
        "@type": "dcat:Catalog",
        "dct:title": f"{city_value(conn, 'name') or 'Ngã Tư'}: open data",
        "dct:description": "Traffic, incidents and sensor readings of the city, day by day.",
        "dct:publisher": publisher,
        "dcat:dataset": [
            {
                "@id": f"#{dataset.name}",
                "@type": "dcat:Dataset",
                "dct:identifier": dataset.name,
                "dct:title": dataset.title,
                "dct:description": "; ".join(f"{c.name}: {c.description}" for c in dataset.columns),
                "dct:publisher": publisher,
                "dct:accrualPeriodicity": {"@id": "http://publications.europa.eu/resource/authority/frequency/DAILY"},
                "dcat:distribution": [
                    _distribution(issue / f"{dataset.name}{suffix}", folder, licence)
                    for issue in issues
                    for suffix in (".csv", ".parquet")
                ],
            }
            for dataset in DATASETS
        ],
    }


def _distribution(path: Path, folder: Path, licence: dict[str, str]) -> dict[str, Any]:
    where = path.relative_to(folder).as_posix()
    return {
        "@id": where,
        "@type": "dcat:Distribution",
        "dcat:accessURL": {"@id": where},
        "dcat:downloadURL": {"@id": where},
        "dcat:mediaType": {"@id": f"https://www.iana.org/assignments/media-types/{MEDIA[path.suffix]}"},
        "dcat:byteSize": path.stat().st_size,
        "dct:license": licence,
        "spdx:checksum": {
            "@type": "spdx:Checksum",
            "spdx:algorithm": {"@id": "spdx:checksumAlgorithm_sha256"},
            "spdx:checksumValue": hashlib.sha256(path.read_bytes()).hexdigest(),
        },
    }


def _write_json(path: Path, content: dict[str, Any]) -> None:
    beside = path.with_name(f".{path.name}.new")
    beside.write_text(json.dumps(content, ensure_ascii=False, indent=1) + "\n", "utf-8")
    beside.replace(path)
