"""Airflow's four processes, configured by their environment alone: api-server, scheduler, dag-processor, triggerer."""

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ngatu.home import CHECKOUT
from ngatu.process.child import ChildFailed, Program

USER = "admin"
PARALLELISM = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class AirflowSite:
    """Where Airflow keeps its things, and what it works on."""

    folder: Path
    port: int
    metadata_dsn: str  # postgresql://…
    data_dsn: str  # the connection `ngatu` of the DAGs
    password: str  # of `admin`
    jwt_secret: str
    fernet_key: str
    dags: Path = CHECKOUT / "dags"

    @property
    def url(self) -> str:
        """Where its pages are."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def open_data(self) -> Path:
        """Where the DAG publication writes, and the console serves from."""
        return self.folder.parent / "open-data"

    def environ(self) -> dict[str, str]:
        """Return the whole environment of its processes."""
        settings = {
            "CORE__DAGS_FOLDER": self.dags,
            "CORE__LOAD_EXAMPLES": False,
            "CORE__EXECUTOR": "LocalExecutor",
            "CORE__PARALLELISM": PARALLELISM,
            "CORE__DAGS_ARE_PAUSED_AT_CREATION": False,
            "CORE__FERNET_KEY": self.fernet_key,
            "CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
            "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": self.folder / "passwords.json",
            "DATABASE__SQL_ALCHEMY_CONN": self.metadata_dsn.replace("postgresql://", "postgresql+psycopg://", 1),
            "DATABASE__SQL_ALCHEMY_CONN_ASYNC": self.metadata_dsn.replace(
                "postgresql://", "postgresql+psycopg_async://", 1
            ),
            "API__HOST": "127.0.0.1",
            "API__PORT": self.port,
            "API__BASE_URL": self.url,
            "API__WORKERS": 1,
            "API__SECRET_KEY": self.jwt_secret,
            "API_AUTH__JWT_SECRET": self.jwt_secret,
            "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": 300,
            "DAG_PROCESSOR__REFRESH_INTERVAL": 60,
            "LOGGING__BASE_LOG_FOLDER": self.folder / "logs",
            "USAGE_DATA_COLLECTION__ENABLED": False,
        }
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
            "HOME": str(self.folder),
            "AIRFLOW_HOME": str(self.folder),
            "AIRFLOW_CONN_NGATU": self.data_dsn,
            "AIRFLOW_VAR_NGATU_OPEN_DATA": str(self.open_data),
            **{f"AIRFLOW__{key}": str(value) for key, value in settings.items()},
        }


def initialise(site: AirflowSite) -> None:
    """Write its password file and bring its metadata database up to date (seconds, the first time)."""
    site.folder.mkdir(parents=True, exist_ok=True)
    passwords = site.folder / "passwords.json"
    with os.fdopen(os.open(passwords, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as out:
        json.dump({USER: site.password}, out)
    done = subprocess.run(
        [*_airflow(), "db", "migrate"], env=site.environ(), cwd=site.folder, text=True, capture_output=True, check=False
    )
    if done.returncode:
        raise ChildFailed(f"airflow db migrate failed: {(done.stderr or done.stdout).strip()[-600:]}")


def programs(site: AirflowSite, logs: Path) -> tuple[Program, ...]:
    """Return how to run its four processes; each waits by itself for what it needs of the others."""
    return tuple(
        Program(
            name=f"airflow-{name}",
            command=command,
            log=logs / f"airflow-{name}.log",
            environ=site.environ(),
            cwd=site.folder,
            grace=8,  # a task that is cut off is run again: each is idempotent by its interval
        )
        for name, command in {
            "api-server": _api_server(site.port),
            "scheduler": (*_airflow(), "scheduler", "--skip-serve-logs"),  # that would want a port of its own
            "dag-processor": (*_airflow(), "dag-processor"),
            "triggerer": (*_airflow(), "triggerer", "--skip-serve-logs"),  # notices that much has come late at once
        }.items()
    )


def _api_server(port: int) -> tuple[str, ...]:
    """What `airflow api-server` runs, run by uvicorn itself: it ends with its last answer, 0.1 s after SIGTERM.

    `airflow api-server` makes of SIGTERM an exit of Python, which then takes its objects apart for seconds.
    """
    where = ("--host", "127.0.0.1", "--port", str(port))
    patience = ("--timeout-keep-alive", "120", "--timeout-graceful-shutdown", "3")
    return (sys.executable, "-m", "uvicorn", "airflow.api_fastapi.main:app", "--no-access-log", *where, *patience)


def healthy(site: AirflowSite, *components: str) -> bool:
    """Whether these components (`metadatabase`, `scheduler`, `dag_processor`, `triggerer`) say that they are well."""
    try:
        report = _get(f"{site.url}/api/v2/monitor/health")
    except (OSError, ValueError):
        return False
    return all(report.get(name, {}).get("status") == "healthy" for name in components)


def _get(url: str) -> Mapping[str, Mapping[str, str]]:
    with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310 - our own http address
        content: Mapping[str, Mapping[str, str]] = json.load(answer)
        return content


def _airflow() -> tuple[str, ...]:
    return (str(Path(sys.executable).with_name("airflow")),)
