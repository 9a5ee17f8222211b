"""A DAG that failed or is overdue says so where operators look: the table dag_alarm, `ngatu aggregates status`."""

from datetime import timedelta
from typing import Any

# airflow.sdk gives these too, but its stub does not say so.
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import DeadlineAlert, DeadlineReference


def due_within(limit: timedelta) -> DeadlineAlert:
    """Raise an alarm where a run has not ended so long after it was queued."""
    return DeadlineAlert(
        reference=DeadlineReference.DAGRUN_QUEUED_AT,
        interval=limit,
        callback=SyncCallback(overdue, kwargs={"minutes": limit.total_seconds() / 60}),
    )


def failed(context: Any) -> None:
    """Note a task that has failed for good: what Airflow calls after the last retry."""
    task = context["ti"]
    _note("failed", task.dag_id, task.task_id, task.run_id, str(context.get("exception") or "no word: killed?"))


def overdue(minutes: float, context: Any = None) -> None:
    """Note a run that has missed its deadline."""
    run = (context or {}).get("dag_run") or {}
    _note(
        "overdue",
        run.get("dag_id", "?"),
        None,
        run.get("dag_run_id", "?"),
        f"not done {minutes:g} min after it was queued",
    )


def _note(kind: str, dag: str, task: str | None, run: str, detail: str) -> None:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from storage.aggregate_watch import note_alarm

    with PostgresHook("ngatu").get_conn() as conn:
        conn.autocommit = True
        note_alarm(conn, kind=kind, dag=dag, task=task, run=run, detail=detail)
