"""`ngatu migrate`: bring a database up to date."""

import json
import os
from typing import Annotated

import typer


def migrate(
    dsn: Annotated[str | None, typer.Option(help="else NGATU_DSN")] = None,
    city: Annotated[str | None, typer.Option(help="load this city and its wards too")] = None,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Apply the migrations that a database lacks; safe to repeat, and to call from several machines at once."""
    from ngatu.city import BadCity
    from ngatu.city_lists import load_city
    from storage.migrate import migrate as apply

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise BadCity("which database? give --dsn or set NGATU_DSN")
    applied = apply(address)
    changed = load_city(address, city) if city else 0
    told = {"applied": applied, "changed": changed}
    print(json.dumps(told) if as_json else f"migrations applied: {', '.join(applied) or 'none was missing'}")
