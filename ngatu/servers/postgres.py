"""A private PostgreSQL 17 with TimescaleDB (Apache edition), out of the unpacked packages."""

import os
import secrets
import shutil
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psycopg

from ngatu.home import server_user
from ngatu.process.child import ChildFailed, Program, run_as
from ngatu.servers.packages import POSTGRES_MAJOR

SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = off
jit = off
shared_buffers = 512MB
max_wal_size = 4GB
timezone = 'UTC'
"""
INITDB = ("-U", "postgres", "-E", "UTF8", "--no-sync")
LOCALE = ("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A data folder, and the port and password to reach it by."""

    packages: Path
    folder: Path  # holds data/, log and password
    port: int
    password: str | None = None  # None: whoever reaches the port may enter (throw-away clusters of tests)

    @property
    def data(self) -> Path:
        """Where PostgreSQL keeps its files."""
        return self.folder / "data"

    @property
    def bin(self) -> Path:
        """Where its programs are: postgres, psql, pg_dump and so on."""
        return self.packages / "usr/lib/postgresql" / str(POSTGRES_MAJOR) / "bin"

    def dsn(self, database: str = "postgres") -> str:
        """Return the address of one of its databases."""
        secret = f":{quote(self.password, safe='')}" if self.password else ""
        return f"postgresql://postgres{secret}@127.0.0.1:{self.port}/{database}"

    def ready(self) -> bool:
        """Whether it takes connections now."""
        try:
            psycopg.connect(self.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


def stored_password(folder: Path) -> str:
    """Return the password kept in `folder`/password (mode 0600); make one at the first call."""
    file = folder / "password"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as out:
            out.write(secrets.token_urlsafe(18))
    return file.read_text().strip()


def initialise(cluster: Cluster) -> None:
    """Make the data folder where there is none yet.

    Raises:
        ChildFailed: initdb's own words, or what this machine lacks.
    """
    if (cluster.data / "PG_VERSION").exists():
        return
    if not Path("/usr/share/zoneinfo/UTC").exists():
        raise ChildFailed("this machine has no time zones: ask for the package tzdata")
    user = server_user()
    cluster.folder.mkdir(parents=True, exist_ok=True)
    cluster.folder.chmod(0o755)
    shutil.rmtree(cluster.data, ignore_errors=True)  # a first start that was cut short
    cluster.data.mkdir(mode=0o700)
    with tempfile.NamedTemporaryFile("w", dir=cluster.folder) as secret:
        secret.write(cluster.password or "")
        secret.flush()
        if user:
            shutil.chown(cluster.data, user)
            shutil.chown(secret.name, user)
        how = ("-A", "scram-sha-256", f"--pwfile={secret.name}") if cluster.password else ("-A", "trust")
        run_as(user, (cluster.bin / "initdb", "-D", cluster.data, *INITDB, *LOCALE, *how))
    with (cluster.data / "postgresql.conf").open("a") as settings:
        settings.write(SETTINGS)


def program(cluster: Cluster) -> Program:
    """Return how to run the server of an initialised cluster in the foreground."""
    return Program(
        name="postgres",
        command=(str(cluster.bin / "postgres"), "-D", str(cluster.data), "-p", str(cluster.port)),
        log=cluster.folder / "log",
        user=server_user(),
        stop_signal=signal.SIGINT,  # fast shutdown: sessions end, data is flushed
        grace=30,
    )


def ensure_database(cluster: Cluster, name: str) -> str:
    """Create the database `name` where it is missing; return its DSN."""
    with psycopg.connect(cluster.dsn(), autocommit=True) as conn:
        if conn.execute("SELECT 1 FROM pg_database WHERE datname = %s", [name]).fetchone() is None:
            conn.execute(psycopg.sql.SQL("CREATE DATABASE {} TEMPLATE template0").format(psycopg.sql.Identifier(name)))
    return cluster.dsn(name)
