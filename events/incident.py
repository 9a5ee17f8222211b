"""Incidents: something on the street that a person should look at now."""

from typing import Annotated, Final, Literal, get_args

import msgspec

from events.fact import Aware, Fact, Latitude, Longitude, Name, Revision, Share, Ulid

IncidentKind = Literal[
    "stopped_vehicle",
    "wrong_way",
    "collision",
    "near_miss",
    "pedestrian_on_road",
    "speeding",
    "illegal_uturn",
    "illegal_parking",
    "debris",
    "congestion",
    "object_detected",  # by a foreign camera system that knows objects, not incidents
    "citizen_report",  # somebody told us
]
INCIDENT_KINDS: Final = get_args(IncidentKind)
# Kinds that one event can show in turn, the graver first: a near miss becomes a collision, a stopped vehicle too.
FAMILIES: Final[tuple[tuple[IncidentKind, ...], ...]] = (
    ("collision", "stopped_vehicle", "illegal_parking", "debris", "near_miss"),
    ("wrong_way", "illegal_uturn"),
    ("pedestrian_on_road",),
    ("speeding",),
    ("congestion",),
)
State = Literal["open", "update", "end"]
Severity = Literal["info", "minor", "major", "critical"]
SEVERITIES: Final = get_args(Severity)

Box = Annotated[tuple[float, float, float, float], "x1 y1 x2 y2 in pixels of the camera's picture, y down"]
Why = float | str


class Place(Fact, frozen=True, kw_only=True):
    """Where: in the picture, and on the ground where the camera is calibrated."""

    box: Box | None = None
    x: float | None = None  # metres on the camera's road plane
    y: float | None = None
    error_m: Annotated[float, msgspec.Meta(ge=0)] | None = None  # standard deviation: of the calibration and of the box
    latitude: Latitude | None = None
    longitude: Longitude | None = None


class Incident(Fact, frozen=True, kw_only=True):
    """One event on the street, as known at revision `rev`; a higher revision replaces a lower one whole.

    `decided_at` is when the frame was captured that made it an incident: alert delay counts from there.
    """

    id: Ulid
    rev: Revision
    kind: IncidentKind
    state: State
    severity: Severity
    camera: Name
    zone: Name | None = None
    started_at: Aware  # when it began on the street, as far as can be told
    decided_at: Aware
    at: Aware  # the frame that this revision speaks of
    ended_at: Aware | None = None
    confidence: Share
    place: Place
    why: dict[str, Why] = {}  # e.g. {"speed_mps": 0.1, "seconds": 12.5, "zone": "lane 2"}
    tracks: tuple[int, ...] = ()  # the camera's own track numbers
    raised_from: IncidentKind | None = None  # a stopped vehicle that turned out to be a collision
    model: str | None = None  # which detector saw it


DECODER: Final = msgspec.json.Decoder(Incident)
