"""Compute the buckets again that rows came late for.

Ingest marks them in the transaction that stores the rows; each minute this works all marks off, at every level that
had been computed. Where an outage's backlog, or history that was replayed, has drained, it runs at once: the triggerer
watches for many marks to which no more are added. What changes keeps its earlier revision. A run that is killed leaves
its marks to the next.

The task returns raw rows read, buckets written, and buckets whose published number changed.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, AssetOrTimeSchedule, CronTriggerTimetable, dag, task

from dags.drain import ENDED
from dags.routine import NEW_DAY, database, perhaps, routine, tell


@dag(
    schedule=AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(
            "* * * * *", timezone="UTC", interval=timedelta(minutes=1), run_immediately=True
        ),
        assets=ENDED,
    ),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=2), due=timedelta(minutes=15), retries=2, retry_delay=timedelta(seconds=10)),
)
def late() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://aggregates/late"), perhaps(NEW_DAY)])
    def recompute(outlet_events: Any = None) -> dict[str, int]:
        from storage.aggregates import recompute_late
        from storage.quality import days_have_come

        with database() as conn:
            done = recompute_late(conn)
            if done.written and days_have_come(conn):
                tell(NEW_DAY, outlet_events)
        return asdict(done)

    recompute()


DAG = late()
