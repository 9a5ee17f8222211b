"""Score the city's five words: each device, each day.

Runs each hour, and when a day is new. It scores the days that have closed, and those whose aggregates have changed
since they were scored. What is below the city's thresholds is told in words, worst first (`ngatu quality`), and is not
published.

The task returns values read, scores written, and scores that changed.
"""

from dataclasses import asdict
from datetime import timedelta
from typing import Any

from airflow.sdk import Asset, dag, task

from dags.routine import NEW_DAY, SCORED, database, every_hour, perhaps, routine, set_off, tell


@dag(
    schedule=every_hour(10, and_after=NEW_DAY),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=1), due=timedelta(minutes=50)),
)
def quality() -> None:
    """Shape: one task."""

    @task(inlets=[Asset("ngatu://aggregates/1d")], outlets=[Asset("ngatu://quality/1d"), perhaps(SCORED)])
    def score(dag_run: Any = None, outlet_events: Any = None) -> dict[str, int]:
        from storage.quality import score_due_days

        with database() as conn:
            done = score_due_days(conn)
        if set_off(dag_run):
            tell(SCORED, outlet_events)
        return asdict(done)

    score()


DAG = quality()
