"""One simulated device: what it has to say by a time, in order, whatever ails it."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final
from zoneinfo import ZoneInfo

from events.about import About, Position
from events.fact import to_json
from events.reading import Reading, encode_senml
from events.topic import Kind
from ngatu.simulate import street
from ngatu.simulate.gauges import Gauge, Wanderer
from ngatu.simulate.rhythm import busyness
from ngatu.simulate.trouble import Trouble

MOST_IN_A_MESSAGE: Final = 600  # readings
MOST_HELD_BACK: Final = 6000  # readings of a device that is late, or that nobody hears
MINUTE: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """What a device is and where."""

    name: str
    ward: str
    position: Position
    zone: ZoneInfo
    gauges: tuple[Gauge, ...]
    period_s: float  # between two readings of the device, its series taking turns
    trouble: Trouble
    incidents_per_s: float = 0.0  # at the busiest time
    has_camera: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """A message without its number."""

    kind: Kind
    payload: bytes
    readings: int = 0


class Device:
    """Everything by chance comes from `seed` and the device's name."""

    def __init__(self, site: Site, seed: int, start: float) -> None:
        self.site = site
        self._chance = random.Random(f"{seed}:{site.name}")  # noqa: S311 - a simulation
        self._series = [Wanderer(gauge, self._chance) for gauge in site.gauges]
        self._next = start + self._chance.uniform(0, site.period_s)  # when the next reading is due
        self._turn = 0
        self._next_minute = start - start % MINUTE
        self._looked = start  # until when incidents were looked for
        self._held: list[Reading] = []
        self._last: dict[str, float] = {}
        self._ongoing: list[street.Ongoing] = []
        self.overwritten = 0  # readings that it measured, and could not keep until somebody listened
        self._scale = self._chance.uniform(0.4, 1.3)  # how busy its street is

    def about(self, now: float) -> Said:
        """Describe it."""
        site = self.site
        about = About(
            rev=max(1, round(now * 1000)),
            description=f"simulated, ward {site.ward}"
            + (f", {site.trouble.kind}" if site.trouble.kind != "none" else ""),
            position=site.position,
            ward=site.ward,
            sensors=tuple(gauge.sensor(site.period_s * len(site.gauges)) for gauge in site.gauges),
            cameras=(street.camera(site.position),) if site.has_camera else (),
            versions={"simulate": "1"},
        )
        return Said("about", to_json(about))

    def clock(self, now: float) -> float:
        """What its clock shows."""
        return now + self.site.trouble.offset_s

    def speak(self, until: float) -> Iterator[Said]:
        """Everything that it measures and sees up to a time (Unix seconds), from where it was."""
        if self.site.has_camera:
            yield from self._incidents(until)
            yield from self._minutes(until)
        while self._next < until:
            self._measure(self._next)
            self._next += self.site.period_s
        if not self.site.trouble.is_on("late", until):
            yield from self._readings()

    def finish(self, until: float) -> Iterator[Said]:
        """Say what was held back, and end what goes on."""
        for _, incident in self._ongoing:
            yield Said("incident", to_json(street.end_incident(incident, until)))
        self._ongoing = []
        yield from self._readings()

    def _measure(self, at: float) -> None:
        trouble = self.site.trouble
        series = self._series[self._turn % len(self._series)]
        self._turn += 1
        value = series.measure(self._local(at))
        name = series.gauge.name
        if trouble.is_on("stuck", at):
            value = self._last.get(name, value)
        elif trouble.is_on("out_of_range", at):
            value = round(series.gauge.maximum * 1.5 + 1, 2)
        self._last[name] = value
        if trouble.is_on("dropout", at):
            return
        if len(self._held) >= MOST_HELD_BACK:
            self.overwritten += 1
        else:
            self._held.append(Reading(name, round(max(0.0, self.clock(at)), 3), value, series.gauge.unit))

    def _readings(self) -> Iterator[Said]:
        held, self._held = self._held, []
        for start in range(0, len(held), MOST_IN_A_MESSAGE):
            some = held[start : start + MOST_IN_A_MESSAGE]
            yield Said("readings", encode_senml(some, self.site.name), len(some))

    def _minutes(self, until: float) -> Iterator[Said]:
        while self._next_minute + MINUTE <= until:
            start, self._next_minute = self._next_minute, self._next_minute + MINUTE
            if not self.site.trouble.is_on("dropout", start):
                counted = street.minute(start, self._local(start), self._scale, self._chance)
                yield Said("traffic", to_json(counted))

    def _incidents(self, until: float) -> Iterator[Said]:
        for at, incident in self._ongoing:
            if at <= until:
                yield Said("incident", to_json(street.end_incident(incident, at)))
        self._ongoing = [one for one in self._ongoing if one[0] > until]
        mean = self.site.incidents_per_s * busyness(self._local(until)) * (until - self._looked)
        if self._chance.random() < mean:
            at = self._chance.uniform(self._looked, until)
            begun = street.begin_incident(at, self.site.position, self._chance)
            self._ongoing.append(begun)
            yield Said("incident", to_json(begun.incident))
        self._looked = until

    def _local(self, at: float) -> datetime:
        return datetime.fromtimestamp(at, UTC).astimezone(self.site.zone)
