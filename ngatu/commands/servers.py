"""`ngatu servers`: a private PostgreSQL and Mosquitto to develop against, until Ctrl-C."""

import json
import os
import signal
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Annotated

import typer

from ngatu.home import find_home
from ngatu.process.child import Child
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto, postgres
from ngatu.servers.packages import server_packages


def servers(
    folder: Annotated[Path | None, typer.Option(help="where their data stays; else it is thrown away")] = None,
    database: Annotated[str, typer.Option(help="made where missing")] = "ngatu",
    *,
    migrate: Annotated[bool, typer.Option(help="bring its schema up to date")] = True,
) -> None:
    """Start both on free ports without passwords, print their addresses as JSON, and stop them at Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    packages = server_packages(find_home(os.environ))
    with ExitStack() as stack:
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ngatu-servers-")))
            folder.chmod(0o755)
        guard = Guard()
        stack.callback(guard.close)
        cluster = postgres.Cluster(packages=packages, folder=folder.resolve() / "postgres", port=free_port())
        site = mosquitto.BrokerSite(packages=packages, folder=folder.resolve() / "mosquitto", port=free_port())
        postgres.initialise(cluster)
        mosquitto.initialise(site)
        for program, ready in ((postgres.program(cluster), cluster.ready), (mosquitto.program(site), site.answers)):
            child = Child(program, guard)
            child.start()
            stack.callback(child.stop)
            child.wait_ready(ready, timeout=60)
        dsn = postgres.ensure_database(cluster, database)
        if migrate:
            from storage.migrate import migrate as bring_up_to_date

            bring_up_to_date(dsn)
        print(json.dumps({"dsn": dsn, "mqtt": f"mqtt://127.0.0.1:{site.port}", "folder": str(folder)}), flush=True)
        with suppress(KeyboardInterrupt):
            signal.pause()
