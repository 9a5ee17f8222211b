"""Somebody tries to find a person in what is published."""

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from storage.open_data import PERSONAL, TRAFFIC
from storage.publish import publish_day
from storage.publish_package import issues_of, read_package
from storage.publish_tables import impersonal, write_tables
from tests.storage.conftest import PUBLISHED_AT, PUBLISHED_DAY, hour, incident

CLASSES = ("person", "bicycle", "car", "motorcycle")
PEOPLE = {"person", "bicycle"}
SMALLEST = 5
ASCII = st.characters(min_codepoint=32, max_codepoint=126)
COUNTS = st.dictionaries(
    st.tuples(st.sampled_from(CLASSES), st.sampled_from(("in", "out"))),
    st.tuples(st.integers(1, 12), st.one_of(st.none(), st.sampled_from((2.0, 4.0, 5.0, 8.0, 13.0)))),
    min_size=1,
    max_size=6,
)
COLUMNS = {  # all that is told, so that a column more is noticed
    "readings": {
        *("bucket", "device", "series", "unit", "n", "mean", "minimum", "maximum", "p50", "p95"),
        *("coverage", "good", "revision"),
    },
    "traffic": {
        *("bucket", "device", "camera", "zone", "class", "direction", "count", "suppressed", "speed", "occupancy"),
        *("queue", "pcu", "coverage", "trusted", "revision"),
    },
    "incidents": {"started", "kind", "severity", "minutes", "ward", "latitude", "longitude"},
    "quality": {
        *("device", "correct", "complete", "clean", "calibrated", "alive", "alive_limit", "delay", "well", "reasons"),
    },
    "devices": {"device", "latitude", "longitude", "ward", "method"},
}
Counts = dict[tuple[str, str], tuple[int, float | None]]
Row = dict[str, Any]


def rows_of(file: Path) -> list[Row]:
    with duckdb.connect() as fresh:
        table = fresh.execute(f"SELECT * FROM '{file}'")
        names = [column[0] for column in table.description or ()]
        return [dict(zip(names, row, strict=True)) for row in table.fetchall()]


def test_no_picture_no_plate_no_track_no_name(ready: psycopg.Connection, tmp_path: Path) -> None:
    ready.execute(
        "INSERT INTO incident_action (incident_id, who, action, note) VALUES ('01SECRET', 'tuyet', 'note', 'Ha')"
    )
    ready.execute(
        "INSERT INTO evidence (at, received, device_id, incident_id, camera, role, media_type, sha256, data)"
        " VALUES (now(), now(), 1, '01SECRET', 'a', 'still', 'image/jpeg', '', '\\xffd8ffe0')"
    )
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in files)
    for secret in (b"01SECRET", b"29A-12345", b"7777", b"21.0287123", b"23:17", b"tuyet", b"\xff\xd8\xff", b"ftypisom"):
        assert secret not in everything
    assert not re.search(rb"\b01[0-9A-HJKMNP-TV-Z]{24}\b", everything)  # ULIDs: incidents, streams
    assert not re.search(rb"\b\d{2}[A-Z]\d?-\d{3}\.?\d{2}\b", everything)  # Vietnamese number plates
    assert {path.suffix for path in files} == {".csv", ".parquet", ".geojson", ".json", ".jsonld"}
    told = {path.stem: set(rows_of(path)[0]) for path in files if path.suffix == ".parquet"}
    assert told == COLUMNS


@pytest.mark.parametrize("kind", ["pedestrian_on_road", "citizen_report", "object_detected"])
def test_an_incident_about_a_person_has_hour_and_ward_only(
    ready: psycopg.Connection, tmp_path: Path, kind: str
) -> None:
    incident(ready, "01PERSON", kind)
    ready.execute("UPDATE incident SET ended_at = started_at + interval '7 min 41.3 s'")
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    person, vehicle = sorted(
        rows_of(tmp_path / PUBLISHED_DAY.isoformat() / "r1" / "incidents.parquet"),
        key=lambda row: str(row["kind"] != kind),
    )
    assert (person["started"], person["latitude"], person["longitude"]) == (PUBLISHED_AT, None, None)
    assert person["ward"] is not None
    assert (person["minutes"], vehicle["minutes"]) == (8, 8)
    assert vehicle["started"] == PUBLISHED_AT + timedelta(minutes=23)
    assert (vehicle["latitude"], vehicle["longitude"]) == (21.029, 105.852)
    assert kind not in (tmp_path / PUBLISHED_DAY.isoformat() / "r1" / "incidents.geojson").read_text("utf-8")


