"""Open data: whole, once, readable by others, and nobody in it."""

import hashlib
import json
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest

from storage.incident_days import count_incidents
from storage.publish import publish_day, publish_due_days
from tests.storage.conftest import PUBLISHED_AT as AT
from tests.storage.conftest import PUBLISHED_DAY as DAY
from tests.storage.conftest import hour, incident


@pytest.fixture
def conn(ready: psycopg.Connection) -> psycopg.Connection:
    return ready


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
    for device, name in ((1, "GOOD"), (2, "BAD")):
        incident(conn, name, "congestion")
        conn.execute("UPDATE incident SET device_id = %s, severity = %s WHERE id = %s", (device, name.lower(), name))
    hour(conn, {("", ""): (50, 4.0)}, AT + timedelta(hours=1))
    conn.execute("UPDATE traffic_1h SET device_id = 2 WHERE count = 50")
    publish_day(conn, tmp_path, DAY)
    assert read(f"SELECT DISTINCT device FROM '{issue(tmp_path)}/readings.csv'") == [("good",)]
    assert read(f"SELECT DISTINCT device FROM '{issue(tmp_path)}/traffic.csv'") == [("good",)]
    told = read(f"SELECT severity FROM '{issue(tmp_path)}/incidents.csv' WHERE kind = 'congestion'")
    assert told == [("good",)]
    package = json.loads((issue(tmp_path) / "datapackage.json").read_text("utf-8"))
    assert package["withheld"]["readings"] == [{"device": "bad", "why": "correct: 50%"}]
    assert package["withheld"]["quality"] == package["withheld"]["devices"] == []  # there it is told
    assert package["licenses"] == [{"name": "CC-BY-4.0", "path": "https://spdx.org/licenses/CC-BY-4.0"}]
    recorded = "SELECT withheld, left_out FROM publication WHERE dataset = 'readings'"
    assert conn.execute(recorded).fetchone() == (["bad: correct: 50%"], [2])


