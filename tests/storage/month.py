"""A month of a small simulated city, message by message, and a log of what was generated, to compute from a second way.

15 June to 14 July 2025, across the day on which Hanoi's wards changed. What is wrong with its devices is told at each.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from events.about import About, Position, Sensor
from events.fact import to_json
from events.incident import Incident
from events.reading import Reading, encode_senml
from events.topic import Kind
from ngatu.simulate import street
from ngatu.simulate.gauges import AIR, BOX, LOOP, NOISE, Gauge, Wanderer

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
BEGIN: Final = datetime(2025, 6, 15, tzinfo=ZONE).astimezone(UTC)
MIDDLE: Final = datetime(2025, 7, 1, tzinfo=ZONE).astimezone(UTC)
END: Final = datetime(2025, 7, 15, tzinfo=ZONE).astimezone(UTC)
PACK: Final = timedelta(hours=6)
MINUTES_APART: Final = 12  # of traffic: each camera tells one minute in twelve
UNSET: Final = timedelta(days=-9131)  # a clock that was never set shows the year 2000


@dataclass(frozen=True, kw_only=True)
class Site:
    """A device; `ward` is a code of today's, or of before the change."""

    name: str
    gauges: tuple[Gauge, ...] = BOX
    period_s: float = 600.0
    ward: str | None = None
    position: Position | None = None
    camera: bool = False
    scale: float = 1.0
    silent: tuple[float, float] = (99, 99)  # days of the month on which it measures nothing
    kept_back: tuple[float, float] = (99, 99)  # days whose messages come two weeks late
    wrong: tuple[float, float] = (99, 99)  # days on which a third of its values are out of range
    unset: tuple[float, float] = (99, 99)  # days on which its clock is not set
    stutters: bool = False  # tells some readings twice, in two messages


