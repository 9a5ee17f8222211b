"""`ngatu city`: check a city file, and load it with its wards into the database."""

import json
import os
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The city: its file, its wards.")
Named = Annotated[str, typer.Argument(help="a city.yaml, its folder, or a city that we carry")]


@app.command()
def check(named: Named = "hanoi", *, as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
    """Say whether the city file and its lists can be used."""
    from ngatu.city import city_file, read_city
    from ngatu.city_lists import read_successors, read_wards

    path = city_file(named)
    city = read_city(path)
    wards = read_wards(city, path.parent)
    successors = read_successors(city, path.parent, wards)
    told = {"city": city.name, "wards": len(wards), "successions": len(successors)}
    print(json.dumps(told, ensure_ascii=False) if as_json else f"{path}: {told}")


@app.command()
def load(
    named: Named = "hanoi",
    *,
    dsn: Annotated[str | None, typer.Option(help="else NGATU_DSN")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Write the city and its wards into the database; safe to repeat."""
    from ngatu.city import BadCity
    from ngatu.city_lists import load_city

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise BadCity("which database? give --dsn or set NGATU_DSN")
    changed = load_city(address, named)
    print(json.dumps({"changed": changed}) if as_json else f"{named}: {changed} rows changed")
