"""`ngatu bench agent`: what an agent without a camera costs, and how fast its backlog gets into the database.

Everything is real and private: broker, database, ingest, agent, on this machine.
"""

import logging
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import yaml

from edge.inspection import inspect
from edge.outbox import Outbox
from edge.outgoing import of_readings
from events.reading import Reading
from ngatu.alert_watch import AlertWatch
from ngatu.bench.counting_relay import CountingRelay
from ngatu.home import CHECKOUT, find_home
from ngatu.process.child import Child, ChildFailed, Program
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto, postgres
from ngatu.servers.packages import server_packages
from storage.migrate import migrate

log: Final = logging.getLogger(__name__)

RATE: Final = 100  # readings a second, as many series
WARM_S: Final = 8.0
BUDGET: Final = 4_000_000_000
STALLED_S: Final = 120.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Goals in brackets."""

    resident_mb: float  # [≤ 45] of the agent alone, 100 series, 100 readings a second
    cpu_share: float  # [≤ 0.02] of one core
    wire_bytes_per_reading: float  # both ways, MQTT's and SenML's own included, TCP's not
    disk_bytes_per_reading: float  # of a backlog in the outbox's file
    backlog_readings: int
    drain_rate: float  # [≥ 20,000] readings a second, from the agent's start until all is acknowledged
    slowest_alert_s: float  # [< 1] a new incident while the backlog drains: decided → in the database and acknowledged

    @property
    def good(self) -> bool:
        """Whether all goals are met."""
        return (
            self.resident_mb <= 45
            and self.cpu_share <= 0.02
            and self.drain_rate >= 20_000
            and self.slowest_alert_s < 1.0
        )


def measure(*, readings: int, seconds: float) -> Figures:
    """Run both parts, one after the other.

    Args:
        readings: of the backlog.
        seconds: how long cost is measured.

    Raises:
        ChildFailed: a server did not start, or the backlog stopped draining.
    """
    with _servers() as (folder, guard, port), CountingRelay(port) as relay:
        resident, cpu, wire = _cost(folder, guard, relay, seconds)
        disk, rate, alert = _drain(folder, guard, port, readings)
    return Figures(
        resident_mb=resident / 1e6,
        cpu_share=cpu,
        wire_bytes_per_reading=wire,
        disk_bytes_per_reading=disk,
        backlog_readings=readings,
        drain_rate=rate,
        slowest_alert_s=alert,
    )


def _cost(folder: Path, guard: Guard, relay: CountingRelay, seconds: float) -> tuple[int, float, float]:
    """Resident bytes, share of a core, bytes on the wire for a reading."""
    sensors: list[dict[str, object]] = [{"kind": "generator", "rate": RATE, "series": RATE}]
    with _agent(folder, "bench-cost", guard, relay.port, sensors) as child:
        time.sleep(WARM_S)
        process = psutil.Process(child.pid)
        before, bytes_before, began = process.cpu_times(), relay.bytes, time.monotonic()
        time.sleep(seconds)
        took, after = time.monotonic() - began, process.cpu_times()
        busy = after.user + after.system - before.user - before.system
        wire = (relay.bytes - bytes_before) / (RATE * took)
        return process.memory_info().rss, busy / took, wire


def _drain(folder: Path, guard: Guard, port: int, readings: int) -> tuple[float, float, float]:
    """Bytes on disk for a reading, readings a second, the slowest alert in seconds."""
    path = folder / "bench-drain" / "outbox.db"
    disk = _fill(path, readings)
    log.info("filled readings=%d bytes_each=%.1f", readings, disk)
    sensors: list[dict[str, object]] = [
        {"kind": "generator", "rate": 1, "series": 1, "incidents_per_s": 2, "still_bytes": 50_000}
    ]
    began = time.monotonic()
    with AlertWatch(port, "bench-drain") as alerts, _agent(folder, "bench-drain", guard, port, sensors):
        _wait_drained(path, readings)
        took = time.monotonic() - began
        if not alerts.stored:
            raise ChildFailed("no incident was stored while the backlog drained: take a larger --readings")
        return disk, readings / took, alerts.slowest


def _wait_drained(path: Path, readings: int) -> None:
    waiting, progress = readings, time.monotonic()
    while waiting > 2:  # what the generator has just made
        time.sleep(0.05)
        left = next((kind.messages for kind in inspect(path, None).kinds if kind.kind == "readings"), 0)
        if left < waiting:
            waiting, progress = left, time.monotonic()
        elif time.monotonic() - progress > STALLED_S:
            raise ChildFailed(f"the backlog stopped draining: {left} messages left")


def _fill(path: Path, readings: int) -> float:
    """An outbox as an outage leaves it, a second's readings in each message; return its bytes on disk for a reading."""
    outbox = Outbox(path, BUDGET)
    began = time.time() - readings / RATE
    for second in range(-(-readings // RATE)):
        count = min(RATE, readings - second * RATE)
        at = began + second
        pack = [
            Reading(f"gen/{which:04d}", round(at + which / RATE, 6), round(50 + which / 7, 3), "1")
            for which in range(count)
        ]
        outbox.put(of_readings(pack, "bench-drain"))
    outbox.close()
    return path.stat().st_size / readings


@contextmanager
def _servers() -> Iterator[tuple[Path, Guard, int]]:
    """Broker, database with the schema, and ingest; the broker's port."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="ngatu-bench-agent-")))
        folder.chmod(0o755)
        guard = Guard()
        stack.callback(guard.close)
        packages = server_packages(find_home(os.environ))
        cluster = postgres.Cluster(packages=packages, folder=folder / "postgres", port=free_port())
        site = mosquitto.BrokerSite(packages=packages, folder=folder / "mosquitto", port=free_port())
        postgres.initialise(cluster)
        mosquitto.initialise(site)
        for program, ready in ((postgres.program(cluster), cluster.ready), (mosquitto.program(site), site.answers)):
            _started(stack, Child(program, guard)).wait_ready(ready, timeout=60)
        dsn = postgres.ensure_database(cluster, "ngatu")
        migrate(dsn)
        environ = {"NGATU_DSN": dsn, "NGATU_MQTT_URL": f"mqtt://127.0.0.1:{site.port}"}
        _started(stack, Child(_python("ingest", folder, environ=environ), guard))
        yield folder, guard, site.port


@contextmanager
def _agent(folder: Path, device: str, guard: Guard, port: int, sensors: list[dict[str, object]]) -> Iterator[Child]:
    settings = {
        "device": device,
        "broker": {"url": f"mqtt://127.0.0.1:{port}"},
        "outbox": {"budget": BUDGET},
        "sensors": sensors,
    }
    file = folder / f"{device}.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    with ExitStack() as stack:
        yield _started(stack, Child(_python("edge", folder, str(file)), guard))


def _python(module: str, folder: Path, *arguments: str, environ: dict[str, str] | None = None) -> Program:
    command = (sys.executable, "-m", module, *arguments)
    return Program(name=module, command=command, log=folder / f"{module}.log", environ=environ or {}, cwd=CHECKOUT)


def _started(stack: ExitStack, child: Child) -> Child:
    child.start()
    stack.callback(child.stop)
    return child
