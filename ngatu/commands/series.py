"""`ngatu series`: what is measured, by whom, in which unit."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def series(
    dsn: Annotated[str, typer.Option(envvar="NGATU_DSN", help="the database")],
    words: Annotated[list[str] | None, typer.Argument(help="that its name, device or description holds")] = None,
    device: Annotated[str | None, typer.Option(help="of this device only")] = None,
    limit: int = 1000,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Every series that ever had a reading, or was announced."""
    from ngatu.table import table
    from storage.connect import connect
    from storage.explore import find_series

    with connect(dsn, application="ngatu series") as conn:
        found = find_series(conn, words or (), device=device, limit=limit)
    if as_json:
        print(json.dumps({"series": [asdict(one) for one in found]}, default=str, ensure_ascii=False))
        return
    rows = [[s.id, s.device, s.name, s.unit, s.minimum, s.maximum, s.period_s, s.description] for s in found]
    print(table(["id", "device", "series", "unit", "min", "max", "period s", "description"], rows))
