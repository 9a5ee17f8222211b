"""Where one demonstration keeps its things, at which ports it answers, and what its servers are."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ngatu.passwords import Passwords, kept_passwords
from ngatu.process.ports import free_port
from ngatu.servers.airflow import AirflowSite
from ngatu.servers.mosquitto import BrokerSite
from ngatu.servers.postgres import Cluster

DATABASE = "ngatu"
FREE_BYTES = 1 << 30  # below this a demonstration doesn't begin
LOG_BYTES = 10_000_000  # a longer log is set aside at the next start


class DemoStopped(RuntimeError):
    """The demonstration can't begin or go on; one line that says what to do."""


class Ports(msgspec.Struct, frozen=True, kw_only=True):
    """Kept, so that addresses stay the same from start to start."""

    console: int = 8080
    airflow: int = 8081
    ingest: int = 8082  # its metrics
    broker: int = 18830
    postgres: int = 55432


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A demonstration's folder and all that follows from it."""

    folder: Path
    packages: Path
    ports: Ports
    passwords: Passwords

    @property
    def logs(self) -> Path:
        """A file for each part."""
        return self.folder / "logs"

    @property
    def cluster(self) -> Cluster:
        """PostgreSQL with TimescaleDB: our data, and Airflow's metadata."""
        return Cluster(
            packages=self.packages,
            folder=self.folder / "postgres",
            port=self.ports.postgres,
            password=self.passwords.postgres,
        )

    @property
    def dsn(self) -> str:
        """Of our data."""
        return self.cluster.dsn(DATABASE)

    @property
    def broker(self) -> BrokerSite:
        """Mosquitto."""
        return BrokerSite(
            packages=self.packages,
            folder=self.folder / "mosquitto",
            port=self.ports.broker,
            users=self.passwords.broker_users(),
        )

    @property
    def airflow(self) -> AirflowSite:
        """Airflow, its metadata beside our data in the same server."""
        return AirflowSite(
            folder=self.folder / "airflow",
            port=self.ports.airflow,
            metadata_dsn=self.cluster.dsn("airflow"),
            data_dsn=self.dsn,
            password=self.passwords.admin,
            jwt_secret=self.passwords.airflow_jwt,
            fernet_key=self.passwords.airflow_fernet,
        )

    @property
    def console_url(self) -> str:
        """What an operator opens."""
        return f"http://127.0.0.1:{self.ports.console}"

    @property
    def metrics_url(self) -> str:
        """What ingest says of itself."""
        return f"http://127.0.0.1:{self.ports.ingest}"


def open_site(folder: Path, packages: Path) -> Site:
    """Return the demonstration in `folder`, made at the first call; ports that others hold are changed.

    Raises:
        DemoStopped: the disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < FREE_BYTES:
        raise DemoStopped(
            f"the disk of {folder} has {free / 1e9:.1f} GB free: free at least 1 GB, or set NGATU_HOME to another disk"
        )
    logs = folder / "logs"
    logs.mkdir(exist_ok=True)
    for log in logs.glob("*.log"):
        if log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
    return Site(
        folder=folder,
        packages=packages,
        ports=_free_ports(folder / "ports.json"),
        passwords=kept_passwords(folder / "passwords.json"),
    )


def _free_ports(file: Path) -> Ports:
    wanted = msgspec.json.decode(file.read_bytes(), type=Ports) if file.exists() else Ports()
    taken: set[int] = set()
    found: dict[str, int] = {}
    for name, port in msgspec.structs.asdict(wanted).items():
        free = free_port(port)
        while free in taken:
            free = free_port(free + 1)
        taken.add(free)
        found[name] = free
    ports = Ports(**found)
    file.write_bytes(msgspec.json.encode(ports))
    return ports
