"""Compute the aggregates of any range again, started by hand with two parameters.

For when raw rows or the way of computing them have been mended. Every closed bucket that the range touches is computed
from the raw rows; what comes out the same stays as it is, what changes keeps its earlier revision, and buckets whose
raw rows are gone (frozen) are left alone. `ngatu aggregates backfill FROM TO` does the same.

The task returns raw rows read, buckets written, and buckets whose published number changed.
"""

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from dags.routine import database, routine


@dag(
    schedule=None,
    params={
        "start": Param(type="string", format="date-time", description="from here; with a time zone"),
        "end": Param(type="string", format="date-time", description="up to here, not included"),
    },
    doc_md=__doc__,
    **routine(limit=timedelta(hours=12), due=timedelta(hours=13), retries=2),
)
def backfill() -> None:
    """Shape: one task."""

    @task(outlets=[Asset("ngatu://aggregates/backfill")])
    def compute(params: dict[str, Any] | None = None) -> dict[str, int]:
        from storage.aggregates import backfill as compute_again

        assert params is not None
        start, end = (datetime.fromisoformat(params[name]) for name in ("start", "end"))
        with database() as conn:
            return asdict(compute_again(conn, start, end))

    compute()


DAG = backfill()
