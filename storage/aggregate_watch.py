"""Whether the aggregates keep up: asked of the database, so that it is known also when Airflow is down."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from psycopg import Connection

LAG: Final = "SELECT source, level, done_until, behind, overdue FROM aggregate_lag ORDER BY source, level"
TROUBLE: Final = """
    SELECT dag, kind, count(*), max(at) FROM dag_alarm WHERE at > now() - %s
    GROUP BY dag, kind ORDER BY kind, count(*) DESC, dag
"""
ALARMS: Final = "SELECT at, kind, dag, task, run, detail FROM dag_alarm WHERE at > now() - %s ORDER BY at DESC LIMIT 50"
NOTE: Final = "INSERT INTO dag_alarm (kind, dag, task, run, detail) VALUES (%s, %s, %s, %s, %s)"
FORGET: Final = "DELETE FROM dag_alarm WHERE at < now() - interval '90 days'"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a level is; level `late`: the oldest late row that has not been worked off."""

    source: str
    level: str
    done_until: datetime | None
    behind: timedelta | None
    overdue: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """A run of a DAG that failed for good, or was not done by its deadline."""

    at: datetime
    kind: str  # failed or overdue
    dag: str
    task: str | None
    run: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """How often a DAG failed or was overdue lately, and when last."""

    dag: str
    kind: str  # failed or overdue
    times: int
    last: datetime


def aggregate_lag(conn: Connection[Any]) -> list[Lag]:
    """Each source's levels; nothing before anything has been closed."""
    return [
        Lag(source=source, level=level, done_until=done_until, behind=behind, overdue=overdue)
        for source, level, done_until, behind, overdue in conn.execute(LAG)
    ]


def overdue_levels(conn: Connection[Any]) -> list[Lag]:
    """Levels that somebody should look at, those first that were never computed, then those farthest behind."""
    late = [lag for lag in aggregate_lag(conn) if lag.overdue]
    return sorted(late, key=lambda lag: lag.behind or timedelta.max, reverse=True)


def dag_troubles(conn: Connection[Any], within: timedelta = timedelta(days=1)) -> list[Trouble]:
    """Which DAGs failed, then which were overdue; the most frequent first."""
    return [
        Trouble(dag=dag, kind=kind, times=times, last=last)
        for dag, kind, times, last in conn.execute(TROUBLE, (within,))
    ]


def recent_alarms(conn: Connection[Any], within: timedelta = timedelta(days=1)) -> list[Alarm]:
    """Latest first, at most 50."""
    return [
        Alarm(at=at, kind=kind, dag=dag, task=task, run=run, detail=detail)
        for at, kind, dag, task, run, detail in conn.execute(ALARMS, (within,))
    ]


def note_alarm(conn: Connection[Any], *, kind: str, dag: str, task: str | None, run: str, detail: str) -> None:
    """Keep what Airflow noticed, for 90 days."""
    conn.execute(FORGET)
    conn.execute(NOTE, (kind, dag, task, run, detail[:2000]))
