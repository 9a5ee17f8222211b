"""Compute the buckets again that rows came late for.

Ingest marks them in the transaction that stores the rows; each minute this works all marks off, at every level that
had been computed: an outage's backlog, or history that was replayed, shows a minute after it arrived. What changes
keeps its earlier revision. A run that is killed leaves its marks to the next.

The task returns raw rows read, buckets written, and buckets whose published number changed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task

from dags.alarm import due_within, failed


@dag(
    schedule=CronTriggerTimetable("* * * * *", timezone="UTC", interval=timedelta(minutes=1), run_immediately=True),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "retries": 2,
        "retry_delay": timedelta(seconds=10),
        "execution_timeout": timedelta(hours=2),
        "on_failure_callback": failed,
    },
    deadline=due_within(timedelta(minutes=15)),
    doc_md=__doc__,
    tags=["ngatu"],
)
def late() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://aggregates/late")])
    def recompute() -> dict[str, int]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        from storage.aggregates import recompute_late

        with PostgresHook("ngatu").get_conn() as conn:
            conn.autocommit = True
            return asdict(recompute_late(conn))

    recompute()


DAG = late()
