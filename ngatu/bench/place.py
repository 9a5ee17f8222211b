"""Where a benchmark happens: a private broker and database, and the processes that are measured."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil

from ingest.settings import plans
from ngatu.home import CHECKOUT, find_home
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto, postgres
from ngatu.servers.packages import server_packages
from storage.migrate import migrate


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Running servers."""

    folder: Path
    guard: Guard
    cluster: postgres.Cluster
    mqtt_port: int
    postgres_pid: int
    mosquitto_pid: int

    def database(self, name: str) -> str:
        """Make an empty database with the schema; its DSN."""
        dsn = postgres.ensure_database(self.cluster, name)
        migrate(dsn)
        return dsn

    @contextmanager
    def ingesting(self, dsn: str, processes: int) -> Iterator[list[int]]:
        """Run ingest; the ids of its processes, which have subscribed."""
        environ = {"NGATU_DSN": dsn, "NGATU_MQTT_URL": f"mqtt://127.0.0.1:{self.mqtt_port}"}
        command, children = (sys.executable, "-m", "ingest"), []
        with ExitStack() as stack, tempfile.TemporaryDirectory(dir=self.folder) as folder:
            for number in range(processes):
                log = Path(folder, f"ingest-{number}.log")
                program = Program(name="ingest", command=command, log=log, environ=environ, cwd=CHECKOUT)
                child = Child(program, self.guard)
                child.start()
                stack.callback(child.stop)
                children.append(child)
            for child in children:
                child.wait_ready(partial(_has_subscribed, child), timeout=60)
            yield [child.pid for child in children if child.pid]


@contextmanager
def servers() -> Iterator[Place]:
    """Start broker and database in a folder that goes with them."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ngatu-bench-")))
        folder.chmod(0o755)
        guard = Guard()
        stack.callback(guard.close)
        packages = server_packages(find_home(os.environ))
        cluster = postgres.Cluster(packages=packages, folder=folder / "postgres", port=free_port())
        site = mosquitto.BrokerSite(packages=packages, folder=folder / "mosquitto", port=free_port())
        postgres.initialise(cluster)
        mosquitto.initialise(site)
        pids = []
        for program, ready in ((postgres.program(cluster), cluster.ready), (mosquitto.program(site), site.answers)):
            child = Child(program, guard)
            child.start()
            stack.callback(child.stop)
            child.wait_ready(ready, timeout=60)
            pids.append(child.pid or 0)
        yield Place(
            folder=folder,
            guard=guard,
            cluster=cluster,
            mqtt_port=site.port,
            postgres_pid=pids[0],
            mosquitto_pid=pids[1],
        )


def busy(pid: int) -> float:
    """Seconds of processor that a process and its children have used."""
    try:
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    return sum(sum(_times(member)) for member in family)


def _has_subscribed(ingest: Child) -> bool:
    return ingest.tail(100).count("subscribed client=") >= len(plans())


def _times(member: psutil.Process) -> tuple[float, float]:
    try:
        times = member.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0, 0.0
    return times.user, times.system
