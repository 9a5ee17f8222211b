"""The real scheduler, executor, api-server, dag-processor and triggerer: what a fresh installation does by itself."""

import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest

from ngatu.home import CHECKOUT
from ngatu.process.child import Child
from ngatu.process.guard import Guard
from storage.late import late_bounds, mark_late
from tests.dags.running import running_airflow
from tests.servers import PostgresServer, WaitFor

HISTORY = """
    INSERT INTO reading (at, received, value, series_id)
    SELECT t, now(), 20, 1 FROM generate_series(now() - interval '2 days', now(), interval '5 min') t
    RETURNING (extract(epoch FROM at) * 1e6)::bigint
"""


TROUBLE = """
from datetime import timedelta
import time
from airflow.sdk import dag, task
from dags.alarm import due_within, failed

@dag(schedule="@once", is_paused_upon_creation=False, default_args={"on_failure_callback": failed})
def breaks():
    @task
    def divide():
        return 1 / 0
    divide()

@dag(schedule="@once", is_paused_upon_creation=False, deadline=due_within(timedelta(seconds=6)))
def dawdles():
    @task
    def wait():
        time.sleep(60)
    wait()

BREAKS, DAWDLES = breaks(), dawdles()
"""


@pytest.fixture
def dags() -> Path:
    """The folder of DAG files: ours, unless a test says otherwise."""
    return CHECKOUT / "dags"


@dataclass(frozen=True, slots=True)
class Airflow:
    """A running one: its processes, and what it keeps."""

    processes: dict[str, Child]
    metadata: psycopg.Connection

    def set_off(self) -> set[str]:
        """The DAGs of which an event, not the clock, made a run that has succeeded."""
        query = "SELECT dag_id FROM dag_run WHERE run_type = 'asset_triggered' AND state = 'success'"
        return {dag for (dag,) in self.metadata.execute(query)}


@pytest.fixture
def airflow(postgres_server: PostgresServer, dsn: str, guard: Guard, tmp_path: Path, dags: Path) -> Iterator[Airflow]:
    with (
        postgres_server.database() as metadata,
        running_airflow(metadata, dsn, guard, tmp_path, dags) as processes,
        psycopg.connect(metadata, autocommit=True) as conn,
    ):
        yield Airflow(processes, conn)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_fresh_installation_shows_replayed_history_at_once_then_its_scores_open_data_and_reports(
    db: psycopg.Connection, airflow: Airflow, wait_for: WaitFor
) -> None:
    db.execute("INSERT INTO device (name) VALUES ('camera-a')")
    db.execute("INSERT INTO series (device_id, name, period_s) VALUES (1, 'air/pm25', 300)")

    def count(query: bytes) -> int:
        row = db.execute(query).fetchone()
        assert row is not None
        return int(row[0])

    def every_level_is_closed() -> bool:
        return count(b"SELECT count(*) FROM closing WHERE computed_until = closed_until") == 6

    wait_for(every_level_is_closed, timeout=150)  # not at the next quarter of an hour
    wait_for(lambda: 2 < time.time() % 60 < 25, timeout=60)  # so that the minute's run is not there before the drain's
    with db.transaction():
        bounds = late_bounds(db, "reading")
        ats = np.array([at for (at,) in db.execute(HISTORY)])
        assert mark_late(db, "reading", np.ones(len(ats), dtype=np.int32), ats, bounds) >= 191
    wait_for(lambda: "late" in airflow.set_off(), timeout=120)  # by the drain, not by the minute
    wait_for(lambda: count(b"SELECT count(*) FROM reading_15m") >= 191, timeout=120)
    wait_for(lambda: count(b"SELECT count(*) FROM reading_1h") >= 47)
    wait_for(lambda: not count(b"SELECT count(*) FROM late_mark") + count(b"SELECT count(*) FROM late_work"))
    stages = {"late", "incidents", "quality", "baselines", "publication", "reports"}
    wait_for(lambda: airflow.set_off() == stages, timeout=240)  # by the new days, not by the hour
    assert count(b"SELECT count(*) FROM quality_1d") == count(b"SELECT count(*) FROM reading_1d") >= 1
    assert count(b"SELECT count(DISTINCT day) FROM publication") == count(b"SELECT count(*) FROM reading_1d")
    api_server = airflow.processes["api-server"]
    api_server.stop()
    assert api_server.exit_code == -signal.SIGTERM  # by itself, not by force
    assert "Application shutdown complete" in api_server.tail()


class TestTrouble:
    """DAGs that fail, and that are not done in time."""

    @pytest.fixture
    def dags(self, tmp_path: Path) -> Path:
        folder = tmp_path / "dags"
        folder.mkdir()
        (folder / "trouble.py").write_text(TROUBLE)
        return folder

    @pytest.mark.slow
    @pytest.mark.timeout(600)
    @pytest.mark.usefixtures("airflow")
    def test_a_task_that_failed_and_a_run_past_its_deadline_are_told(
        self, db: psycopg.Connection, wait_for: WaitFor
    ) -> None:
        query = "SELECT dag, kind, task, detail FROM dag_alarm ORDER BY dag"
        wait_for(lambda: len(db.execute(query).fetchall()) >= 2, timeout=150)
        assert db.execute(query).fetchall() == [
            ("breaks", "failed", "divide", "division by zero"),
            ("dawdles", "overdue", None, "not done 0.1 min after it was queued"),
        ]
