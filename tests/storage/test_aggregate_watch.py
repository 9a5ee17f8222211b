"""Whether somebody learns that the aggregates do not keep up."""

from datetime import timedelta

import psycopg
import pytest
from typer.testing import CliRunner

from ngatu.commands.aggregates import app
from storage.aggregate_watch import aggregate_lag, note_alarm, recent_alarms
from storage.aggregates import aggregate
from storage.level import LEVELS


def overdue(conn: psycopg.Connection) -> set[tuple[str, str]]:
    return {(lag.source, lag.level) for lag in aggregate_lag(conn) if lag.overdue}


def test_levels_that_were_just_computed_are_not_overdue(db: psycopg.Connection) -> None:
    assert aggregate_lag(db) == []
    for level in LEVELS.values():
        aggregate(db, level)
    assert len(aggregate_lag(db)) == 6
    assert overdue(db) == set()


@pytest.mark.parametrize(("level", "late", "told"), [("15m", 32, False), ("15m", 50, True), ("1h", 95, True)])
def test_a_level_that_missed_its_runs_is_overdue(db: psycopg.Connection, level: str, late: int, *, told: bool) -> None:
    db.execute("INSERT INTO closing VALUES ('reading', %s, now(), now() - %s)", (level, timedelta(minutes=late)))
    assert overdue(db) == ({("reading", level)} if told else set())


def test_a_level_that_was_closed_and_never_computed_is_overdue(db: psycopg.Connection) -> None:
    db.execute("INSERT INTO closing VALUES ('traffic', '1d', now(), NULL)")
    assert overdue(db) == {("traffic", "1d")}


@pytest.mark.parametrize("table", ["late_mark", "late_work"])
def test_late_rows_that_nobody_works_off_are_overdue(db: psycopg.Connection, table: str) -> None:
    insert = f"INSERT INTO {table} VALUES ('reading', 1, %s, now() - %s)".encode()
    db.execute(insert, ("2026-01-01Z", timedelta(minutes=2)))
    assert overdue(db) == set()
    db.execute(insert, ("2026-01-02Z", timedelta(minutes=20)))
    assert overdue(db) == {("reading", "late")}


def test_status_exits_1_where_somebody_should_look(db: psycopg.Connection, dsn: str) -> None:
    for level in LEVELS.values():
        aggregate(db, level)
    assert CliRunner().invoke(app, ["status", "--dsn", dsn]).exit_code == 0
    note_alarm(db, kind="failed", dag="aggregates", task="buckets_1d", run="r1", detail="disk full")
    assert [alarm.detail for alarm in recent_alarms(db)] == ["disk full"]
    told = CliRunner().invoke(app, ["status", "--dsn", dsn])
    assert told.exit_code == 1
    assert "failed  aggregates buckets_1d  disk full" in told.stdout


def test_alarms_are_forgotten_after_a_quarter(db: psycopg.Connection) -> None:
    db.execute(
        "INSERT INTO dag_alarm (at, kind, dag, run, detail)"
        " VALUES (now() - interval '91 days', 'overdue', 'a', 'r', '')"
    )
    note_alarm(db, kind="overdue", dag="late", task=None, run="r2", detail="")
    assert db.execute("SELECT dag FROM dag_alarm").fetchall() == [("late",)]
