"""`ngatu quality`: the five words of each device on a day, worst first."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from ngatu.child import ChildFailed


def quality(
    day: Annotated[datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="the latest scored by default")] = None,
    *,
    dsn: Annotated[str | None, typer.Option(help="else NGATU_DSN")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Tell how good each device's data was; exits 1 where one is not well."""
    from storage.connect import connect
    from storage.quality import worst_first

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise ChildFailed("which database? give --dsn or set NGATU_DSN")
    with connect(address, application="ngatu quality") as conn:
        scored, devices = worst_first(conn, day.date() if day else None)
    if as_json:
        print(json.dumps({"day": scored and scored.isoformat(), "devices": [asdict(device) for device in devices]}))
    elif not devices:
        print("no day is scored yet: the DAG quality does it once a day has closed")
    else:
        print(f"{scored}: {sum(device.well for device in devices)} of {len(devices)} devices are well")
        for device in devices:
            print(f"{device.device}: {'well' if device.well else '; '.join(device.reasons)}")
    if not devices or not all(device.well for device in devices):
        raise typer.Exit(1)
