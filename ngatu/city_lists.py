"""A city's wards, as the files beside its city file list them."""

import csv
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import msgspec

from ngatu.city import BadCity, City, city_file, read_city
from storage.aggregates import forget_days
from storage.city import store_city, time_zone
from storage.connect import connect
from storage.wards import SINCE_EVER, UNTIL_FURTHER_NOTICE, Successor, Ward, load_wards

Rings = tuple[tuple[tuple[float, float], ...], ...]


def read_wards(city: City, folder: Path) -> list[Ward]:
    """The wards of wards.csv, with their polygons where the city has them.

    Raises:
        BadCity: a row can't be used; the message names its line.
    """
    rings = _boundaries(folder / city.boundaries) if city.boundaries else {}
    wards, seen = [], set()
    for where, row in _rows(folder / city.wards):
        ward = _ward(where, row, rings)
        if (ward.code, ward.valid_from) in seen:
            raise BadCity(f"{where}: ward {ward.code} stands in the list twice")
        seen.add((ward.code, ward.valid_from))
        wards.append(ward)
    return wards


def read_successors(city: City, folder: Path, wards: list[Ward]) -> list[Successor]:
    """Which ward took over from which; empty where the city has no such list.

    Raises:
        BadCity: a row names a ward that is not in the list, or shares that do not add up to 1.
    """
    if city.successors is None:
        return []
    codes, shares, successors = {ward.code for ward in wards}, dict[str, float](), []
    for where, row in _rows(folder / city.successors):
        successor = _successor(where, row)
        for code in (successor.old_code, successor.new_code):
            if code not in codes:
                raise BadCity(f"{where}: ward {code} is not in {city.wards}")
        shares[successor.old_code] = shares.get(successor.old_code, 0) + successor.share
        successors.append(successor)
    for code, total in shares.items():
        if abs(total - 1) > 1e-6:
            raise BadCity(f"{folder / city.successors}: the shares of ward {code} add up to {total:g}, not to 1")
    return successors


def _rows(path: Path) -> Iterator[tuple[str, dict[str, str]]]:
    with path.open(encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        for row in table:
            if None in row or None in row.values():
                raise BadCity(f"{path}:{table.line_num}: not as many columns as the header names")
            yield f"{path}:{table.line_num}", row


def _ward(where: str, row: dict[str, str], rings: dict[str, Rings]) -> Ward:
    try:
        valid_to = date.fromisoformat(row["valid_to"]) if row["valid_to"] else UNTIL_FURTHER_NOTICE
        return Ward(
            code=row["code"],
            name=row["name"],
            name_en=row["name_en"] or None,
            kind=row["kind"],
            district=row["district"] or None,
            province=row["province"],
            latitude=float(row["latitude"]),
            longitude=float(row["longitude"]),
            area_km2=float(row["area_km2"]) if row["area_km2"] else None,
            valid_from=date.fromisoformat(row["valid_from"]) if row["valid_from"] else SINCE_EVER,
            valid_to=valid_to,
            rings=rings.get(row["code"]) if valid_to == UNTIL_FURTHER_NOTICE else None,
        )
    except (KeyError, ValueError) as error:
        raise _refused(where, error) from error


def _successor(where: str, row: dict[str, str]) -> Successor:
    try:
        return Successor(
            old_code=row["old_code"],
            new_code=row["new_code"],
            main=row["main"] == "1",
            share=float(row["share"]),
            method=row["method"],
        )
    except (KeyError, ValueError) as error:
        raise _refused(where, error) from error


def _refused(where: str, error: Exception) -> BadCity:
    missing = isinstance(error, KeyError)
    return BadCity(f"{where}: column {error} is missing" if missing else f"{where}: {error}")


def _boundaries(path: Path) -> dict[str, Rings]:
    """The rings of each feature of a GeoJSON (RFC 7946), by its property `code`."""
    try:
        features = json.loads(path.read_text("utf-8"))["features"]
        return {feature["properties"]["code"]: _rings(feature["geometry"]) for feature in features}
    except (ValueError, KeyError, TypeError) as error:
        raise BadCity(f"{path}: not a GeoJSON of wards with a property `code` and polygons: {error!r}") from error


def _rings(geometry: dict[str, Any]) -> Rings:
    if geometry["type"] not in {"Polygon", "MultiPolygon"}:
        raise ValueError(f"geometry {geometry['type']}")
    coordinates = geometry["coordinates"]
    polygons = coordinates if geometry["type"] == "MultiPolygon" else [coordinates]
    return tuple(tuple((float(x), float(y)) for x, y, *_ in ring) for polygon in polygons for ring in polygon)


def load_city(dsn: str, named: str) -> int:
    """Write the city `named` and its wards into the database; return how many rows changed. Safe to repeat.

    Raises:
        BadCity: its file or lists can't be used; nothing was written.
    """
    path = city_file(named)
    city = read_city(path)
    wards = read_wards(city, path.parent)
    successors = read_successors(city, path.parent, wards)
    files = ("wards", "successors", "boundaries")
    values = {key: value for key, value in msgspec.to_builtins(city).items() if key not in files}
    with connect(dsn, application="ngatu city") as conn, conn.transaction():
        if time_zone(conn).key != city.time_zone:
            forget_days(conn)
        return store_city(conn, values) + load_wards(conn, wards, successors)
