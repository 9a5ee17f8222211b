"""`ngatu gaps`: which messages the database has not got, since when, and why."""

import json
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated

import typer


def gaps(
    dsn: Annotated[str, typer.Option(envvar="NGATU_DSN", help="the database")],
    device: Annotated[str | None, typer.Option(help="of this device only")] = None,
    older_than: Annotated[float, typer.Option(help="seconds: what is on its way is no gap")] = 60,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Exits 0 only when every missing message is explained."""
    from ngatu.table import table
    from storage.connect import connect
    from storage.gaps import list_gaps

    with connect(dsn, application="ngatu gaps") as conn:
        found = list_gaps(conn, device=device, older_than=timedelta(seconds=older_than))
    if as_json:
        print(json.dumps({"gaps": [asdict(gap) for gap in found]}, default=str))
    else:
        headers = ["device", "kind", "stream", "first", "last", "messages", "since", "reason"]
        rows = [[g.device, g.kind, g.stream, g.first, g.last, g.messages, f"{g.since:%F %T}", g.reason] for g in found]
        print(table(headers, rows) if rows else "nothing is missing")
    if any(not gap.explained for gap in found):
        raise typer.Exit(1)