@pytest.mark.parametrize("name", ["bus-29B-123.45", "bus_29b1-12345", "29-B1 123.45", "cam 01J9ZQ4V5M6N7P8R9S0TABCDEF"])
@pytest.mark.parametrize("well", [True, False])
def test_who_is_called_by_a_number_plate_or_a_ulid_is_left_out_and_the_package_says_how_many_rows(
    ready: psycopg.Connection, tmp_path: Path, name: str, *, well: bool
) -> None:
    ready.execute("UPDATE device SET name = %s WHERE id = 2", (name,))
    ready.execute("UPDATE quality_1d SET well = %s, reasons = %s WHERE device_id = 2", (well, [f"least: {name}/speed"]))
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert name.encode() not in b"".join(path.read_bytes() for path in files)
    issue = tmp_path / PUBLISHED_DAY.isoformat() / "r1"
    assert [row["device"] for row in rows_of(issue / "devices.parquet")] == ["good"]
    assert [row["device"] for row in rows_of(issue / "readings.parquet")] == ["good"]
    withheld = read_package(issue)["withheld"]
    assert withheld["devices"] == [{"device": None, "why": "1 rows, a name in them looks like a number plate"}]
    assert bool(withheld["readings"]) is well
    assert ready.execute("SELECT DISTINCT left_out FROM publication").fetchall() == [([2],)]


def test_a_reason_that_tells_a_number_plate_is_not_told(ready: psycopg.Connection, tmp_path: Path) -> None:
    ready.execute("UPDATE quality_1d SET reasons = '{least: 29B-123.45/speed 0%}' WHERE NOT well")
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    assert b"29B" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    withheld = read_package(tmp_path / PUBLISHED_DAY.isoformat() / "r1")["withheld"]
    assert withheld["readings"] == [{"device": "bad", "why": "not well"}]
    assert ready.execute("SELECT left_out FROM publication WHERE dataset = 'readings'").fetchone() == ([2],)


def test_names_that_only_remind_of_a_plate_stay(ready: psycopg.Connection, tmp_path: Path) -> None:
    for name in ("cam-29", "24h-2026", "pm10-2026-11", "70B3D57ED005A4B1", "TDC-K2-12345", "100m-123"):
        ready.execute("UPDATE device SET name = %s WHERE id = 1", (name,))
        publish_day(ready, tmp_path, PUBLISHED_DAY)
        table = rows_of(issues_of(tmp_path / PUBLISHED_DAY.isoformat())[-1] / "readings.parquet")
        assert {row["device"] for row in table} == {name}


PLATES = (
    *(
        "29A-123.45",
        "29a 12345",
        "29A.12345",
        "29-B1 123.45",
        "29 B1-123.45",
        "29LD-123.45",
        "80NG 123.45",
        "30F1-12345",
    ),
    *(
        "bus_29B-123.45",
        "(29B-123.45)",
        "29B-123.45/speed",
        "01J9ZQ4V5M6N7P8R9S0TABCDEF",
        "/01j9zq4v5m6n7p8r9s0tabcdef/",
    ),
)
NO_PLATES = (
    *("129A-123.45", "x29A-123.45", "29A-123456", "29ABC-123.45", "29A12-123.45", "2A-123.45", "29A-1234", "29A12345"),
    *(
        "x01J9ZQ4V5M6N7P8R9S0TABCDEF",
        "01J9ZQ4V5M6N7P8R9S0TABCDEF7",
        "01J9ZQ4V5M6N7P8R9S0TABCDE",
        "01J9ZQ4V5M6N7P8R9S0TABCDEL",
    ),
)


def reads_personal(conn: psycopg.Connection, text: str) -> set[bool]:
    """What PostgreSQL, Python and RE2, each of which reads the pattern somewhere, make of a text."""
    found = conn.execute("SELECT %s::text ~ %s", (text, PERSONAL)).fetchone()
    table = pa.table({"text": pa.array([text], pa.string())})
    return {bool(found and found[0]), re.search(PERSONAL, text) is not None, impersonal(table).num_rows == 0}


