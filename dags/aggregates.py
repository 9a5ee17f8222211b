"""Close the buckets that have ended, and compute them.

Runs two minutes past every quarter of an hour, the grace that rows have to arrive in: 15 minutes each time, hours and
local days when one has ended. A run computes whatever is closed and not yet computed, so a day of downtime is made
good by the next run; the first run of a fresh installation starts at once. Clearing a run computes its interval again.

Each task returns raw rows read, buckets written, and buckets whose published number changed.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, dag, task

from dags.alarm import due_within, failed


@dag(
    schedule=CronTriggerTimetable(
        "2,17,32,47 * * * *", timezone="UTC", interval=timedelta(minutes=15), run_immediately=True
    ),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(seconds=20),
        "execution_timeout": timedelta(hours=2),
        "on_failure_callback": failed,
    },
    deadline=due_within(timedelta(minutes=30)),
    doc_md=__doc__,
    tags=["ngatu"],
)
def aggregates() -> None:
    """Shape: 15 minutes, then hours, then days."""

    def step(level: str) -> Any:
        @task(task_id=f"buckets_{level}", outlets=[Asset(f"ngatu://aggregates/{level}")])
        def buckets(
            level: str, data_interval_start: datetime | None = None, data_interval_end: datetime | None = None
        ) -> dict[str, int]:
            from airflow.providers.postgres.hooks.postgres import PostgresHook

            from storage.aggregates import aggregate_interval

            with PostgresHook("ngatu").get_conn() as conn:
                conn.autocommit = True
                return asdict(aggregate_interval(conn, level, data_interval_start, data_interval_end))

        return buckets(level)

    step("15m") >> step("1h") >> step("1d")


DAG = aggregates()
