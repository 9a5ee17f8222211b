"""Count the incidents of each of the city's days: by device, kind and severity, and how fast they were known.

Runs each hour, and when a day is new. Incidents are revised and acted on after their day has ended: the days in which
something changed are counted again, and a number that changes keeps its earlier revision.

The task returns incidents read, rows written, and rows whose published number changed.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, dag, task

from dags.routine import COUNTED, NEW_DAY, database, every_hour, perhaps, routine, set_off, tell


@dag(
    schedule=every_hour(5, and_after=NEW_DAY),
    doc_md=__doc__,
    **routine(limit=timedelta(minutes=30), due=timedelta(minutes=45)),
)
def incidents() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://incidents/1d"), perhaps(COUNTED)])
    def count(dag_run: Any = None, outlet_events: Any = None) -> dict[str, int]:
        from storage.incident_days import count_incidents

        with database() as conn:
            done = count_incidents(conn)
        if set_off(dag_run):
            tell(COUNTED, outlet_events)
        return asdict(done)

    count()


DAG = incidents()
