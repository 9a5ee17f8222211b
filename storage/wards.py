"""Wards through time: load them, and say which ward a place or a device was in, on any day, and how we know."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from psycopg import Connection

SINCE_EVER: Final = date(1, 1, 1)
UNTIL_FURTHER_NOTICE: Final = date(9999, 12, 31)

LOAD_WARD: Final = """
    INSERT INTO ward AS old (code, name, name_en, kind, district, province, latitude, longitude, area_km2, valid_from,
                             valid_to, rings)
    VALUES (%(code)s, %(name)s, %(name_en)s, %(kind)s, %(district)s, %(province)s, %(latitude)s, %(longitude)s,
            %(area_km2)s, %(valid_from)s, %(valid_to)s, %(rings)s::text[]::polygon[])
    ON CONFLICT (code, valid_from) DO UPDATE SET
        name = excluded.name, name_en = excluded.name_en, kind = excluded.kind, district = excluded.district,
        province = excluded.province, latitude = excluded.latitude, longitude = excluded.longitude,
        area_km2 = excluded.area_km2, valid_to = excluded.valid_to, rings = excluded.rings
    WHERE (old.name, old.name_en, old.kind, old.district, old.province, old.latitude, old.longitude, old.area_km2,
           old.valid_to, old.rings::text) IS DISTINCT FROM
          (excluded.name, excluded.name_en, excluded.kind, excluded.district, excluded.province, excluded.latitude,
           excluded.longitude, excluded.area_km2, excluded.valid_to, excluded.rings::text)
"""
FORGET_WARDS: Final = """
    DELETE FROM ward w WHERE NOT EXISTS (
        SELECT FROM unnest(%s::text[], %s::date[]) kept (code, valid_from)
        WHERE kept.code = w.code AND kept.valid_from = w.valid_from)
"""
# The lists name codes only: of the old the generation that ends, of the new the one that begins, on the same day.
LOAD_SUCCESSOR: Final = """
    INSERT INTO ward_successor AS old (old_code, old_from, new_code, new_from, main, share, method)
    SELECT o.code, o.valid_from, n.code, n.valid_from, %(main)s, %(share)s, %(method)s
    FROM ward o JOIN ward n ON n.code = %(new_code)s AND n.valid_from = o.valid_to
    WHERE o.code = %(old_code)s
    ON CONFLICT (old_code, old_from, new_code, new_from) DO UPDATE SET
        main = excluded.main, share = excluded.share, method = excluded.method
    WHERE (old.main, old.share, old.method) IS DISTINCT FROM (excluded.main, excluded.share, excluded.method)
"""
AT: Final = """
    SELECT a.code, w.name, a.valid_from, a.method, a.km FROM ward_at(%s, %s, %s) a JOIN ward w USING (code, valid_from)
"""
DEVICES: Final = """
    SELECT d.name, w.code, w.name, p.share, p.method
    FROM device_ward(%s) p JOIN device d ON d.id = p.device_id
    JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from ORDER BY w.code, d.name, p.share DESC
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ward:
    """A ward as it was or is; holds on every day of [valid_from, valid_to)."""

    code: str
    name: str
    name_en: str | None
    kind: str
    district: str | None
    province: str
    latitude: float  # of its centroid, WGS 84 degrees
    longitude: float
    area_km2: float | None
    valid_from: date = SINCE_EVER
    valid_to: date = UNTIL_FURTHER_NOTICE
    rings: tuple[tuple[tuple[float, float], ...], ...] | None = None  # longitude, latitude; outer rings and holes alike


@dataclass(frozen=True, slots=True, kw_only=True)
class Successor:
    """`share` of the old ward went to the new one; `method` says how that is known."""

    old_code: str
    new_code: str
    main: bool
    share: float
    method: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """The ward that a place lies in, and how we know; an estimate says so in its first word."""

    code: str
    name: str
    valid_from: date
    method: str
    km: float  # to the ward's centroid


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceWard:
    """(A share of) a device in a ward; the shares of one device add up to 1."""

    device: str
    code: str
    name: str
    share: float
    method: str


def load_wards(conn: Connection[Any], wards: Sequence[Ward], successors: Iterable[Successor]) -> int:
    """Make the tables say exactly this; return how many rows changed. Safe to repeat."""
    with conn.cursor() as cursor:
        cursor.executemany(LOAD_WARD, [_row(ward) for ward in wards])
        changed = cursor.rowcount
        cursor.execute(FORGET_WARDS, ([w.code for w in wards], [w.valid_from for w in wards]))
        changed += cursor.rowcount
        rows = [{name: getattr(successor, name) for name in Successor.__slots__} for successor in successors]
        if rows:
            cursor.executemany(LOAD_SUCCESSOR, rows)
            changed += cursor.rowcount
    return changed


def ward_at(conn: Connection[Any], latitude: float, longitude: float, day: date) -> Placed | None:
    """The ward of a place on a day: by polygon where the city gives them, else the nearest centroid, an estimate."""
    row = conn.execute(AT, (latitude, longitude, day)).fetchone()
    if row is None:
        return None
    code, name, valid_from, method, km = row
    return Placed(code=code, name=name, valid_from=valid_from, method=method, km=km)


def devices_by_ward(conn: Connection[Any], day: date) -> list[DeviceWard]:
    """Every device in the wards of `day`, by ward; those whose place nobody knows are missing."""
    return [
        DeviceWard(device=device, code=code, name=name, share=share, method=method)
        for device, code, name, share, method in conn.execute(DEVICES, (day,))
    ]


def _row(ward: Ward) -> dict[str, Any]:
    row = {name: getattr(ward, name) for name in Ward.__slots__}
    if ward.rings is not None:
        row["rings"] = [",".join(f"({lon!r},{lat!r})" for lon, lat in ring) for ring in ward.rings]
    return row
