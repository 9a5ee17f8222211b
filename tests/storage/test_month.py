"""A month that was loaded, broken, late and corrected gives the answers of a plain DuckDB over what was said."""

import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from ngatu.month.checks import checks
from ngatu.month.compare import Compared
from ngatu.month.report import Report
from ngatu.month.run import Month, not_stored_once

pytestmark = [pytest.mark.slow, pytest.mark.timeout(800)]


@pytest.fixture(scope="module")
def conn(month: Month) -> Iterator[psycopg.Connection]:
    with psycopg.connect(month.place.dsn, autocommit=True, options="-c timezone=UTC") as found:
        yield found


@pytest.fixture(scope="module")
def verified(month: Month) -> Report:
    return month.verify()


def check(month: Month, conn: psycopg.Connection, name: str, folder: Path | None = None) -> Compared:
    known = dict(checks(month.plan.days, month.moments, folder or month.place.open_data))
    return known[name](conn, month.raw)


def test_every_number_is_that_of_plain_duckdb(verified: Report) -> None:
    assert verified.verdict() == []
    names = {one.name for one in verified.compared}
    assert names >= {"reading_15m", "zone_1h", "flow_1d", "incident_1d", "traffic by ward of 2025-06-30", "open data"}
    assert all(one.rows > 20 for one in verified.compared)


def test_the_month_was_broken_on_the_way(verified: Report) -> None:
    assert verified.ingest_kills == 2
    assert verified.dag_kills >= 1
    assert verified.late_readings > 1000
    assert verified.recomputed_buckets > 20
    assert verified.reissued >= 5


# One published number each, changed behind everybody's back: which comparison must notice it, how many numbers it must
# find wrong, and what it must say.
CHANGED = {
    "a mean": ("reading_1h", "UPDATE reading_1h SET mean = mean + 0.001 {one}", {1}, "mean .*, by DuckDB"),
    "a percentile": ("reading_15m", "UPDATE reading_15m SET p95 = p95 + 0.01 {one}", {1}, "p95 .*, by DuckDB"),
    "a coverage": ("reading_1d", "UPDATE reading_1d SET coverage = coverage / 2 {one}", {1}, "coverage .*, by DuckDB"),
    "a count": ("flow_1h", "UPDATE traffic_1h SET count = count + 1 {one}", {1}, "count .*, by DuckDB"),
    "a queue": ("zone_1d", "UPDATE traffic_1d SET queue = NULL {one}", {1}, "queue None, by DuckDB"),
    "a bucket gone": ("reading_1h", "DELETE FROM reading_1h {one}", {9}, "is missing; by DuckDB n"),
    "a bucket too many": (
        "reading_1d",
        """INSERT INTO reading_1d (bucket, series_id, n, mean, minimum, maximum, p50, p95, good)
        VALUES ('2025-01-01', 1, 1, 1, 1, 1, 1, 1, 1)""",
        {9},
        "is ours alone",
    ),
    "an incident": ("incident_1d", "UPDATE incident_1d SET ended = ended + 1 {one}", {1}, "ended .*, by DuckDB"),
    "what was seen": (
        "reading_1d as seen on 30 June", "DELETE FROM reading_1d_revision {one}", {9}, "is missing; by DuckDB n",
    ),
    "a ward": (
        "traffic by ward of 2025-07-01", "UPDATE traffic_1d SET count = count + 9 {one}", {1, 2}, "count .*, by DuckDB",
    ),
}  # fmt: skip
ONE = {
    "flow_1h": "class = 'car'",
    "zone_1d": "class = '' AND queue > 0",
    "traffic by ward of 2025-07-01": """class = 'car' AND device_id IN (
        SELECT device_id FROM device_ward('2025-07-01') GROUP BY device_id HAVING count(*) = 1)""",
}


@pytest.mark.parametrize(("name", "change", "differing", "told"), CHANGED.values(), ids=CHANGED)
def test_one_number_changed_on_purpose_is_found_and_named(
    month: Month, conn: psycopg.Connection, name: str, change: str, differing: set[int], told: str
) -> None:
    table = change.removeprefix("DELETE FROM ").removeprefix("UPDATE ").split()[0]
    seen = month.moments[0].clock
    only = f"computed_at <= '{seen}' AND replaced_at > '{seen}'" if "revision" in table else ONE.get(name, "true")
    one = f"WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM {table} WHERE {only} ORDER BY bucket DESC LIMIT 1)"
    with conn.transaction(force_rollback=True):
        assert conn.execute(change.format(one=one).encode()).rowcount == 1
        found = check(month, conn, name)
    assert found.differing in differing
    assert re.search(f"^{re.escape(name)}: 20.*{told}", found.examples[0])


def test_a_published_file_with_another_number_is_found(month: Month, conn: psycopg.Connection, tmp_path: Path) -> None:
    shutil.copytree(month.place.open_data, tmp_path / "copy")
    day, revision, _ = month.moments[-1].issues[-1]
    file = tmp_path / "copy" / day.isoformat() / f"r{revision}" / "readings.csv"
    lines = file.read_text("utf-8").splitlines()
    cells = lines[1].split(",")
    cells[4] = str(int(cells[4]) + 1)
    file.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]), "utf-8")
    found = check(month, conn, "open data", tmp_path / "copy")
    assert (found.differing, len(found.examples)) == (1, 1)
    assert f"n {cells[4]}" in found.examples[0]


def test_a_reading_that_is_lost_or_rejected_is_told(month: Month, conn: psycopg.Connection) -> None:
    with conn.transaction(force_rollback=True):
        conn.execute("DELETE FROM reading WHERE (tableoid, ctid) = (SELECT tableoid, ctid FROM reading LIMIT 1)")
        (told,) = not_stored_once(conn, month.raw)
    assert re.search("^[0-9]+ readings in the database, [0-9]+ are due$", told)


def test_a_month_that_was_not_broken_proves_nothing(verified: Report) -> None:
    unbroken = replace(verified, late_readings=0, dag_kills=0, compared=())
    assert unbroken.verdict() == [
        "nothing was compared",
        "nothing came late, take more days",
        "no run of a DAG was killed at work",
    ]
