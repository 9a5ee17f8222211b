"""`ngatu devices`: who is heard, since when, and how far its clock is off."""

import json
from dataclasses import asdict
from typing import Annotated

import typer


def devices(
    dsn: Annotated[str, typer.Option(envvar="NGATU_DSN", help="the database")],
    limit: int = 1000,
    *,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Every device that ever spoke."""
    from ngatu.table import table
    from storage.connect import connect
    from storage.explore import list_devices

    with connect(dsn, application="ngatu devices") as conn:
        found = list_devices(conn, limit)
    if as_json:
        print(json.dumps({"devices": [asdict(device) for device in found]}, default=str, ensure_ascii=False))
        return
    rows = [
        [
            device.name,
            "online" if device.online else "offline",
            f"{device.last_seen:%F %T}",
            device.ward_code,
            None if device.clock_offset_s is None else f"{device.clock_offset_s:+.3f}",
            (device.outbox or {}).get("messages"),
            device.description,
        ]
        for device in found
    ]
    print(table(["device", "state", "last seen", "ward", "clock s", "outbox", "description"], rows))
