"""Wards through time, on Hanoi's own lists."""

from collections import Counter
from datetime import date, datetime

import psycopg
import pytest

from ngatu.city import CITIES, read_city
from ngatu.city_lists import load_city, read_successors, read_wards
from storage.city import city_value, time_zone
from storage.wards import Ward, devices_by_ward, load_wards, ward_at

BEFORE, SINCE = date(2025, 6, 30), date(2025, 7, 1)
HOAN_KIEM = (21.0287, 105.8524)  # the lake


@pytest.fixture
def hanoi(db: psycopg.Connection, dsn: str) -> psycopg.Connection:
    load_city(dsn, "hanoi")
    return db


def device(conn: psycopg.Connection, name: str, **columns: object) -> None:
    conn.execute(
        "INSERT INTO device (name, latitude, longitude, ward_code, about_at) VALUES (%s, %s, %s, %s, %s)",
        [name, *(columns.get(key) for key in ("latitude", "longitude", "ward_code", "about_at"))],
    )


def test_both_generations_are_loaded_and_loading_again_changes_nothing(hanoi: psycopg.Connection, dsn: str) -> None:
    held = "SELECT count(*) FROM ward WHERE %s >= valid_from AND %s < valid_to"
    assert hanoi.execute(held, (BEFORE, BEFORE)).fetchone() == (526,)
    assert hanoi.execute(held, (SINCE, SINCE)).fetchone() == (126,)
    assert time_zone(hanoi).key == "Asia/Ho_Chi_Minh"
    assert city_value(hanoi, "name") == "Hà Nội"
    assert load_city(dsn, "hanoi") == 0


def test_every_old_ward_went_somewhere_and_199_were_divided(hanoi: psycopg.Connection) -> None:
    parts = hanoi.execute(
        "SELECT old_code, count(*), sum(share), count(*) FILTER (WHERE main) FROM ward_successor GROUP BY old_code"
    ).fetchall()
    assert len(parts) == 526
    assert all(total == pytest.approx(1) and main == 1 for _, _, total, main in parts)
    assert sum(count > 1 for _, count, _, _ in parts) == 199
    methods = Counter(m.split(":")[0] for (m,) in hanoi.execute("SELECT method FROM ward_successor WHERE share < 1"))
    assert set(methods) == {"estimate"}


def test_a_place_is_in_the_ward_of_the_day_and_an_estimate_says_so(hanoi: psycopg.Connection) -> None:
    old, new = ward_at(hanoi, *HOAN_KIEM, BEFORE), ward_at(hanoi, *HOAN_KIEM, SINCE)
    assert old is not None
    assert new is not None
    assert (new.name, new.method) == ("Phường Hoàn Kiếm", "estimate: nearest centroid")
    assert old.name == "Phường Hàng Trống"
    assert old.km < 1


def test_a_polygon_beats_the_nearest_centroid(db: psycopg.Connection) -> None:
    def square(code: str, west: float, east: float, hole: bool = False) -> Ward:  # noqa: FBT001, FBT002 — a test's own
        ring = ((west, 0.0), (east, 0.0), (east, 1.0), (west, 1.0), (west, 0.0))
        inner = ((west + 0.4, 0.4), (west + 0.6, 0.4), (west + 0.6, 0.6), (west + 0.4, 0.6), (west + 0.4, 0.4))
        return Ward(
            code=code, name=code, name_en=None, kind="ward", district=None, province="x", latitude=0.5,
            longitude=(west + east) / 2, area_km2=None, rings=(ring, inner) if hole else (ring,),
        )  # fmt: skip

    load_wards(db, [square("wide", 0, 9, hole=True), square("narrow", 9, 10)], [])
    placed = ward_at(db, 0.5, 8.9, SINCE)
    assert placed is not None
    assert (placed.code, placed.method) == ("wide", "polygon")
    in_hole = ward_at(db, 0.5, 0.5, SINCE)
    assert in_hole is not None
    assert in_hole.method == "estimate: nearest centroid"


def test_a_device_is_in_the_ward_it_names_as_long_as_that_holds(hanoi: psycopg.Connection) -> None:
    new = ward_at(hanoi, *HOAN_KIEM, SINCE)
    assert new is not None
    about_at = datetime.fromisoformat("2026-01-01T00:00:00Z")
    device(hanoi, "camera-a", ward_code=new.code, about_at=about_at)
    (placed,) = devices_by_ward(hanoi, date(2026, 3, 1))
    assert (placed.device, placed.name, placed.share, placed.method) == (
        "camera-a", "Phường Hoàn Kiếm", 1.0, "named by the device",
    )  # fmt: skip
    earlier = devices_by_ward(hanoi, BEFORE)
    assert sum(part.share for part in earlier) == pytest.approx(1)
    assert all(part.method.startswith("estimate") for part in earlier)


def test_a_code_that_was_used_again_means_the_ward_of_the_day_it_was_named_on(hanoi: psycopg.Connection) -> None:
    device(hanoi, "old", ward_code="00004", about_at=datetime.fromisoformat("2025-01-01T00:00:00Z"))
    device(hanoi, "new", ward_code="00004", about_at=datetime.fromisoformat("2026-01-01T00:00:00Z"))
    assert {p.name for p in devices_by_ward(hanoi, BEFORE) if p.device == "old"} == {"Phường Trúc Bạch"}
    assert {p.name for p in devices_by_ward(hanoi, SINCE)} == {"Phường Ba Đình"}


def test_a_device_of_a_divided_ward_is_split_by_estimate_or_placed_by_its_position(hanoi: psycopg.Connection) -> None:
    row = hanoi.execute(
        "SELECT old_code, array_agg(new_code), w.latitude, w.longitude FROM ward_successor"
        " JOIN ward w ON (w.code, w.valid_from) = (old_code, old_from)"
        " GROUP BY 1, 3, 4 HAVING count(*) = 3 ORDER BY 1"
    ).fetchone()
    assert row is not None
    code, heirs, latitude, longitude = row
    named = {"ward_code": code, "about_at": datetime.fromisoformat("2025-03-01T00:00:00Z")}
    device(hanoi, "unplaced", **named)
    device(hanoi, "placed", **named, latitude=latitude, longitude=longitude)
    told = devices_by_ward(hanoi, SINCE)
    parts = [p for p in told if p.device == "unplaced"]
    assert {p.code for p in parts} == set(heirs)
    assert sum(p.share for p in parts) == pytest.approx(1)
    (one,) = [p for p in told if p.device == "placed"]
    assert one.code in heirs
    assert one.method == "estimate: nearest centroid among those that follow from the ward it named"


def test_a_device_that_says_nothing_of_its_place_is_in_no_ward(hanoi: psycopg.Connection) -> None:
    device(hanoi, "lost")
    device(hanoi, "half", latitude=21.0)
    device(hanoi, "wrong", ward_code="no such code")
    assert devices_by_ward(hanoi, SINCE) == []


def test_a_ward_that_left_the_list_is_gone(hanoi: psycopg.Connection) -> None:
    city = CITIES / "hanoi"
    wards = read_wards(read_city(city / "city.yaml"), city)
    successors = read_successors(read_city(city / "city.yaml"), city, wards)
    kept = [ward for ward in wards if ward.code != "00097"]
    load_wards(hanoi, kept, [s for s in successors if s.new_code != "00097"])
    assert hanoi.execute("SELECT count(*) FROM ward").fetchone() == (len(kept),)
