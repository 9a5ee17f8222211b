"""Compare each hour of each series, volume and speed with what is normal for that hour and weekday.

Runs each hour after the aggregates, and when a day is new. What was normal comes from the five weeks before a day, by
traffic-anomaly's medians; hours far from it are joined to deviations with a score. Days whose hours were corrected
within the last 40 are compared again; started by hand with `start` and `end`, any range is.

The task returns hours read, rows written (hours and deviations), and how many of those replaced or removed others.
"""

from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from dags.routine import COMPARED, NEW_DAY, database, every_hour, perhaps, routine, set_off, tell


@dag(
    schedule=every_hour(7, and_after=NEW_DAY),
    params={
        "start": Param(None, type=["null", "string"], format="date", description="first day; empty: what is due"),
        "end": Param(None, type=["null", "string"], format="date", description="last day"),
    },
    doc_md=__doc__,
    **routine(limit=timedelta(hours=2), due=timedelta(hours=2)),
)
def baselines() -> None:
    """Shape: one task."""

    @task(inlets=[Asset("ngatu://aggregates/1h")], outlets=[Asset("ngatu://deviations"), perhaps(COMPARED)])
    def compare(
        params: dict[str, Any] | None = None,
        data_interval_end: datetime | None = None,
        dag_run: Any = None,
        outlet_events: Any = None,
    ) -> dict[str, int]:
        from dags.baseline.days import compare_day, compare_due_days
        from storage.aggregates import Done

        asked = params or {}
        if set_off(dag_run):
            tell(COMPARED, outlet_events)
        with database() as conn:
            if not asked.get("start"):
                return asdict(compare_due_days(conn, now=data_interval_end or datetime.now(UTC)))
            first = date.fromisoformat(asked["start"])
            last = date.fromisoformat(asked.get("end") or asked["start"])
            days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
            return asdict(sum((compare_day(conn, day) for day in days), Done()))

    compare()


DAG = baselines()
