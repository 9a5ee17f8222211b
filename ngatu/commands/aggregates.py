"""`ngatu aggregates`: compute any range again, and work off what came late, without Airflow."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from typing import TYPE_CHECKING, Annotated

import typer

from ngatu.child import ChildFailed

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


def _connected(dsn: str | None) -> "psycopg.Connection":
    from storage.connect import connect

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise ChildFailed("which database? give --dsn or set NGATU_DSN")
    return connect(address, application="ngatu aggregates")


def _tell(done: "Done", *, as_json: bool) -> None:
    told = asdict(done)
    print(json.dumps(told) if as_json else ", ".join(f"{value:,} {name}" for name, value in told.items()))
