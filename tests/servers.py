"""Handles of the real servers that tests run on."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Protocol

import psycopg

from ngatu.process.child import Child
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto, postgres


class WaitFor(Protocol):
    def __call__(self, condition: Callable[[], object], timeout: float = 30) -> None: ...


class PostgresServer(Child):
    """A running cluster; `.stop() .start() .kill()` break and mend it."""

    def __init__(self, cluster: postgres.Cluster, guard: Guard) -> None:
        super().__init__(postgres.program(cluster), guard)
        self.cluster = cluster
        self._names = count()

    def start(self) -> None:
        super().start()
        self.wait_ready(self.cluster.ready, timeout=60)

    @contextmanager
    def stopped(self) -> Iterator[None]:
        self.stop()
        try:
            yield
        finally:
            self.start()

    @contextmanager
    def database(self, template: str = "template0") -> Iterator[str]:
        """The DSN of a fresh copy of `template`, dropped at the end."""
        name = f"test_{next(self._names)}"
        self.execute(f"CREATE DATABASE {name} TEMPLATE {template}")
        try:
            yield self.cluster.dsn(name)
        finally:
            self.execute(f"DROP DATABASE {name} WITH (FORCE)")

    def execute(self, *statements: str) -> None:
        with psycopg.connect(self.cluster.dsn(), autocommit=True) as conn:
            for statement in statements:
                conn.execute(statement.encode())


@contextmanager
def running_postgres(packages: Path, folder: Path, guard: Guard) -> Iterator[PostgresServer]:
    cluster = postgres.Cluster(packages=packages, folder=folder, port=free_port())
    postgres.initialise(cluster)
    server = PostgresServer(cluster, guard)
    server.start()
    try:
        yield server
    finally:
        server.stop()


class Broker(Child):
    """A running Mosquitto; `.stop() .start() .kill() .wipe()` break and mend it."""

    host = "127.0.0.1"

    def __init__(self, site: mosquitto.BrokerSite, guard: Guard) -> None:
        super().__init__(mosquitto.program(site), guard)
        self.site = site
        self.port = site.port

    @property
    def url(self) -> str:
        """As NGATU_MQTT_URL takes it."""
        return f"mqtt://{self.host}:{self.port}"

    def start(self) -> None:
        super().start()
        self.wait_ready(self.site.answers, timeout=20)

    def wipe(self) -> None:
        """Forget sessions, queues and retained messages; it must be stopped."""
        assert not self.running
        shutil.rmtree(self.site.folder / "data")
        mosquitto.initialise(self.site)


@contextmanager
def running_broker(site: mosquitto.BrokerSite, guard: Guard) -> Iterator[Broker]:
    mosquitto.initialise(site)
    server = Broker(site, guard)
    server.start()
    try:
        yield server
    finally:
        server.stop()