@pytest.mark.parametrize(("texts", "personal"), [(PLATES, True), (NO_PLATES, False)])
def test_what_reads_as_a_plate_or_a_ulid(db: psycopg.Connection, texts: tuple[str, ...], *, personal: bool) -> None:
    assert {text: reads_personal(db, text) for text in texts} == {text: {personal} for text in texts}


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.one_of(st.from_regex(PERSONAL, alphabet=ASCII), st.text(alphabet="019aBĐ-. \n", max_size=12)))
def test_whoever_reads_a_text_reads_the_same_in_it(db: psycopg.Connection, text: str) -> None:
    assert len(reads_personal(db, text)) == 1


@pytest.fixture
def an_hour(ready: psycopg.Connection, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Counts], list[Row]]:
    """Publish an hour of these counts; gives its rows."""

    def publish(counts: Counts) -> list[Row]:
        ready.execute("DELETE FROM traffic_1h")
        folder = tmp_path_factory.mktemp("open-data")
        timed = [(count, speed) for count, speed in counts.values() if speed]
        speed = sum(c for c, _ in timed) / sum(c / v for c, v in timed) if timed else None
        hour(ready, counts | {("", ""): (sum(count for count, _ in counts.values()), speed)})
        span = {"day": PUBLISHED_DAY, "lo": PUBLISHED_AT, "hi": PUBLISHED_AT + timedelta(hours=1), "smallest": SMALLEST}
        with ready.transaction():
            write_tables(ready, TRAFFIC, span, folder)
        return rows_of(folder / "traffic.parquet")

    return publish


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=COUNTS)
def test_by_no_arithmetic_can_a_small_count_of_people_be_had(
    an_hour: Callable[[Counts], list[Row]], counts: Counts
) -> None:
    """Whatever fits what is published could be true: of each suppressed count at least four values fit."""
    rows = an_hour(counts)
    told = {(row["class"] or "", row["direction"] or ""): row["count"] for row in rows}
    hidden = [key for key, count in told.items() if count is None and key != ("", "")]
    assert set(hidden) == {key for key, (count, _) in counts.items() if key[0] in PEOPLE and count < SMALLEST}
    shown = sum(count for key, count in told.items() if count is not None and key != ("", ""))
    fitting = [
        guess
        for guess in product(range(1, SMALLEST), repeat=len(hidden))
        if told["", ""] is None or told["", ""] == shown + sum(guess)
    ]
    for index in range(len(hidden)):
        assert {guess[index] for guess in fitting} == set(range(1, SMALLEST))
    assert all(row["pcu"] is None and row["speed"] is None for row in rows if row["count"] is None)
    assert all(row["suppressed"] is (row["count"] is None) for row in rows)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=COUNTS)
@example({("car", "in"): (1, 8.0), ("motorcycle", "in"): (10, 4.0)})
def test_no_speed_of_fewer_than_five_can_be_had_not_even_by_subtraction(
    an_hour: Callable[[Counts], list[Row]], counts: Counts
) -> None:
    rows = {(row["class"] or "", row["direction"] or ""): row for row in an_hour(counts)}
    whole = rows.pop(("", ""))
    for key, row in rows.items():
        assert row["speed"] is None or counts[key][0] >= SMALLEST
    if whole["speed"] is not None:  # whoever subtracts the known from the whole gets the mean of these
        unknown = sum(count for key, (count, speed) in counts.items() if speed and rows[key]["speed"] is None)
        assert unknown == 0 or unknown >= SMALLEST


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(counts=st.dictionaries(st.tuples(st.sampled_from(CLASSES), st.just("in")), st.just((SMALLEST, 4.0)), min_size=1))
def test_what_is_not_few_is_told(an_hour: Callable[[Counts], list[Row]], counts: Counts) -> None:
    rows = {(row["class"] or "", row["direction"] or ""): row for row in an_hour(counts)}
    assert {key: (row["count"], row["speed"]) for key, row in rows.items()} == {
        **counts, ("", ""): (SMALLEST * len(counts), pytest.approx(4.0)),
    }  # fmt: skip
    assert rows["", ""]["pcu"] is not None


ELSEWHERE = {
    "hour": "bucket + interval '1 hour', device_id, camera, zone",
    "device": "bucket, 2, camera, zone",
    "camera": "bucket, device_id, 'b', zone",
    "zone": "bucket, device_id, camera, 'stop line'",
}


