"""The ward lists of Hanoi, before and since 1 July 2025, out of the package vietnamadminunits (MIT).

The package has names, codes and centroids of both generations, bounding boxes of the old, areas of the new, and which
new wards took over from which old one; not how much of it each took. That share is estimated, and told as an estimate.
"""

import csv
import importlib.util
import json
import math
import re
import sqlite3
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

PROVINCE: Final = "thanhphohanoi"
CHANGED: Final = "2025-07-01"  # the day on which the new wards began
KINDS: Final = {"Phường": "ward", "Xã": "commune", "Thị trấn": "township"}
GRID: Final = 40  # sample points along each side of an old ward's bounding box
KM_PER_DEGREE: Final = 111.32

WHOLE: Final = "whole: the old ward went to one new ward"
SPLIT: Final = "estimate: bounding box of the old ward, each point to the successor of least power distance"

OLD: Final = """
    SELECT wardCode, ward, wardType, district, province, wardLat, wardLon, wardBounds,
           provinceKey || '_' || districtKey || '_' || wardKey
    FROM admin_units_legacy WHERE provinceKey = ? ORDER BY wardCode
"""
NEW: Final = """
    SELECT wardCode, ward, wardType, province, wardLat, wardLon, wardAreaKm2, wardKey
    FROM admin_units WHERE provinceKey = ? ORDER BY wardCode
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """One row of wards.csv; dates are ISO, valid_to is the first day on which it no longer holds, empty is open."""

    code: str
    name: str
    name_en: str
    kind: str
    district: str
    province: str
    latitude: float
    longitude: float
    area_km2: float | str
    valid_from: str
    valid_to: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """One row of successors.csv: a new ward that took over (part of) an old one."""

    old_code: str
    new_code: str
    main: int  # 1: the one to name where only one can be named
    share: float
    method: str


def hanoi() -> tuple[list[Ward], list[Successor]]:
    """Both lists, from the installed package; nothing of it is run."""
    found = importlib.util.find_spec("vietnamadminunits")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("vietnamadminunits is not installed: run `make wards`, which sees to it")
    data = Path(found.origin).parent / "data"
    with closing(sqlite3.connect(f"file:{data / 'dataset.db'}?mode=ro", uri=True)) as db:
        old, new = db.execute(OLD, (PROVINCE,)).fetchall(), db.execute(NEW, (PROVINCE,)).fetchall()
    conversion = json.loads((data / "converter_2025.json").read_text("utf-8"))
    wards = [*map(_old_ward, old), *map(_new_ward, new)]
    return wards, sorted(_successors(old, new, conversion), key=lambda row: (row.old_code, row.new_code))


def write(rows: Sequence[Ward] | Sequence[Successor], path: Path) -> None:
    """Write them as CSV: UTF-8, a header, a newline after each row."""
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, list(asdict(rows[0])), lineterminator="\n")
        table.writeheader()
        table.writerows(map(asdict, rows))


def _old_ward(row: Sequence[Any]) -> Ward:
    code, name, kind, district, province, latitude, longitude, *_ = row
    return Ward(
        code=code, name=name, name_en=_english(name, kind), kind=KINDS[kind], district=district, province=province,
        latitude=latitude, longitude=longitude, area_km2="", valid_from="", valid_to=CHANGED,
    )  # fmt: skip


def _new_ward(row: Sequence[Any]) -> Ward:
    code, name, kind, province, latitude, longitude, area, _ = row
    return Ward(
        code=code, name=name, name_en=_english(name, kind), kind=KINDS[kind], district="", province=province,
        latitude=latitude, longitude=longitude, area_km2=area, valid_from=CHANGED, valid_to="",
    )  # fmt: skip


def _english(name: str, kind: str) -> str:
    """`Phường Hồng Hà` as `Hong Ha Ward`."""
    plain = unicodedata.normalize("NFD", name.removeprefix(kind).strip().replace("đ", "d").replace("Đ", "D"))
    return "".join(c for c in plain if not unicodedata.combining(c)) + " " + KINDS[kind].capitalize()


def _successors(old: list[Any], new: list[Any], conversion: dict[str, Any]) -> Iterator[Successor]:
    old_rows, new_rows = {row[-1]: row for row in old}, {row[-1]: row for row in new}
    for new_key, old_keys in conversion["DICT_PROVINCE_WARD_NO_DIVIDED"][PROVINCE].items():
        for old_key in old_keys:
            code = new_rows[new_key][0]
            yield Successor(old_code=old_rows[old_key][0], new_code=code, main=1, share=1.0, method=WHOLE)
    for old_key, parts in conversion["DICT_PROVINCE_WARD_DIVIDED"][PROVINCE].items():
        into = [new_rows[part["newWardKey"]] for part in parts]
        shares = estimated_shares(old_rows[old_key][7], [(row[4], row[5], row[6]) for row in into])
        for part, row, share in zip(parts, into, shares, strict=True):
            main = int(part["isDefaultNewWard"])
            yield Successor(old_code=old_rows[old_key][0], new_code=row[0], main=main, share=share, method=SPLIT)


def estimated_shares(bounds: str, into: Sequence[tuple[float, float, float]]) -> list[float]:
    """How an old ward may have been divided; adds up to 1, none is 0.

    Each successor is taken as a disc of its area about its centroid, and each point of a grid over the old ward's
    bounding box goes to the disc of least power distance (squared distance minus squared radius): a power diagram,
    Aurenhammer 1987.

    Args:
        bounds: south,west and north,east in degrees, as the package writes them.
        into: latitude, longitude (degrees) and area (km²) of each successor.
    """
    south, west, north, east = map(float, re.findall(r"-?\d+(?:\.\d+)?", bounds))
    shrink = math.cos(math.radians((south + north) / 2))
    points = [1] * len(into)  # each took something: that is known
    for i in range(GRID):
        for j in range(GRID):
            latitude = south + (north - south) * (i + 0.5) / GRID
            longitude = west + (east - west) * (j + 0.5) / GRID
            power = [
                ((latitude - lat) ** 2 + ((longitude - lon) * shrink) ** 2) * KM_PER_DEGREE**2 - area / math.pi
                for lat, lon, area in into
            ]
            points[power.index(min(power))] += 1
    shares = [round(count / sum(points), 4) for count in points]
    largest = shares.index(max(shares))
    shares[largest] = round(1 - sum(shares[:largest]) - sum(shares[largest + 1 :]), 4)
    return shares
