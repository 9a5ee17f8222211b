"""Made-up readings and incidents, seeded: what tests and benchmarks measure with.

It can note each message that is on disk, as `stream:seq,series,at,value` a reading, `stream:seq,incident,at,id rev` a
revision of an incident, `stream:seq,evidence,at,incident sha256` a still; times are Unix seconds.
"""

import random
from collections import deque
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from msgspec.structs import replace
from ulid import ULID

from edge.sensors.sensor import Content, Made
from edge.settings import Generator
from events.about import Sensor as Described
from events.envelope import MessageId
from events.evidence import Evidence
from events.incident import Incident, Place
from events.reading import Reading

PACK: Final = 500  # readings in a message, at most
BEHIND_S: Final = 60.0  # after a pause (a laptop's lid) no more than this is caught up with
INCIDENT_S: Final = 2.0  # how long each lasts
CAMERA: Final = "gen"


class GeneratorSensor:
    """A random walk for each series, `rate` readings a second in all, evenly spaced in time; incidents beside."""

    needs_clock = False

    def __init__(self, settings: Generator, folder: Path) -> None:
        self._settings = settings
        self._random = random.Random(settings.seed)  # noqa: S311 - readings are no secret
        self._values = [self._random.uniform(0, 100) for _ in range(settings.series)]
        self._names = [f"{settings.prefix}/{index:04d}" for index in range(settings.series)]
        self._next = self._next_incident = 0
        self._began: float | None = None
        self._open: deque[Incident] = deque()
        self._log = folder / settings.log if settings.log else None

    @property
    def wants_kept(self) -> bool:
        """Whether what is on disk is noted."""
        return self._log is not None

    def read(self, now: float) -> list[Made]:
        """All that is due."""
        rate = self._settings.rate
        if self._began is None or now < self._began or now - self._began - self._next / rate > BEHIND_S:
            self._began, self._next, self._next_incident = now, 0, 0
        due = int((now - self._began) * rate) + 1
        readings = [self._reading(number, self._began) for number in range(self._next, due)]
        self._next = max(due, self._next)
        packs = [readings[index : index + PACK] for index in range(0, len(readings), PACK)]
        return [*(Made(content) for content in self._incidents(now, self._began)), *map(Made, packs)]

    def _reading(self, number: int, began: float) -> Reading:
        which = number % self._settings.series
        self._values[which] += self._random.gauss(0, 1)
        at = round(began + number / self._settings.rate, 6)
        return Reading(self._names[which], at, round(self._values[which], 3), "1")

    def _incidents(self, now: float, began: float) -> Iterator[Content]:
        """Those that begin, each with its still, and those that end."""
        due = int((now - began) * self._settings.incidents_per_s)
        at = datetime.fromtimestamp(now, UTC)
        while self._open and self._open[0].at <= at - timedelta(seconds=INCIDENT_S):
            opened = self._open.popleft()
            yield replace(opened, rev=2, state="end", at=at, ended_at=at)
        for _ in range(self._next_incident, due):
            incident = Incident(
                id=str(ULID()), rev=1, kind="stopped_vehicle", state="open", severity="minor", camera=CAMERA,
                started_at=at, decided_at=at, at=at, confidence=0.5, place=Place(),
            )  # fmt: skip
            self._open.append(incident)
            yield incident
            picture = b"\xff\xd8\xff\xe0" + self._random.randbytes(self._settings.still_bytes) + b"\xff\xd9"
            yield Evidence(incident=incident.id, camera=CAMERA, at=at, role="still", data=picture)
        self._next_incident = max(due, self._next_incident)

    def kept(self, message_id: MessageId, content: Content) -> None:
        """Note a message that is on disk."""
        if self._log is not None:
            with self._log.open("a", encoding="utf-8") as log:
                log.write("".join(f"{message_id},{line}\n" for line in _lines(content)))

    def describe(self) -> tuple[Described, ...]:
        """Its series."""
        told = {sensor.name: sensor for sensor in self._settings.describe}
        period = self._settings.series / self._settings.rate
        for name in self._names:
            told.setdefault(name, Described(name=name, unit="1", period_s=period))
        return tuple(told.values())


def _lines(content: Content) -> Iterator[str]:
    match content:
        case Incident():
            yield f"incident,{content.decided_at.timestamp()!r},{content.id} {content.rev}"
        case Evidence():
            yield f"evidence,{content.at.timestamp()!r},{content.incident} {sha256(content.data).hexdigest()}"
        case list():
            for reading in content:
                yield f"{reading.series},{reading.at!r},{reading.value!r}"
