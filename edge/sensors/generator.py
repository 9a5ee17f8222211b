"""Made-up readings, seeded: what tests and benchmarks measure with. It can note each reading that is on disk."""

import random
from pathlib import Path
from typing import Final

from edge.sensors.sensor import Pack
from edge.settings import Generator
from events.about import Sensor as Described
from events.envelope import MessageId
from events.reading import Reading

PACK: Final = 500  # readings in a message, at most
BEHIND_S: Final = 60.0  # after a pause (a laptop's lid) no more than this is caught up with


class GeneratorSensor:
    """A random walk for each series, `rate` readings a second in all, evenly spaced in time."""

    def __init__(self, settings: Generator, folder: Path) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - readings are no secret
        self._values = [self._random.uniform(0, 100) for _ in range(settings.series)]
        self._names = [f"{settings.prefix}/{index:04d}" for index in range(settings.series)]
        self._next = 0  # reading number
        self._began: float | None = None
        self._log = (folder / settings.log).open("a", encoding="utf-8") if settings.log else None

    needs_clock = False

    @property
    def wants_kept(self) -> bool:
        """Whether what is on disk is noted."""
        return self._log is not None

    def read(self, now: float) -> list[Pack]:
        """All that are due."""
        rate = self._settings.rate
        if self._began is None or now < self._began or now - self._began - self._next / rate > BEHIND_S:
            self._began, self._next = now, 0
        due = int((now - self._began) * rate) + 1
        readings = [self._make(number) for number in range(self._next, due)]
        self._next = max(due, self._next)
        return [Pack(readings[index : index + PACK]) for index in range(0, len(readings), PACK)]

    def _make(self, number: int) -> Reading:
        assert self._began is not None
        which = number % self._settings.series
        self._values[which] += self._random.gauss(0, 1)
        at = round(self._began + number / self._settings.rate, 6)
        return Reading(self._names[which], at, round(self._values[which], 3), "1")

    def kept(self, message_id: MessageId, readings: list[Reading]) -> None:
        """Note a pack that is on disk."""
        if self._log is not None:
            lines = (f"{message_id},{reading.series},{reading.at!r},{reading.value!r}\n" for reading in readings)
            self._log.write("".join(lines))
            self._log.flush()

    def describe(self) -> tuple[Described, ...]:
        """Its series."""
        told = {sensor.name: sensor for sensor in self._settings.describe}
        period = self._settings.series / self._settings.rate
        for name in self._names:
            told.setdefault(name, Described(name=name, unit="1", period_s=period))
        return tuple(told.values())
