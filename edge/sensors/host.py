"""This machine: load, processor, memory, disks, network, temperature."""

import logging
import math
import time
from collections.abc import Iterator
from typing import Final

import psutil

from edge.sensors.sensor import Content, Made
from edge.settings import Host
from events.about import Sensor as Described
from events.envelope import MessageId
from events.reading import Reading

log = logging.getLogger(__name__)

UNITS: Final = {
    "load1": ("1", "processes ready to run, 1 minute mean", 0.0, None),
    "cpu": ("%", "processor time in use", 0.0, 100.0),
    "memory": ("%", "memory in use", 0.0, 100.0),
    "swap": ("%", "swap in use", 0.0, 100.0),
    "disk": ("%", "disk space in use", 0.0, 100.0),
    "network/received": ("By/s", "bytes received a second, all interfaces but lo", 0.0, None),
    "network/sent": ("By/s", "bytes sent a second, all interfaces but lo", 0.0, None),
    "temperature": ("Cel", "hottest sensor of the chip", -50.0, 150.0),
}


class HostSensor:
    """Values of this machine, through psutil."""

    needs_clock = False
    wants_kept = False

    def __init__(self, settings: Host) -> None:
        self._settings = settings
        self._due = 0.0
        self._counted = (-math.inf, 0, 0)  # when, bytes received, bytes sent
        self._silent: set[str] = set()
        psutil.cpu_percent()  # the first call has nothing to compare with

    def read(self, now: float) -> list[Made]:
        """One pack, if the period is over."""
        ticks = time.monotonic()
        if ticks + 0.02 < self._due:
            return []
        period = self._settings.period_s
        self._due = self._due + period if self._due + period > ticks else ticks + period
        prefix = self._settings.prefix
        return [Made([Reading(f"{prefix}/{name}", now, value, _about(name)[0]) for name, value in self._values()])]

    def kept(self, message_id: MessageId, content: Content) -> None:
        """Not asked for."""

    def describe(self) -> tuple[Described, ...]:
        """Its series as they can be read now."""
        told = {sensor.name: sensor for sensor in self._settings.describe}
        for name, _ in self._values():
            unit, description, minimum, maximum = _about(name)
            full = f"{self._settings.prefix}/{name}"
            made = Described(
                name=full, unit=unit, description=description, minimum=minimum, maximum=maximum,
                period_s=self._settings.period_s,
            )  # fmt: skip
            told.setdefault(full, made)
        return tuple(told.values())

    def _values(self) -> Iterator[tuple[str, float]]:
        yield "load1", psutil.getloadavg()[0]
        yield "cpu", psutil.cpu_percent()
        yield "memory", psutil.virtual_memory().percent
        yield from self._disks()
        yield from self._network()
        yield from _temperatures()

    def _disks(self) -> Iterator[tuple[str, float]]:
        for index, disk in enumerate(self._settings.disks):
            try:
                yield f"disk{index or ''}", psutil.disk_usage(disk).percent
            except OSError as error:
                if disk not in self._silent:
                    log.warning("disk=%s error=%s: no readings of it", disk, error)
                self._silent.add(disk)

    def _network(self) -> Iterator[tuple[str, float]]:
        counters = [count for name, count in psutil.net_io_counters(pernic=True).items() if name != "lo"]
        now, received, sent = time.monotonic(), sum(c.bytes_recv for c in counters), sum(c.bytes_sent for c in counters)
        then, received_then, sent_then = self._counted
        self._counted = now, received, sent
        yield "network/received", max(0.0, (received - received_then) / (now - then))
        yield "network/sent", max(0.0, (sent - sent_then) / (now - then))


def _temperatures() -> Iterator[tuple[str, float]]:
    for chip, entries in psutil.sensors_temperatures().items():
        if entries:
            yield f"temperature/{chip}", max(entry.current for entry in entries)


def _about(name: str) -> tuple[str, str, float, float | None]:
    for known, told in UNITS.items():
        if name == known or name.rstrip("0123456789") == known or name.startswith(f"{known}/"):
            return told
    raise KeyError(name)
