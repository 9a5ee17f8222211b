"""Facts on their way out: the payload, what MQTT says beside it, and how soon and how dearly it is kept."""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from edge import clock
from events.about import About
from events.envelope import JSON, SENML_JSON
from events.evidence import MEDIA, Evidence, evidence_properties
from events.fact import to_json
from events.health import Health
from events.incident import Incident
from events.reading import Reading, encode_senml
from events.topic import Kind
from events.traffic import TrafficMinute

Rank = Literal[0, 1, 2, 3, 4, 5, 6]
INCIDENT: Final = 0
STILL: Final = 1
ABOUT: Final = 2
HEALTH: Final = 3
TRAFFIC: Final = 4
READINGS: Final = 5
CLIP: Final = 6
RANKS: Final[tuple[Rank, ...]] = (0, 1, 2, 3, 4, 5, 6)
"""The order of sending. Eviction goes the other way, oldest first: a clip is the first to go, an incident the last."""

URGENT: Final = STILL
"""Ranks up to this one are committed at once, sent newest first, and have slots of their own."""


class Outgoing(msgspec.Struct, frozen=True, kw_only=True):
    """One message as it will be published."""

    kind: Kind
    rank: Rank
    content_type: str
    payload: bytes
    properties: tuple[tuple[str, str], ...] = ()
    made: clock.Moment | None = None  # readings taken while the clock was not set: when, by the clock of this boot


def of_incident(incident: Incident) -> Outgoing:
    """An incident, sent before all else."""
    return Outgoing(kind="incident", rank=INCIDENT, content_type=JSON, payload=to_json(incident))


def of_evidence(evidence: Evidence) -> Outgoing:
    """A still, sent right behind the incidents; or a clip, sent last."""
    return Outgoing(
        kind="evidence",
        rank=STILL if evidence.role == "still" else CLIP,
        content_type=MEDIA[evidence.role],
        payload=evidence.data,
        properties=evidence_properties(evidence),
    )


def of_about(about: About) -> Outgoing:
    """The device's description of itself."""
    return Outgoing(kind="about", rank=ABOUT, content_type=JSON, payload=to_json(about))


def of_health(health: Health) -> Outgoing:
    """A camera or sensor that is not to be trusted, or is again."""
    return Outgoing(kind="health", rank=HEALTH, content_type=JSON, payload=to_json(health))


def of_traffic(minute: TrafficMinute) -> Outgoing:
    """One zone's minute."""
    return Outgoing(kind="traffic", rank=TRAFFIC, content_type=JSON, payload=to_json(minute))


def of_readings(readings: Iterable[Reading], device: str, made: clock.Moment | None = None) -> Outgoing:
    """A SenML pack; `made` where the readings have no absolute time."""
    return Outgoing(
        kind="readings",
        rank=READINGS,
        content_type=SENML_JSON,
        payload=encode_senml(readings, device),
        made=made,
    )


def of_fact(fact: Incident | Evidence | Health | TrafficMinute) -> Outgoing:
    """What a camera saw."""
    match fact:
        case Incident():
            return of_incident(fact)
        case Evidence():
            return of_evidence(fact)
        case Health():
            return of_health(fact)
        case TrafficMinute():
            return of_traffic(fact)
