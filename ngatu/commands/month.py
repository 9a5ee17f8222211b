"""`ngatu month`: a month of a made-up city, loaded, broken, late and corrected, against a plain DuckDB."""

import json
import signal
from typing import Annotated

import typer


def month(
    devices: Annotated[int, typer.Option(min=8, help="eight have each trouble once, the others are drawn")] = 60,
    days: Annotated[int, typer.Option(min=10, help="from 15 June 2025; 30 cross the day the wards changed")] = 30,
    seed: Annotated[int, typer.Option(help="the same seed makes the same month")] = 20_250_701,
    *,
    json_: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Bring a month through a private broker, ingest and database, in event time; compare each number with DuckDB's.

    Ingest and the DAGs' runs are killed, messages come twice and weeks late, incidents are corrected. At the end each
    aggregate, what planners saw on the way, wards and open data are computed again from what the devices said. Exits 0
    only when no number differs, and nothing was lost or stored twice.
    """
    try:
        from ngatu.month.campaign import run
    except ModuleNotFoundError as error:
        raise typer.BadParameter(
            f"{error.name} is missing: it comes with the extra dev (make test installs it)"
        ) from error
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    report = run(devices, days, seed)
    print(json.dumps(report.as_json()) if json_ else "\n".join(report.lines()))
    raise typer.Exit(1 if report.verdict() else 0)
