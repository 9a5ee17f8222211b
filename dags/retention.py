"""Remove what is older than the city keeps it: raw rows by age, evidence and incidents by severity.

Runs each night, after the day's aggregates. Buckets whose raw rows go are frozen first, so that their numbers stay as
they were published; rows not yet computed are never dropped.

Where TimescaleDB is the Community edition, its own jobs then put raw chunks older than a week into its columnstore, and
drop what nothing is computed from; this sees to it that they are set, to the city's ages.

The tasks return how many chunks and rows went, how many aggregate rows were frozen, how many chunks are compressed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import CronTriggerTimetable, dag, task

from dags.routine import database, routine


@dag(
    schedule=CronTriggerTimetable("40 18 * * *", timezone="UTC", interval=timedelta(days=1)),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=4), due=timedelta(hours=5), retry_delay=timedelta(minutes=5)),
)
def retention() -> None:
    """Shape: remove, then see to the database's own jobs."""

    @task
    def remove() -> dict[str, int]:
        from storage.retention import expire

        with database() as conn:
            return asdict(expire(conn))

    @task
    def policies() -> dict[str, int]:
        from storage.retention import hand_over

        with database() as conn:
            return {"compressed": hand_over(conn)}

    remove() >> policies()


DAG = retention()
