"""What a simulated camera sees: minutes of traffic, and now and then an incident."""

import random
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from events.about import Camera, Position, Zone
from events.incident import Incident, IncidentKind, Place, Severity
from events.traffic import Flow, TrafficMinute
from events.ulid import ulid
from ngatu.simulate.rhythm import busyness

CAMERA: Final = "street"
ZONE: Final = "road"
PER_MINUTE: Final = {"motorcycle": 62.0, "car": 14.0, "bicycle": 2.0, "bus": 0.8, "truck": 0.7}  # at the busiest time
UNITS: Final = {"motorcycle": 0.25, "car": 1.0, "bicycle": 0.2, "bus": 2.5, "truck": 2.5}  # passenger car units
KINDS: Final[tuple[tuple[IncidentKind, Severity, int], ...]] = (
    ("stopped_vehicle", "minor", 30),
    ("congestion", "minor", 25),
    ("wrong_way", "major", 12),
    ("pedestrian_on_road", "minor", 12),
    ("illegal_parking", "info", 10),
    ("near_miss", "major", 8),
    ("collision", "critical", 3),
)


def camera(position: Position) -> Camera:
    """How `about` describes it."""
    road = Zone(name=ZONE, kind="road", points=((80.0, 200.0), (560.0, 200.0), (640.0, 360.0), (0.0, 360.0)))
    return Camera(name=CAMERA, width=640, height=360, fps=10.0, position=position, zones=(road,))


def minute(start: float, local: datetime, scale: float, chance: random.Random) -> TrafficMinute:
    """Count one minute of a street that is `scale` times as busy as the usual one.

    Args:
        start: Unix seconds.
        local: the same in the city's zone.
        scale: of this street.
        chance: the street's own.
    """
    level = busyness(local) * scale
    speed = 11.5 - 7.5 * min(level, 1.0)
    flows = [
        _flow(klass, direction, most * level / 2, speed, chance)
        for klass, most in PER_MINUTE.items()
        for direction in ("in", "out")
    ]
    return TrafficMinute(
        camera=CAMERA,
        zone=ZONE,
        start=datetime.fromtimestamp(start, UTC),
        flows=tuple(flow for flow in flows if flow.count),
        occupancy=round(min(1.0, 0.05 + 0.6 * level), 3),
        queue=float(round(12 * max(0.0, level - 0.5))),
        pcu=round(sum(UNITS[flow.klass] * flow.count for flow in flows), 2),
    )


def _flow(klass: str, direction: str, mean: float, usual: float, chance: random.Random) -> Flow:
    speed = max(1.5, chance.gauss(usual, 0.6))
    return Flow(
        klass=klass,
        direction=direction,
        count=max(0, round(chance.gauss(mean, mean**0.5))),
        speed_mps=round(speed, 2),
        speed_p85_mps=round(speed * 1.2, 2),
    )


class Ongoing(NamedTuple):
    """An incident, and when it will be over (Unix seconds)."""

    until: float
    incident: Incident


def begin_incident(at: float, position: Position, chance: random.Random) -> Ongoing:
    """Return a new incident."""
    kinds = [(kind, severity) for kind, severity, _ in KINDS]
    kind, severity = chance.choices(kinds, [weight for *_, weight in KINDS])[0]
    lasting = chance.uniform(20, 240)
    seen = datetime.fromtimestamp(at, UTC)
    left, top = chance.uniform(80, 400), chance.uniform(150, 250)
    incident = Incident(
        id=ulid(at, chance.randbytes(10)),
        rev=1,
        kind=kind,
        state="open",
        severity=severity,
        camera=CAMERA,
        zone=ZONE,
        started_at=datetime.fromtimestamp(at - chance.uniform(1, 10), UTC),
        decided_at=seen,
        at=seen,
        confidence=round(chance.uniform(0.6, 0.98), 2),
        place=Place(box=(left, top, left + 90, top + 60), latitude=position.latitude, longitude=position.longitude),
        why={"class": chance.choice(["car", "motorcycle", "truck"]), "seconds": round(lasting, 1), "zone": ZONE},
        model="simulated",
    )
    return Ongoing(at + lasting, incident)


def end_incident(incident: Incident, at: float) -> Incident:
    """Return its last revision."""
    ended = datetime.fromtimestamp(at, UTC)
    return msgspec.structs.replace(incident, rev=incident.rev + 1, state="end", at=ended, ended_at=ended)
