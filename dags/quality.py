"""Score the city's five words: each device, each day.

Runs each hour and scores the days that have closed, and those whose aggregates have changed since they were scored.
What is below the city's thresholds is told in words, worst first (`ngatu quality`), and is not published.

The task returns values read, scores written, and scores that changed.
"""

from dataclasses import asdict
from datetime import timedelta

from airflow.sdk import Asset, CronTriggerTimetable, dag, task

from dags.alarm import due_within, failed


@dag(
    schedule=CronTriggerTimetable("10 * * * *", timezone="UTC", interval=timedelta(hours=1), run_immediately=True),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    default_args={
        "retries": 3,
        "retry_delay": timedelta(minutes=1),
        "execution_timeout": timedelta(hours=1),
        "on_failure_callback": failed,
    },
    deadline=due_within(timedelta(minutes=50)),
    doc_md=__doc__,
    tags=["ngatu"],
)
def quality() -> None:
    """Shape: one task."""

    @task(inlets=[Asset("ngatu://aggregates/1d")], outlets=[Asset("ngatu://quality/1d")])
    def score() -> dict[str, int]:
        from airflow.providers.postgres.hooks.postgres import PostgresHook

        from storage.quality import score_due_days

        with PostgresHook("ngatu").get_conn() as conn:
            conn.autocommit = True
            return asdict(score_due_days(conn))

    score()


DAG = quality()
