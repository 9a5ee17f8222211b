"""What all our DAGs have in common: one run at a time, retries, a deadline, alarms, a connection to the database.

What a new day sets off, beside the hour that each keeps: its scores, counts of incidents and deviations, then what is
published and reported of them. Only a run that was set off so sets off the next.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Final

from airflow.sdk import Asset, AssetAlias, AssetOrTimeSchedule, CronTriggerTimetable

from dags.alarm import due_within, failed

NEW_DAY: Final = Asset("ngatu://days/new")  # closed, aggregated, without a score
SCORED: Final = Asset("ngatu://days/scored")
COUNTED: Final = Asset("ngatu://days/counted")
COMPARED: Final = Asset("ngatu://days/compared")


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


def every_hour(minute: int, *, and_after: Any) -> AssetOrTimeSchedule:
    """Each hour at that minute, for the hour before it, and whenever all of `and_after` have been told.

    The first run of a fresh installation is at once; hours that were missed are not caught up with: a run does all
    that is due.
    """
    hour = timedelta(hours=1)
    return AssetOrTimeSchedule(
        timetable=CronTriggerTimetable(f"{minute} * * * *", timezone="UTC", interval=hour, run_immediately=True),
        assets=and_after,
    )


def perhaps(asset: Asset) -> AssetAlias:
    """An outlet that is told only where the task calls `tell`; an asset itself is told after every run."""
    return AssetAlias(f"{asset.name}?")


def tell(asset: Asset, outlet_events: Any) -> None:
    """Set off what runs after `asset`, once the task has succeeded. Belongs to its outlet `perhaps(asset)`."""
    outlet_events[perhaps(asset)].add(asset)


def set_off(dag_run: Any) -> bool:
    """Whether a new day made the run start, not the hour, nor a person."""
    return bool(dag_run.run_type == "asset_triggered")


@contextmanager
def database() -> Iterator[Any]:
    """The city's database, Airflow's connection `ngatu`, in autocommit mode."""
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    with PostgresHook("ngatu").get_conn() as conn:
        conn.autocommit = True
        yield conn
