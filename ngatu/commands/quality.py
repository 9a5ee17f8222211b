"""`ngatu quality`: the five words of each device on a day, worst first."""

import json
import os
from dataclasses import asdict
from datetime import datetime
from typing import Annotated

import typer

from ngatu.process.child import ChildFailed


def quality(
    day: Annotated[datetime | None, typer.Argument(formats=["%Y-%m-%d"], help="the latest scored by default")] = None,
    *,
    dsn: Annotated[str | None, typer.Option(help="else NGATU_DSN")] = None,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Tell how good each device's data was; exits 1 where one is not well."""
    from storage.connect import connect
    from storage.quality_cards import device_days, latest_day

    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise ChildFailed("which database? give --dsn or set NGATU_DSN")
    with connect(address, application="ngatu quality") as conn:
        scored = day.date() if day else latest_day(conn)
        devices = device_days(conn, scored) if scored else []
    if as_json:
        told = {"day": scored, "devices": [asdict(device) for device in devices]}
        print(json.dumps(told, default=lambda at: at.isoformat()))
    elif not devices:
        print("no day is scored yet: the DAG quality does it once a day has closed")
    else:
        print(f"{scored}: {sum(device.well for device in devices)} of {len(devices)} devices are well")
        for device in devices:
            print(f"{device.device}: {'; '.join(device.reasons) or 'well'}")
    if not devices or not all(device.well for device in devices):
        raise typer.Exit(1)
