"""The aggregates' DAGs, run by Airflow on a real database."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest

from storage.late import late_bounds, mark_late

START = datetime(2026, 3, 2, 0, 2, tzinfo=UTC)
TABLES = ["reading_15m", "reading_1h", "reading_1d", "traffic_15m", "traffic_1h", "traffic_1d"]


@pytest.fixture
def conn(connected: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(connected, autocommit=True) as conn:
        conn.execute("INSERT INTO device (name, first_seen) VALUES ('camera-a', '2026-01-01Z')")
        conn.execute("INSERT INTO series (device_id, name, period_s) VALUES (1, 'cpu/load1', 60)")
        conn.execute(
            "INSERT INTO reading (at, received, value, series_id)"
            " SELECT t, t, extract(minute FROM t), 1 FROM generate_series(%s, %s, interval '1 min') t",
            (START - timedelta(minutes=62), START),
        )
        conn.execute(
            "INSERT INTO traffic"
            " (at, received, device_id, count, seconds, speed_mps, trusted, camera, zone, class, direction)"
            " SELECT t, t, 1, 3, 60, 10, true, 'a', 'gate', 'car', 'in'"
            " FROM generate_series(%s, %s, interval '1 min') t",
            (START - timedelta(minutes=62), START),
        )
        yield conn


def rows(conn: psycopg.Connection, table: str) -> list[tuple[Any, ...]]:
    return conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3, 4, 5, 6".encode()).fetchall()


def run(dag: Any, end: datetime, **more: Any) -> dict[str, Any]:
    """Run `dag` for the interval that ends at `end`; give what each task returned."""
    dag.deadline = None  # Airflow 3.3's dag.test() takes it for the number of a stored one
    done = dag.test(logical_date=end, run_after=end, **more)
    assert done.state == "success"
    return {ti.task_id: ti.xcom_pull(task_ids=ti.task_id) for ti in done.get_task_instances()}


def test_running_the_aggregates_twice_gives_the_same_rows(
    conn: psycopg.Connection, dag_of: Callable[[str], Any]
) -> None:
    dag = dag_of("aggregates")
    told = run(dag, START)
    first = {table: rows(conn, table) for table in TABLES}
    assert [len(first[table]) for table in TABLES] == [4, 1, 1, 8, 2, 2]
    assert told["buckets_15m"] == {"read": 120, "written": 12, "changed": 0}
    again = run(dag, START)
    assert {table: rows(conn, table) for table in TABLES} == first
    assert again["buckets_15m"] == {"read": 30, "written": 0, "changed": 0}  # its own quarter of an hour, once more


def test_running_late_twice_computes_what_was_marked_once(
    conn: psycopg.Connection, dag_of: Callable[[str], Any]
) -> None:
    run(dag_of("aggregates"), START)
    with conn.transaction():
        bounds = late_bounds(conn, "reading")
        at = START - timedelta(minutes=40)
        conn.execute("INSERT INTO reading (at, received, value, series_id) VALUES (%s, now(), 600, 1)", (at,))
        mark_late(conn, "reading", np.array([1]), np.array([int(at.timestamp()) * 1_000_000]), bounds)
    dag = dag_of("late")
    assert run(dag, START)["recompute"] == {"read": 16 + 61 + 61, "written": 3, "changed": 3}
    first = {table: rows(conn, table) for table in TABLES}
    assert [row[5] for row in first["reading_15m"]] == [14, 600, 44, 59]
    assert run(dag, START)["recompute"] == {"read": 0, "written": 0, "changed": 0}
    assert {table: rows(conn, table) for table in TABLES} == first


def test_a_range_is_computed_again_by_hand(conn: psycopg.Connection, dag_of: Callable[[str], Any]) -> None:
    run(dag_of("aggregates"), START)
    before = {table: rows(conn, table) for table in TABLES}
    conn.execute("DELETE FROM traffic_15m")
    conn.execute("UPDATE reading_15m SET mean = 0")
    params = {"start": (START - timedelta(days=1)).isoformat(), "end": START.isoformat()}
    first = run(dag_of("backfill"), START, run_conf=params)["compute"]
    assert first["written"] == 8 + 4
    assert first["changed"] == 4
    assert [row[3] for row in rows(conn, "reading_15m")] == [row[3] for row in before["reading_15m"]]
    assert run(dag_of("backfill"), START, run_conf=params)["compute"]["written"] == 0


@pytest.mark.usefixtures("conn")
def test_a_closed_day_is_scored_and_published_once(
    dag_of: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_NGATU_OPEN_DATA", str(tmp_path))
    run(dag_of("aggregates"), START)
    assert run(dag_of("quality"), START)["score"]["written"] == 1
    assert run(dag_of("quality"), START)["score"]["written"] == 0
    assert run(dag_of("publication"), START)["publish"]["issues"] == 1
    assert run(dag_of("publication"), START)["publish"]["issues"] == 0
    issued = tmp_path / "2026-03-01" / "r1"
    assert (issued / "devices.parquet").is_file()
    assert not (issued / "readings.parquet").exists()  # an hour of a day is not what was due
    assert json.loads((issued / "datapackage.json").read_text())["withheld"]["readings"]


@pytest.mark.usefixtures("conn")
@pytest.mark.parametrize("name", ["incidents", "retention"])
def test_the_other_dags_run_twice(name: str, dag_of: Callable[[str], Any]) -> None:
    first, second = run(dag_of(name), START), run(dag_of(name), START)
    assert first.keys() == second.keys()
    assert not any(chain.from_iterable(t.values() if isinstance(t, dict) else [t] for t in second.values()))
