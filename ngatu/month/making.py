"""What a device says in a month, message by message, and the rows to compute from a second way.

From 15 June 2025 on, so that a month crosses the day on which Hanoi's wards changed.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from events.about import About, Sensor
from events.fact import to_json
from events.incident import Incident
from events.reading import Reading, encode_senml
from events.topic import Kind
from ngatu.month.sites import LAKE, Site
from ngatu.simulate import street
from ngatu.simulate.gauges import Gauge, Wanderer

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
BEGIN: Final = datetime(2025, 6, 15, tzinfo=ZONE).astimezone(UTC)
DAY: Final = timedelta(days=1)
PACK: Final = timedelta(hours=6)
LATE: Final = timedelta(days=14)
MINUTES_APART: Final = 12  # of traffic: each camera tells one minute in twelve
UNSET: Final = timedelta(days=-9131)  # a clock that was never set shows the year 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """What a device says, and when it reaches the broker, in the month's time."""

    device: str
    kind: Kind
    payload: bytes
    comes: datetime
    readings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """All that one device says, and the same as rows (times are UTC; the last of each is when the row came)."""

    site: Site
    messages: list[Message] = field(default_factory=list)
    readings: list[tuple[str, str, datetime, float, bool, datetime]] = field(default_factory=list)
    minutes: list[tuple[str, datetime, float, float, float, bool, datetime]] = field(default_factory=list)
    flows: list[tuple[str, datetime, str, str, int, float, float, datetime]] = field(default_factory=list)
    incidents: list[tuple[str, str, str, str, datetime, datetime | None, datetime]] = field(default_factory=list)


def make(site: Site, days: int, seed: int) -> Said:
    """Return the same for the same site, days and seed."""
    said = Said(site=site)
    chance = random.Random(f"{seed}:{site.name}")  # noqa: S311 - a simulation
    said.messages.append(_about(site))
    end = BEGIN + days * DAY
    _measure(said, end, chance)
    if site.camera:
        _count(said, end, chance)
        _happen(said, end, chance)
    return said


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
    """Range and period, no more: what is flagged can be computed from the rows."""
    return Sensor(name=gauge.name, unit=gauge.unit, minimum=gauge.minimum, maximum=gauge.maximum, period_s=period_s)


def _within(days: tuple[float, float], at: datetime) -> bool:
    return days[0] <= (at - BEGIN) / DAY < days[1]


def _comes(site: Site, at: datetime) -> datetime:
    return at + LATE if _within(site.kept_back, at) else at


def _span(begin: datetime, end: datetime, step: timedelta) -> Iterator[datetime]:
    while begin < end:
        yield begin
        begin += step


def _measure(said: Said, end: datetime, chance: random.Random) -> None:
    site = said.site
    series = [Wanderer(gauge, chance) for gauge in site.gauges]
    period = timedelta(seconds=site.period_s)
    for begin in _span(BEGIN, end, PACK):
        pack = [
            _reading(site, one, at, chance)
            for at in _span(begin, begin + PACK, period)
            for one in series
            if not _within(site.silent, at)
        ]
        comes = _comes(site, begin + PACK)
        for some in [pack, pack[:2]] if site.stutters and chance.random() < 0.2 else [pack]:
            if some:
                _tell(said, some, comes)


def _tell(said: Said, pack: list[Reading], comes: datetime) -> None:
    name = said.site.name
    payload = encode_senml(pack, name)
    said.messages.append(Message(device=name, kind="readings", payload=payload, comes=comes, readings=len(pack)))
    ranges = {gauge.name: (gauge.minimum, gauge.maximum) for gauge in said.site.gauges}
    for reading in pack:
        low, high = ranges[reading.series]
        assert isinstance(reading.value, float)
        assert reading.at is not None
        at = datetime.fromtimestamp(reading.at, UTC)
        said.readings.append((name, reading.series, at, reading.value, low <= reading.value <= high, comes))


def _reading(site: Site, series: Wanderer, at: datetime, chance: random.Random) -> Reading:
    value = series.measure(at.astimezone(ZONE))
    if _within(site.wrong, at) and chance.random() < 1 / 3:
        value = series.gauge.maximum + 10.0
    shown = at + timedelta(milliseconds=chance.randrange(round(site.jitter_s * 1000)))
    if _within(site.unset, at):
        shown += UNSET
    return Reading(series.gauge.name, round(shown.timestamp(), 3), float(value), series.gauge.unit)


def _count(said: Said, end: datetime, chance: random.Random) -> None:
    site = said.site
    for at in _span(BEGIN, end, timedelta(minutes=MINUTES_APART)):
        if _within(site.silent, at):
            continue
        seen = street.minute(at.timestamp(), at.astimezone(ZONE), site.scale, chance)
        seen = msgspec.structs.replace(seen, trusted=chance.random() > 0.02)
        comes = _comes(site, at)
        said.messages.append(Message(device=site.name, kind="traffic", payload=to_json(seen), comes=comes))
        said.minutes.append((site.name, at, seen.occupancy or 0, seen.queue or 0, seen.pcu or 0, seen.trusted, comes))
        said.flows.extend(
            (site.name, at, flow.klass, flow.direction, flow.count, flow.speed_mps or 0, flow.speed_p85_mps or 0, comes)
            for flow in seen.flows
        )


def _happen(said: Said, end: datetime, chance: random.Random) -> None:
    for day in _span(BEGIN, end, DAY):
        for _ in range(chance.randrange(2, 6)):
            begun = (day + timedelta(seconds=chance.uniform(0, 86_000))).timestamp()
            ongoing = street.begin_incident(begun, said.site.position or LAKE, chance)
            first = msgspec.structs.replace(ongoing.incident, severity="minor")
            ended = street.end_incident(ongoing.incident, ongoing.until)
            grave = chance.random() < 0.1  # known to be worse only two weeks later
            last = msgspec.structs.replace(ended, severity="critical" if grave else first.severity)
            _report(said, first, datetime.fromtimestamp(begun, UTC))
            _report(said, last, datetime.fromtimestamp(ongoing.until, UTC) + (LATE if grave else timedelta()))


def _report(said: Said, one: Incident, comes: datetime) -> None:
    name = said.site.name
    said.messages.append(Message(device=name, kind="incident", payload=to_json(one), comes=comes))
    said.incidents.append((one.id, name, one.kind, one.severity, one.started_at, one.ended_at, comes))