LAKE: Final = Position(latitude=21.0287, longitude=105.8524)
WEST: Final = Position(latitude=21.0381, longitude=105.7826)
SITES: Final = (
    Site(name="cam-lake", camera=True, ward="00070", position=LAKE),
    Site(name="cam-west", camera=True, position=WEST, scale=0.6, kept_back=(9, 10.5)),
    Site(name="cam-old", camera=True, ward="00115", scale=0.3, silent=(4, 5.5)),
    Site(name="air-lake", gauges=AIR, ward="00070", position=LAKE, silent=(20, 20.7)),
    Site(name="air-west", gauges=AIR, position=WEST, wrong=(2, 12)),
    Site(name="loop-lake", gauges=LOOP, position=LAKE, period_s=300, stutters=True),
    Site(name="loop-west", gauges=LOOP, position=WEST, kept_back=(5, 9)),
    Site(name="noise-unset", gauges=NOISE, position=LAKE, unset=(12, 15)),
)


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a device says, and when it reaches the broker."""

    device: str
    kind: Kind
    payload: bytes
    comes: datetime
    readings: int = 0


@dataclass
class Log:
    """What was generated, as rows; times are UTC. `late` rows came after the middle of the month was aggregated."""

    readings: list[tuple[str, str, datetime, float, bool, bool]] = field(default_factory=list)  # …, in range, late
    minutes: list[tuple[str, datetime, float, float, float, bool, bool]] = field(default_factory=list)
    flows: list[tuple[str, datetime, str, str, int, float, float, bool]] = field(default_factory=list)
    incidents: list[tuple[str, str, str, str, datetime, datetime | None]] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)


def make_month(seed: int = 20_250_701) -> Log:
    """The same for the same seed."""
    log = Log()
    for site in SITES:
        chance = random.Random(f"{seed}:{site.name}")
        log.messages.append(_about(site))
        _measure(site, chance, log)
        if site.camera:
            _count(site, chance, log)
            _happen(site, chance, log)
    log.messages.sort(key=lambda message: (message.comes, message.device, message.kind))
    return log


def _about(site: Site) -> Message:
    about = About(
        rev=1,
        position=site.position,
        ward=site.ward,
        sensors=tuple(_sensor(gauge, site.period_s) for gauge in site.gauges),
        cameras=(street.camera(site.position or LAKE),) if site.camera else (),
    )
    return Message(device=site.name, kind="about", payload=to_json(about), comes=BEGIN - PACK)


def _sensor(gauge: Gauge, period_s: float) -> Sensor:
    """Range and period, no more: what is flagged can be computed from the log."""
    return Sensor(name=gauge.name, unit=gauge.unit, minimum=gauge.minimum, maximum=gauge.maximum, period_s=period_s)


def _within(days: tuple[float, float], at: datetime) -> bool:
    return days[0] <= (at - BEGIN) / timedelta(days=1) < days[1]


def _comes(site: Site, at: datetime) -> datetime:
    return at + timedelta(days=14) if _within(site.kept_back, at) else at


def _span(step: timedelta) -> Iterator[datetime]:
    at = BEGIN
    while at < END:
        yield at
        at += step


def _measure(site: Site, chance: random.Random, log: Log) -> None:
    series = [Wanderer(gauge, chance) for gauge in site.gauges]
    for begin in _span(PACK):
        pack = []
        at = begin
        while at < begin + PACK:
            pack += [_reading(site, one, at, chance) for one in series if not _within(site.silent, at)]
            at += timedelta(seconds=site.period_s)
        packs = [pack, pack[:2]] if site.stutters and chance.random() < 0.2 else [pack]
        comes = _comes(site, begin + PACK)
        for some in packs:
            if some:
                payload = encode_senml(some, site.name)
                log.messages.append(
                    Message(device=site.name, kind="readings", payload=payload, comes=comes, readings=len(some))
                )
        late = comes > MIDDLE >= begin + PACK
        ranges = {gauge.name: (gauge.minimum, gauge.maximum) for gauge in site.gauges}
        for reading in (one for some in packs for one in some):
            low, high = ranges[reading.series]
            assert isinstance(reading.value, float)
            assert reading.at is not None
            told = datetime.fromtimestamp(reading.at, UTC)
            log.readings.append((site.name, reading.series, told, reading.value, low <= reading.value <= high, late))


def _reading(site: Site, series: Wanderer, at: datetime, chance: random.Random) -> Reading:
    value = series.measure(at.astimezone(ZONE))
    if _within(site.wrong, at) and chance.random() < 1 / 3:
        value = series.gauge.maximum + 10.0
    shown = at + timedelta(milliseconds=chance.randrange(90_000)) + (UNSET if _within(site.unset, at) else timedelta())
    return Reading(series.gauge.name, round(shown.timestamp(), 3), float(value), series.gauge.unit)


def _count(site: Site, chance: random.Random, log: Log) -> None:
    for at in _span(timedelta(minutes=MINUTES_APART)):
        if _within(site.silent, at):
            continue
        seen = street.minute(at.timestamp(), at.astimezone(ZONE), site.scale, chance)
        seen = msgspec.structs.replace(seen, trusted=chance.random() > 0.02)
        comes = _comes(site, at)
        late = comes > MIDDLE >= at
        log.messages.append(Message(device=site.name, kind="traffic", payload=to_json(seen), comes=comes))
        log.minutes.append((site.name, at, seen.occupancy or 0, seen.queue or 0, seen.pcu or 0, seen.trusted, late))
        log.flows += [
            (site.name, at, f.klass, f.direction, f.count, f.speed_mps or 0, f.speed_p85_mps or 0, late)
            for f in seen.flows
        ]


def _happen(site: Site, chance: random.Random, log: Log) -> None:
    for day in _span(timedelta(days=1)):
        for _ in range(chance.randrange(2, 6)):
            begun = (day + timedelta(seconds=chance.uniform(0, 86_000))).timestamp()
            ongoing = street.begin_incident(begun, site.position or LAKE, chance)
            first = msgspec.structs.replace(ongoing.incident, severity="minor")
            ended = street.end_incident(ongoing.incident, ongoing.until)
            grave = chance.random() < 0.1  # known to be worse only two weeks later
            last = msgspec.structs.replace(ended, severity="critical" if grave else first.severity)
            comes = datetime.fromtimestamp(ongoing.until, UTC) + timedelta(days=14 if grave else 0)
            log.messages += [_said(site, first, datetime.fromtimestamp(begun, UTC)), _said(site, last, comes)]
            log.incidents.append((last.id, site.name, last.kind, last.severity, last.started_at, last.ended_at))


def _said(site: Site, incident: Incident, comes: datetime) -> Message:
    return Message(device=site.name, kind="incident", payload=to_json(incident), comes=comes)
