"""Score the city's five words: each device, each day.

Runs each hour and scores the days that have closed, and those whose aggregates have changed since they were scored.
What is below the city's thresholds is told in words, worst first (`ngatu quality`), and is not published.

The task returns values read, scores written, and scores that changed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Asset, dag, task

from dags.routine import database, every_hour, routine


@dag(
    schedule=every_hour(10),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=1), due=timedelta(minutes=50)),
)
def quality() -> None:
    """Shape: one task."""

    @task(inlets=[Asset("ngatu://aggregates/1d")], outlets=[Asset("ngatu://quality/1d")])
    def score() -> dict[str, int]:
        from storage.quality import score_due_days

        with database() as conn:
            return asdict(score_due_days(conn))

    score()


DAG = quality()