def test_a_dataset_of_which_too_few_devices_were_well_is_withheld_as_a_whole_and_says_why(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    publish_day(conn, tmp_path, DAY)
    conn.execute(
        "UPDATE quality_1d SET well = false, reasons = '{alive: silent}', computed_at = now() WHERE device_id = 1"
    )
    assert publish_due_days(conn, tmp_path)["issues"] == 1
    names = {path.name for path in issue(tmp_path, 2).iterdir()}
    assert {"readings.csv", "traffic.parquet"}.isdisjoint(names)
    assert {"incidents.csv", "quality.csv", "devices.csv"} <= names
    package = json.loads((issue(tmp_path, 2) / "datapackage.json").read_text("utf-8"))
    assert package["withheld"]["readings"][0] == {
        "device": None, "why": "0 of 2 devices were well, at least 50% must be",
    }  # fmt: skip
    recorded = "SELECT sha256, rows, withheld[1] FROM publication WHERE dataset = 'readings' AND revision = 2"
    assert conn.execute(recorded).fetchone() == (None, 0, "0 of 2 devices were well, at least 50% must be")
    catalogue = json.loads((tmp_path / "catalog.jsonld").read_text("utf-8"))
    (readings,) = [found for found in catalogue["dcat:dataset"] if found["@id"] == "#readings"]
    assert readings["dcat:distribution"] == []


def test_what_nobody_measured_is_withheld_and_not_an_empty_table(conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("DELETE FROM traffic_1d")
    publish_day(conn, tmp_path, DAY)
    assert not (issue(tmp_path) / "traffic.csv").exists()
    package = json.loads((issue(tmp_path) / "datapackage.json").read_text("utf-8"))
    assert package["withheld"]["traffic"][0] == {"device": None, "why": "nothing was measured"}


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
    assert len(distributions) == 12  # five tables twice, two of them with places
    for distribution in distributions:
        content = (tmp_path / distribution["dcat:downloadURL"]["@id"]).read_bytes()
        assert distribution["spdx:checksum"]["spdx:checksumValue"]["@value"] == hashlib.sha256(content).hexdigest()


def test_an_incident_that_turns_out_false_is_a_correction(conn: psycopg.Connection, tmp_path: Path) -> None:
    assert publish_due_days(conn, tmp_path)["issues"] == 1
    assert len(read(f"SELECT * FROM '{issue(tmp_path)}/incidents.csv'")) == 1
    conn.execute("UPDATE publication SET checked_at = now() - interval '1 day'")
    conn.execute("UPDATE quality_1d SET computed_at = now() - interval '2 days'")
    conn.execute("INSERT INTO incident_action (incident_id, who, action) VALUES ('01SECRET', 'lan', 'false_alarm')")
    assert publish_due_days(conn, tmp_path)["issues"] == 0  # it has not been counted yet
    count_incidents(conn)
    assert publish_due_days(conn, tmp_path)["issues"] == 1
    assert read(f"SELECT * FROM '{issue(tmp_path, 2)}/incidents.csv'") == []
    assert len(read(f"SELECT * FROM '{issue(tmp_path)}/incidents.csv'")) == 1
    conn.execute("INSERT INTO incident_action (incident_id, who, action) VALUES ('01SECRET', 'lan', 'reopen')")
    publish_day(conn, tmp_path, DAY)
    assert len(read(f"SELECT * FROM '{issue(tmp_path, 3)}/incidents.csv'")) == 1


def test_nothing_is_left_of_an_issue_that_failed(conn: psycopg.Connection, tmp_path: Path) -> None:
    conn.execute("DROP TABLE incident_action")
    with pytest.raises(psycopg.errors.UndefinedTable):
        publish_day(conn, tmp_path, DAY)
    assert list(tmp_path.rglob("*.csv")) == []
    assert conn.execute("SELECT count(*) FROM publication").fetchone() == (0,)


def test_an_issue_that_could_not_be_recorded_is_recorded_by_the_next_run_and_kept_as_it_is(
    conn: psycopg.Connection, tmp_path: Path
) -> None:
    conn.execute("ALTER TABLE publication ADD CONSTRAINT broken CHECK (rows < 0)")
    with pytest.raises(psycopg.errors.CheckViolation):
        publish_day(conn, tmp_path, DAY)
    content = {path.name: path.read_bytes() for path in issue(tmp_path).iterdir()}
    conn.execute("ALTER TABLE publication DROP CONSTRAINT broken")
    assert publish_due_days(conn, tmp_path)["issues"] == 0
    assert {path.name: path.read_bytes() for path in issue(tmp_path).iterdir()} == content
    told = conn.execute("SELECT DISTINCT revision, published_at < now() FROM publication").fetchall()
    assert told == [(1, True)]
    assert (tmp_path / "catalog.jsonld").is_file()


def test_a_folder_that_was_lost_is_filled_again_under_new_numbers(conn: psycopg.Connection, tmp_path: Path) -> None:
    publish_due_days(conn, tmp_path / "old")
    assert publish_due_days(conn, tmp_path / "new")["issues"] == 1
    assert [path.name for path in (tmp_path / "new" / DAY.isoformat()).iterdir()] == ["r2"]


@pytest.mark.parametrize("held", [3, 6, 7, 8, 9, 10])
def test_killed_at_any_step_a_reader_sees_a_whole_day_or_none_and_the_next_run_completes_it(
    conn: psycopg.Connection, dsn: str, tmp_path: Path, held: int
) -> None:
    """The run is held at its n-th write to the disk, looked at, and killed there."""
    run = subprocess.Popen(
        [sys.executable, "-c", HELD, dsn, str(tmp_path), str(held)], stdout=subprocess.PIPE, text=True
    )
    assert run.stdout is not None
    told = run.stdout.readline().strip()
    whole = _whole(tmp_path)
    run.send_signal(signal.SIGKILL)
    run.wait()
    run.stdout.close()
    assert told == "held"
    assert whole in ([], ["r1"])
    deadline = time.monotonic() + 20
    while conn.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone() != (0,):
        assert time.monotonic() < deadline
    publish_due_days(conn, tmp_path)
    assert _whole(tmp_path) == ["r1"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert conn.execute("SELECT count(*), max(revision) FROM publication").fetchone() == (5, 1)


HELD = """
import os, sys, time
from pathlib import Path
import psycopg
from storage import publish, publish_catalogue, publish_package, publish_tables
dsn, folder, held = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
steps = 0
def counted(module, name):
    real = getattr(module, name)
    def step(*args):
        global steps
        steps += 1
        if steps == held:
            print("held", flush=True)
            time.sleep(60)
        return real(*args)
    setattr(module, name, step)
counted(publish, "write_tables"); counted(publish, "write_package"); counted(publish, "_put")
counted(publish, "_record"); counted(publish, "write_catalogue"); counted(publish_catalogue, "write_json")
with psycopg.connect(dsn, autocommit=True) as conn:
    publish.publish_due_days(conn, folder)
print("done", flush=True)
"""


def _whole(folder: Path) -> list[str]:
    """The issues that a reader finds, each checked against its package."""
    names = []
    for made in sorted((folder / DAY.isoformat()).glob("[!.]*")):
        package = json.loads((made / "datapackage.json").read_text("utf-8"))
        for resource in package["resources"]:
            assert resource["hash"] == f"sha256:{hashlib.sha256((made / resource['path']).read_bytes()).hexdigest()}"
        names.append(made.name)
    return names
