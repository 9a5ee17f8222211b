"""Count the incidents of each of the city's days: by device, kind and severity, and how fast they were known.

Runs each hour. Incidents are revised and acted on after their day has ended: the days in which something changed are
counted again, and a number that changes keeps its earlier revision.

The task returns incidents read, rows written, and rows whose published number changed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Asset, dag, task

from dags.routine import database, every_hour, routine


@dag(
    schedule=every_hour(5),
    doc_md=__doc__,
    **routine(limit=timedelta(minutes=30), due=timedelta(minutes=45)),
)
def incidents() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://incidents/1d")])
    def count() -> dict[str, int]:
        from storage.incident_days import count_incidents

        with database() as conn:
            return asdict(count_incidents(conn))

    count()


DAG = incidents()
