"""The real scheduler, executor, api-server, dag-processor and triggerer, for a test or a measurement."""

import secrets
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from ngatu.process.child import Child
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import airflow


@contextmanager
def running_airflow(metadata: str, data: str, guard: Guard, folder: Path, dags: Path) -> Iterator[dict[str, Child]]:
    """Run Airflow on these two databases; give its processes by name once its API answers."""
    site = airflow.AirflowSite(
        folder=folder / "airflow",
        port=free_port(),
        metadata_dsn=metadata,
        data_dsn=data,
        password=secrets.token_urlsafe(),
        jwt_secret=secrets.token_urlsafe(48),
        fernet_key=urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        dags=dags,
    )
    airflow.initialise(site)
    children = {}
    with ExitStack() as stack:
        for program in airflow.programs(site, folder):
            child = children[program.name.removeprefix("airflow-")] = Child(program, guard)
            child.start()
            stack.callback(child.stop)
            if len(children) == 1:
                child.wait_ready(lambda: airflow.healthy(site, "metadatabase"), timeout=240)
        yield children
