"""`ngatu faults`: break a private city on purpose, and prove that nothing is lost and nothing doubled."""

import json
import signal
import tempfile
from pathlib import Path
from typing import Annotated

import typer


def faults(
    rounds: Annotated[int, typer.Option(min=1, help="faults, some 5 seconds each")] = 45,
    seed: Annotated[int, typer.Option(help="the same seed breaks the same things in the same order")] = 1,
    folder: Annotated[Path | None, typer.Option(help="keep logs and data here; else they are thrown away")] = None,
    *,
    json_: Annotated[bool, typer.Option("--json", help="one JSON object on standard output")] = False,
) -> None:
    """Kill, cut, stall, slow and fill a private pipeline; compare what was made with what is stored.

    Exits 0 only when nothing was lost, doubled or missing without a reason, every kind of fault happened, and nothing
    was evicted but where a budget was filled.
    """
    from ngatu.faults.run import run

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with tempfile.TemporaryDirectory(prefix="ngatu-faults-") as scratch:
        place = folder.resolve() if folder else Path(scratch)
        place.mkdir(parents=True, exist_ok=True)
        if any(place.iterdir()):
            raise typer.BadParameter(f"{place} is not empty: name a new folder", param_hint="--folder")
        report = run(place, rounds, seed)
    wrong = report.verdict()
    if json_:
        print(json.dumps(report.as_json()))
    else:
        for name, value in report.as_json().items():
            print(f"{name:>28}  {value}")
    raise typer.Exit(1 if wrong else 0)