@pytest.mark.parametrize("where", ELSEWHERE.values(), ids=ELSEWHERE)
@pytest.mark.parametrize("few", [("car", "in"), ("person", "in")])
def test_few_here_are_not_made_many_by_as_few_elsewhere(
    ready: psycopg.Connection, tmp_path: Path, where: str, few: tuple[str, str]
) -> None:
    """Three and three are six, but whoever knows the rest of one place has the mean of three."""
    ready.execute("DELETE FROM traffic_1h")
    ready.execute("UPDATE quality_1d SET well = true")
    hour(ready, {("", ""): (53, 4.1), ("motorcycle", "in"): (50, 4.0), few: (3, 8.0)})
    copied = "class, direction, count, speed_mps, seconds, coverage, trusted"
    ready.execute(
        f"INSERT INTO traffic_1h (bucket, device_id, camera, zone, {copied})"
        f" SELECT {where}, {copied} FROM traffic_1h".encode()
    )
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    rows = rows_of(tmp_path / PUBLISHED_DAY.isoformat() / "r1" / "traffic.parquet")
    assert len(rows) == 6
    assert {(row["class"], row["speed"]) for row in rows} == {(None, None), (few[0], None), ("motorcycle", 4.0)}


@pytest.mark.parametrize(("says", "told"), [("10", {None, 10}), (None, {None, 5, 9, 10})])
def test_what_is_few_is_what_the_city_says_and_else_five(
    ready: psycopg.Connection, tmp_path: Path, says: str | None, told: set[int | None]
) -> None:
    ready.execute("DELETE FROM city WHERE key = 'smallest_count'")
    if says is not None:
        ready.execute("INSERT INTO city (key, value) VALUES ('smallest_count', %s)", (says,))
    ready.execute("DELETE FROM traffic_1h")
    people = {("person", str(count)): (count, 1.0) for count in (4, 5, 9, 10)}
    hour(ready, {("", ""): (28, 1.0), **people})
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    rows = rows_of(tmp_path / PUBLISHED_DAY.isoformat() / "r1" / "traffic.parquet")
    assert {row["count"] for row in rows} == told


def test_few_at_one_place_hide_nothing_of_another(ready: psycopg.Connection, tmp_path: Path) -> None:
    ready.execute("DELETE FROM traffic_1h")
    hour(ready, {("", ""): (53, 4.1), ("car", "in"): (50, 4.0), ("person", "in"): (3, 8.0)})
    for where in ELSEWHERE.values():
        ready.execute(
            "INSERT INTO traffic_1h (bucket, device_id, camera, zone, class, direction, count, speed_mps, seconds,"
            f" coverage, trusted) SELECT {where}, class, direction, 50, 4, seconds, coverage, trusted FROM traffic_1h"
            " WHERE class <> 'person' AND count IN (50, 53) AND camera = 'a' AND zone = 'gate' AND device_id = 1"
            " AND bucket = %s".encode(),
            (PUBLISHED_AT,),
        )
    ready.execute("UPDATE quality_1d SET well = true")
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    rows = rows_of(tmp_path / PUBLISHED_DAY.isoformat() / "r1" / "traffic.parquet")
    assert sum(row["suppressed"] for row in rows) == 2
    assert sum(row["count"] == 50 and row["speed"] == 4 for row in rows) == 1 + 2 * len(ELSEWHERE)


def test_the_order_of_incidents_tells_neither_which_was_first_nor_which_number_they_have(
    ready: psycopg.Connection, tmp_path: Path
) -> None:
    ready.execute("DELETE FROM incident")
    for name, minutes, longitude in (("01X1", -20, 105.79), ("01X2", 20, 105.8524)):
        incident(ready, name, "citizen_report")
        ready.execute(
            "UPDATE incident SET started_at = started_at + %s * interval '1 min', longitude = %s WHERE id = %s",
            (minutes, longitude, name),
        )
    publish_day(ready, tmp_path, PUBLISHED_DAY)
    rows = rows_of(tmp_path / PUBLISHED_DAY.isoformat() / "r1" / "incidents.parquet")
    assert {row["started"] for row in rows} == {PUBLISHED_AT}
    wards = [row["ward"] for row in rows]
    assert wards == sorted(set(wards))
    assert len(wards) == 2
