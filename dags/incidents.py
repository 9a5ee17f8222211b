"""Count the incidents of each of the city's days: by device, kind and severity, and how fast they were known.

Runs each hour. Incidents are revised and acted on after their day has ended: the days in which something changed are
counted again, and a number that changes keeps its earlier revision.

The task returns incidents read, rows written, and rows whose published number changed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task

from dags.alarm import due_within, failed


@dag(
    schedule=CronTriggerTimetable("5 * * * *", timezone="UTC", interval=timedelta(hours=1), run_immediately=True),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(minutes=30),
        "on_failure_callback": failed,
    },
    deadline=due_within(timedelta(minutes=45)),
    doc_md=__doc__,
    tags=["ngatu"],
)
def incidents() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://incidents/1d")])
    def count() -> dict[str, int]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        from storage.incident_days import count_incidents

        with PostgresHook("ngatu").get_conn() as conn:
            conn.autocommit = True
            return asdict(count_incidents(conn))

    count()


DAG = incidents()
