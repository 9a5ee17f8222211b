"""`ngatu bench agent`: what an agent without a camera costs, and how fast its backlog gets into the database.

Everything is real and private: broker, database, ingest, agent, on this machine.
"""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
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
from ngatu.bench.place import Place, servers
from ngatu.home import CHECKOUT
from ngatu.process.child import Child, ChildFailed, Program

log: Final = logging.getLogger(__name__)

RATE: Final = 100  # readings a second, as many series
WARM_S: Final = 8.0
BUDGET: Final = 4_000_000_000
COMMIT_EVERY: Final = 500  # messages
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
    with servers() as place, place.ingesting(place.database("ngatu"), 1), CountingRelay(place.mqtt_port) as relay:
        resident, cpu, wire = _cost(place, relay, seconds)
        disk, rate, alert = _drain(place, readings)
    return Figures(
        resident_mb=resident / 1e6,
        cpu_share=cpu,
        wire_bytes_per_reading=wire,
        disk_bytes_per_reading=disk,
        backlog_readings=readings,
        drain_rate=rate,
        slowest_alert_s=alert,
    )


def _cost(place: Place, relay: CountingRelay, seconds: float) -> tuple[int, float, float]:
    """Resident bytes, share of a core, bytes on the wire for a reading."""
    sensors: list[dict[str, object]] = [{"kind": "generator", "rate": RATE, "series": RATE}]
    with _agent(place, "bench-cost", relay.port, sensors) as child:
        time.sleep(WARM_S)
        process = psutil.Process(child.pid)
        before, bytes_before, began = process.cpu_times(), relay.bytes, time.monotonic()
        time.sleep(seconds)
        took, after = time.monotonic() - began, process.cpu_times()
        busy = after.user + after.system - before.user - before.system
        wire = (relay.bytes - bytes_before) / (RATE * took)
        return process.memory_info().rss, busy / took, wire


def _drain(place: Place, readings: int) -> tuple[float, float, float]:
    """Bytes on disk for a reading, readings a second, the slowest alert in seconds."""
    path = place.folder / "bench-drain" / "outbox.db"
    disk = _fill(path, readings)
    log.info("filled readings=%d bytes_each=%.1f", readings, disk)
    sensors: list[dict[str, object]] = [
        {"kind": "generator", "rate": 1, "series": 1, "incidents_per_s": 2, "still_bytes": 50_000}
    ]
    began = time.monotonic()
    with AlertWatch(place.mqtt_port, "bench-drain") as alerts, _agent(place, "bench-drain", place.mqtt_port, sensors):
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
        if second % COMMIT_EVERY == 0:
            outbox.commit()  # an outage fills it no faster than the disk takes it
    outbox.close()
    if lost := inspect(path, None).given_up:
        raise ChildFailed(f"the outbox gave up {len(lost)} ranges while it was filled: take fewer --readings")
    return path.stat().st_size / readings


@contextmanager
def _agent(place: Place, device: str, port: int, sensors: list[dict[str, object]]) -> Iterator[Child]:
    settings = {
        "device": device,
        "broker": {"url": f"mqtt://127.0.0.1:{port}"},
        "outbox": {"budget": BUDGET},
        "sensors": sensors,
    }
    file = place.folder / f"{device}.yaml"
    file.write_text(yaml.safe_dump(settings), encoding="utf-8")
    command, log_file = (sys.executable, "-m", "edge", str(file)), place.folder / f"{device}.log"
    child = Child(Program(name="edge", command=command, log=log_file, cwd=CHECKOUT), place.guard)
    child.start()
    try:
        yield child
    finally:
        child.stop()
