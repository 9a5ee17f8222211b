"""`ngatu aggregates`: compute any range again, and work off what came late, without Airflow."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ngatu.process.child import ChildFailed

if TYPE_CHECKING:
    import psycopg

    from storage.aggregates import Done

app = typer.Typer(no_args_is_help=True, help="Aggregates of readings and traffic.")
Dsn = Annotated[str | None, typer.Option(help="else NGATU_DSN")]
Json = Annotated[bool, typer.Option("--json")]


@app.command()
def backfill(
    start: Annotated[datetime, typer.Argument(metavar="FROM", help="2026-03-01 or 2026-03-01T06:00, UTC")],
    end: Annotated[datetime, typer.Argument(metavar="TO", help="not included")],
    *,
    dsn: Dsn = None,
    as_json: Json = False,
) -> None:
    """Compute every closed bucket of a range again, at all levels; what comes out the same stays as it is."""
    from datetime import UTC

    from storage.aggregates import backfill as compute

    if start >= end:
        raise ChildFailed(f"FROM {start.isoformat()} is not before TO {end.isoformat()}")
    with _connected(dsn) as conn:
        _tell(compute(conn, start.replace(tzinfo=UTC), end.replace(tzinfo=UTC)), as_json=as_json)


@app.command()
def late(*, dsn: Dsn = None, as_json: Json = False) -> None:
    """Compute the buckets again that rows came late for: what the DAG late does each minute."""
    from storage.aggregates import recompute_late

    with _connected(dsn) as conn:
        _tell(recompute_late(conn), as_json=as_json)


@app.command()
def status(*, dsn: Dsn = None, as_json: Json = False) -> None:
    """How far the aggregates are behind, and what failed in the last day; exit 1 where somebody should look."""
    from msgspec import to_builtins

    from storage.aggregate_watch import aggregate_lag, recent_alarms

    with _connected(dsn) as conn:
        lags, alarms = aggregate_lag(conn), recent_alarms(conn)
    if as_json:
        print(json.dumps({"lag": to_builtins(lags), "alarms": to_builtins(alarms)}))
    else:
        for lag in lags:
            print(f"{lag.source:>8} {lag.level:>4}  {lag.behind} behind{'  OVERDUE' if lag.overdue else ''}")
        for alarm in alarms:
            print(f"{alarm.at:%Y-%m-%d %H:%M}  {alarm.kind}  {alarm.dag} {alarm.task or ''}  {alarm.detail}")
    if alarms or any(lag.overdue for lag in lags):
        raise typer.Exit(1)


def _connected(dsn: str | None) -> "psycopg.Connection":
    from storage.connect import connect

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise ChildFailed("which database? give --dsn or set NGATU_DSN")
    return connect(address, application="ngatu aggregates")


def _tell(done: "Done", *, as_json: bool) -> None:
    told = asdict(done)
    print(json.dumps(told) if as_json else ", ".join(f"{value:,} {name}" for name, value in told.items()))
