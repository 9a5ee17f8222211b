"""Open data: whole, once, readable by others, and nobody in it."""

import hashlib
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from ngatu.city_lists import load_city
from storage.publish import publish_day, publish_due_days

DAY = date(2026, 3, 2)
AT = datetime(2026, 3, 2, 3, tzinfo=UTC)


@pytest.fixture
def conn(db: psycopg.Connection, dsn: str) -> psycopg.Connection:
    load_city(dsn, "hanoi")
    db.execute(
        "INSERT INTO device (name, latitude, longitude) VALUES ('good', 21.0287, 105.8524), ('bad', 21.03, 105.85)"
    )
    db.execute("INSERT INTO series (device_id, name, unit) VALUES (1, 'air/pm25', 'ug/m3'), (2, 'air/pm25', 'ug/m3')")
    db.execute(
        "INSERT INTO quality_1d (day, device_id, correct, n, missing, explained, well, score, reasons)"
        " VALUES (%(day)s, 1, 1, 9, 0, 0, true, 1, '{}'), (%(day)s, 2, 0.5, 9, 0, 0, false, 0.5, '{correct: 50%%}')",
        {"day": DAY},
    )
    for series in (1, 2):
        db.execute(
            "INSERT INTO reading_1h (bucket, series_id, n, mean, minimum, maximum, p50, p95, coverage, good)"
            " VALUES (%s, %s, 60, 12.5, 1, 20, 12, 19, 1, 1)",
            (AT, series),
        )
    for klass, direction, count in [("", "", 103), ("car", "in", 100), ("person", "in", 3)]:
        db.execute(
            "INSERT INTO traffic_1h (bucket, device_id, camera, zone, class, direction, count, speed_mps, pcu, seconds,"
            " coverage, trusted) VALUES (%s, 1, 'a', 'gate', %s, %s, %s, 4, %s, 3600, 1, 1)",
            (AT, klass, direction, count, None if klass else 101.0),
        )
    db.execute(
        "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
        " confidence, place, latitude, longitude, why, tracks, received, changed)"
        " VALUES ('01SECRET', 1, 1, 'stopped_vehicle', 'open', 'major', 'a', %(at)s, %(at)s, %(at)s, 0.9, '{}',"
        " 21.028712345, 105.85241234, '{\"plate\": \"29A-12345\"}', '{7777}', now(), now())",
        {"at": AT + timedelta(seconds=17)},
    )
    return db


def issue(folder: Path, revision: int = 1) -> Path:
    return folder / DAY.isoformat() / f"r{revision}"


def read(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as fresh:
        fresh.execute("SET TimeZone = 'UTC'")
        return fresh.execute(query).fetchall()


def test_a_day_is_issued_once_and_again_only_when_it_was_corrected(conn: psycopg.Connection, tmp_path: Path) -> None:
    assert publish_due_days(conn, tmp_path)["issues"] == 1
    assert publish_due_days(conn, tmp_path) == {"issues": 0, "rows": 0}
    assert publish_day(conn, tmp_path, DAY) is None
    conn.execute("UPDATE reading_1h SET mean = 13, revision = 2, computed_at = now()")
    assert publish_day(conn, tmp_path, DAY) is not None
    assert sorted(path.name for path in (tmp_path / DAY.isoformat()).iterdir()) == ["r1", "r2"]
    assert read(f"SELECT mean, revision FROM '{issue(tmp_path, 2)}/readings.csv'") == [(13, 2)]
    assert conn.execute("SELECT max(revision) FROM publication").fetchone() == (2,)


def test_a_fresh_reader_finds_the_same_in_csv_and_parquet(conn: psycopg.Connection, tmp_path: Path) -> None:
    publish_day(conn, tmp_path, DAY)
    for name in ("readings", "traffic", "incidents", "quality", "devices"):
        csv, parquet = (read(f"SELECT * FROM '{issue(tmp_path)}/{name}.{suffix}'") for suffix in ("csv", "parquet"))
        assert len(csv) == len(parquet) > 0
    told = read(f"SELECT bucket, device, series, unit, mean FROM '{issue(tmp_path)}/readings.parquet'")
    assert told == [(AT, "good", "air/pm25", "ug/m3", 12.5)]


def test_a_device_that_was_not_well_is_left_out_and_the_package_says_why(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    publish_day(conn, tmp_path, DAY)
    assert read(f"SELECT DISTINCT device FROM '{issue(tmp_path)}/readings.csv'") == [("good",)]
    package = json.loads((issue(tmp_path) / "datapackage.json").read_text("utf-8"))
    assert package["withheld"] == ["bad: correct: 50%"]
    assert package["licenses"] == [{"name": "CC-BY-4.0"}]


def test_the_packages_checksums_and_columns_are_those_of_the_files(conn: psycopg.Connection, tmp_path: Path) -> None:
    publish_day(conn, tmp_path, DAY)
    package = json.loads((issue(tmp_path) / "datapackage.json").read_text("utf-8"))
    assert {resource["path"] for resource in package["resources"]} == {
        path.name for path in issue(tmp_path).iterdir() if path.name != "datapackage.json"
    }
    for resource in package["resources"]:
        content = (issue(tmp_path) / resource["path"]).read_bytes()
        assert resource["hash"] == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert resource["bytes"] == len(content)
        if "schema" in resource:
            header = content.decode().splitlines()[0].replace('"', "").split(",")
            assert [field["name"] for field in resource["schema"]["fields"]] == header


def test_the_catalogue_names_every_file_of_the_latest_issue(conn: psycopg.Connection, tmp_path: Path) -> None:
    publish_day(conn, tmp_path, DAY)
    catalogue = json.loads((tmp_path / "catalog.jsonld").read_text("utf-8"))
    assert catalogue["@type"] == "dcat:Catalog"
    distributions = [d for dataset in catalogue["dcat:dataset"] for d in dataset["dcat:distribution"]]
    assert len(distributions) == 10
    for distribution in distributions:
        content = (tmp_path / distribution["dcat:downloadURL"]["@id"]).read_bytes()
        assert distribution["spdx:checksum"]["spdx:checksumValue"] == hashlib.sha256(content).hexdigest()


def test_nobody_can_be_found_in_it(conn: psycopg.Connection, tmp_path: Path) -> None:
    publish_day(conn, tmp_path, DAY)
    everything = b"".join(path.read_bytes() for path in issue(tmp_path).iterdir())
    for secret in (b"01SECRET", b"29A-12345", b"7777", b"21.0287123", b"03:00:17"):
        assert secret not in everything
    told = read(
        f"SELECT class, count, suppressed, speed, pcu FROM '{issue(tmp_path)}/traffic.parquet' ORDER BY 1 NULLS FIRST"
    )
    assert told == [(None, None, True, None, None), ("car", 100, False, 4, None), ("person", None, True, None, None)]


def test_nothing_is_left_of_an_issue_that_failed(conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("ALTER TABLE publication ADD CHECK (rows < 0)")
    with pytest.raises(psycopg.errors.CheckViolation):
        publish_day(conn, tmp_path, DAY)
    conn.execute("ALTER TABLE publication DROP CONSTRAINT publication_rows_check")
    assert publish_day(conn, tmp_path, DAY) is not None
    assert read(f"SELECT count(*) FROM '{issue(tmp_path)}/readings.csv'") == [(1,)]
