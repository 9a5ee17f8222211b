"""Compute the buckets again that rows came late for.

Ingest marks them in the transaction that stores the rows; each minute this works all marks off, at every level that
had been computed: an outage's backlog, or history that was replayed, shows a minute after it arrived. What changes
keeps its earlier revision. A run that is killed leaves its marks to the next.

The task returns raw rows read, buckets written, and buckets whose published number changed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task

from dags.routine import database, routine


@dag(
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC", interval=timedelta(minutes=1), run_immediately=True),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=2), due=timedelta(minutes=15), retries=2, retry_delay=timedelta(seconds=10)),
)
def late() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://aggregates/late")])
    def recompute() -> dict[str, int]:
        from storage.aggregates import recompute_late

        with database() as conn:
            return asdict(recompute_late(conn))

    recompute()


DAG = late()
