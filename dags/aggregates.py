"""Close the buckets that have ended, and compute them.

Runs two minutes past every quarter of an hour, the grace that rows have to arrive in: 15 minutes each time, hours and
local days when one has ended. A run computes whatever is closed and not yet computed, so a day of downtime is made
good by the next run; the first run of a fresh installation starts at once. Clearing a run computes its interval again.

Where a day has ended that nobody has scored, the DAGs that score, count, compare, publish and report it are set off.
Each task returns raw rows read, buckets written, and buckets whose published number changed.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset, CronTriggerTimetable, dag, task

from dags.routine import NEW_DAY, database, perhaps, routine, tell


@dag(
    schedule=CronTriggerTimetable(
        "2,17,32,47 * * * *", timezone="UTC", interval=timedelta(minutes=15), run_immediately=True
    ),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=2), due=timedelta(minutes=30), retry_delay=timedelta(seconds=20)),
)
def aggregates() -> None:
    """Shape: 15 minutes, then hours, then days."""

    def step(level: str) -> Any:
        @task(task_id=f"buckets_{level}", outlets=[Asset(f"ngatu://aggregates/{level}"), perhaps(NEW_DAY)])
        def buckets(
            level: str,
            data_interval_start: datetime | None = None,
            data_interval_end: datetime | None = None,
            outlet_events: Any = None,
        ) -> dict[str, int]:
            from storage.aggregates import aggregate_interval
            from storage.quality import days_have_come

            with database() as conn:
                done = aggregate_interval(conn, level, data_interval_start, data_interval_end)
                if level == "1d" and done.written and days_have_come(conn):
                    tell(NEW_DAY, outlet_events)
            return asdict(done)

        return buckets(level)

    step("15m") >> step("1h") >> step("1d")


DAG = aggregates()
