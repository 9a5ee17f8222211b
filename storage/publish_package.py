"""What stands beside the files of an issue: a Frictionless data package with columns, units, checksums and licence."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

from psycopg import Connection

from storage.city import city_value
from storage.open_data import DATASETS

PACKAGE: Final = "datapackage.json"
MEDIA: Final = {".csv": "text/csv", ".parquet": "application/vnd.apache.parquet", ".geojson": "application/geo+json"}
KNOWN: Final = {dataset.name: dataset for dataset in DATASETS}

Withheld = Mapping[str, Sequence[Mapping[str, str | None]]]
"""Of each dataset: `device` (None: the dataset as a whole) and `why`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the city file says of its open data."""

    name: str
    name_en: str
    publisher: str
    contact: str | None
    licence: str  # as SPDX names it
    centre: tuple[float, float] | None  # latitude, longitude
    languages: tuple[str, ...]
    address: str  # where the folder is served, with a slash at its end; "" where nobody has said


def about_city(conn: Connection[Any]) -> About:
    """Read it, with a word for what is missing."""
    name = city_value(conn, "name") or "Ngã Tư"
    address, centre = city_value(conn, "open_data_url") or "", city_value(conn, "centre")
    return About(
        name=name,
        name_en=city_value(conn, "name_en") or name,
        publisher=city_value(conn, "publisher") or "Ngã Tư",
        contact=city_value(conn, "contact"),
        licence=city_value(conn, "licence") or "CC-BY-4.0",
        centre=(centre["latitude"], centre["longitude"]) if centre else None,
        languages=tuple(city_value(conn, "languages") or ("vi", "en")),
        address=address and address.rstrip("/") + "/",
    )


def sums_of(folder: Path) -> dict[str, str]:
    """SHA-256 of each file, by name."""
    sums = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            sums[path.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return sums


def write_package(
    about: About, day: date, revision: int, made: Path, rows: Mapping[str, int], withheld: Withheld
) -> None:
    """Write the data package of an issue, https://datapackage.org (version 2).

    Args:
        about: the city.
        day: of whose data.
        revision: of this issue; 1, 2, 3 …
        made: the folder that holds the issue's files.
        rows: of each dataset that is published.
        withheld: what is left out, and why.
    """
    resources = [_resource(made / name, digest, rows) for name, digest in sums_of(made).items()]
    contributor = {"title": about.publisher, "roles": ["publisher"]} | (
        {"email": about.contact} if about.contact else {}
    )
    package = {
        "$schema": "https://datapackage.org/profiles/2.0/datapackage.json",
        "name": f"ngatu-{day.isoformat()}",
        "title": f"{about.name}, {day.isoformat()}",
        "version": f"{revision}.0.0",
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "licenses": [{"name": about.licence, "path": f"https://spdx.org/licenses/{about.licence}"}],
        "contributors": [contributor],
        "withheld": withheld,
        "resources": resources,
    }
    write_json(made / PACKAGE, package)


def read_package(issue: Path) -> dict[str, Any]:
    """Read the data package of an issue."""
    package: dict[str, Any] = json.loads((issue / PACKAGE).read_text("utf-8"))
    return package


def hashes(package: Mapping[str, Any]) -> dict[str, str]:
    """SHA-256 of each file, by name, as its package says."""
    return {resource["path"]: resource["hash"].removeprefix("sha256:") for resource in package["resources"]}


def latest_issues(folder: Path) -> Iterator[Path]:
    """The folder of each day's latest issue, by day."""
    for day in sorted(folder.glob("????-??-??")):
        if made := issues_of(day):
            yield made[-1]


def issues_of(day: Path) -> list[Path]:
    """A day's issues, the latest last."""
    return sorted(day.glob("r[1-9]*"), key=lambda issue: int(issue.name[1:]))


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Replace the file in one step."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as out:
        json.dump(content, out, ensure_ascii=False, indent=1)
        out.write("\n")
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)


def _resource(path: Path, digest: str, rows: Mapping[str, int]) -> dict[str, Any]:
    dataset = KNOWN[path.stem]
    resource: dict[str, Any] = {
        "name": path.name.replace(".", "-"), "path": path.name, "format": path.suffix[1:],
        "mediatype": MEDIA[path.suffix], "encoding": "utf-8", "bytes": path.stat().st_size,
        "hash": f"sha256:{digest}", "title": dataset.title,
    }  # fmt: skip
    if path.suffix == ".csv":
        fields = [
            {"name": c.name, "type": c.type, "description": c.description, **({"unit": c.unit} if c.unit else {})}
            for c in dataset.columns
        ]
        schema = {"fields": fields, "missingValues": [""]}
        resource |= {"type": "table", "rows": rows[dataset.name], "schema": schema}
    return resource
