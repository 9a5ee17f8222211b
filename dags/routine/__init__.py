"""What all our DAGs have in common: one run at a time, retries, a deadline, alarms, a connection to the database."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from airflow.sdk import CronTriggerTimetable

from dags.alarm import due_within, failed


def routine(
    *, limit: timedelta, due: timedelta, retries: int = 3, retry_delay: timedelta = timedelta(minutes=1)
) -> dict[str, Any]:
    """How a DAG runs, as arguments of `dag`.

    Args:
        limit: how long one try of a task may take.
        due: a run that has not ended so long after it was queued raises an alarm.
        retries: of each task.
        retry_delay: before each.
    """
    return {
        "catchup": False,
        "max_active_runs": 1,
        "is_paused_upon_creation": False,
        "default_args": {
            "retries": retries,
            "retry_delay": retry_delay,
            "execution_timeout": limit,
            "on_failure_callback": failed,
        },
        "deadline": due_within(due),
        "tags": ["ngatu"],
    }


def every_hour(minute: int) -> CronTriggerTimetable:
    """Each hour at that minute, for the hour before it; the first run of a fresh installation at once."""
    return CronTriggerTimetable(f"{minute} * * * *", timezone="UTC", interval=timedelta(hours=1), run_immediately=True)


@contextmanager
def database() -> Iterator[Any]:
    """The city's database, Airflow's connection `ngatu`, in autocommit mode."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    with PostgresHook("ngatu").get_conn() as conn:
        conn.autocommit = True
        yield conn
