"""Frigate: `frigate/events` (tracked objects) and `frigate/reviews` (review items), new/update/end, as incidents.

Frigate counts no revisions, so what only grows with each message counts for one: messages may come in any order.
Whom it recognized (`sub_label`, `sub_labels`, `recognized_license_plate`) is not read: names and plates stay there.
"""

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from events import BadMessage
from events.fact import from_json
from events.incident import Incident, IncidentKind, Severity, State
from ingest.adapters.names import series_name, ulid_of
from ingest.adapters.told import Read, Told, shaped

LAST_REVISION: Final = 2**31 - 1  # of an end: after every other
STATES: Final[dict[str, State]] = {"new": "open", "update": "update", "end": "end"}
SEVERITIES: Final[dict[str, Severity]] = {"alert": "major", "detection": "minor"}
UNTOLD: Final = 0.5  # a review item has no score

KILOMETRES_PER_HOUR: Final = 1 / 3.6  # m/s
SPEED_UNITS: Final = {"kph": KILOMETRES_PER_HOUR, "mph": KILOMETRES_PER_HOUR * 1.609344}

Type = Literal["new", "update", "end", "genai"]  # genai: a language model's words on a review, after its end
Seconds = Annotated[float, msgspec.Meta(ge=0, le=253_370_000_000.0)]  # Unix


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`kinds`: which label is which of our kinds (else object_detected); `severity`: of tracked objects.

    `speed`: Frigate's `unit_system`, for the speeds that zones with distances give: messages do not say it.
    """

    kinds: dict[str, IncidentKind] = {}
    severity: Severity = "info"
    speed: Literal["kph", "mph"] = "kph"


class Tracked(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of a tracked object."""

    id: str
    camera: str
    label: str
    start_time: Seconds
    frame_time: Seconds
    end_time: Seconds | None = None
    top_score: float | None = None
    score: float = 0.0
    box: tuple[float, float, float, float] | None = None
    false_positive: bool = False
    stationary: bool = False
    average_estimated_speed: float | None = None  # 0: not known
    current_zones: tuple[str, ...] = ()
    entered_zones: tuple[str, ...] = ()


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """What a review item has gathered."""

    detections: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    zones: tuple[str, ...] = ()
    audio: tuple[str, ...] = ()


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """What we read of a review item."""

    id: str
    camera: str
    start_time: Seconds
    end_time: Seconds | None = None
    severity: Literal["alert", "detection"]
    data: Data = Data()


class Event(msgspec.Struct, frozen=True):
    """A message of `events`."""

    type: Type
    after: Tracked


class ReviewEvent(msgspec.Struct, frozen=True):
    """A message of `reviews`."""

    type: Type
    after: Review


EVENT: Final = msgspec.json.Decoder(Event)
REVIEW: Final = msgspec.json.Decoder(ReviewEvent)


def reader(options: Options) -> Read:
    """Read events and reviews; pass over all other topics (stats, snapshots, availability)."""

    def read(topic: str, payload: bytes) -> Told | None:
        last = topic.rpartition("/")[2]
        if last == "events":
            return _tracked(topic, from_json(EVENT, payload), options)
        return _reviewed(topic, from_json(REVIEW, payload), options) if last == "reviews" else None

    return read


def _tracked(topic: str, event: Event, options: Options) -> Told | None:
    tracked = event.after
    if tracked.false_positive or event.type not in STATES:
        return None
    lasted = max(0.0, tracked.frame_time - tracked.start_time)
    facts: dict[str, object] = {
        "kind": options.kinds.get(tracked.label, "object_detected"),
        "severity": options.severity,
        "at": max(tracked.frame_time, tracked.end_time or 0.0),
        "rev": LAST_REVISION if event.type == "end" else 1 + min(round(lasted * 1000), LAST_REVISION - 2),
        "confidence": tracked.score if tracked.top_score is None else tracked.top_score,
        "place": {"box": tracked.box} if tracked.box else {},
        "why": _why(tracked, lasted, options),
    }
    return _told(topic, event.type, tracked, facts, tracked.current_zones or tracked.entered_zones[-1:])


def _why(tracked: Tracked, lasted: float, options: Options) -> dict[str, float | str]:
    why: dict[str, float | str] = {"class": tracked.label, "seconds": round(lasted, 3)}
    if tracked.average_estimated_speed and tracked.average_estimated_speed > 0:
        why["speed_mps"] = round(tracked.average_estimated_speed * SPEED_UNITS[options.speed], 2)
    if tracked.stationary:
        why["motion"] = "stationary"
    return why


def _reviewed(topic: str, event: ReviewEvent, options: Options) -> Told | None:
    if event.type not in STATES:
        return None
    review, data = event.after, event.after.data
    grown = len(data.detections) + len(data.objects) + len(data.zones) + len(data.audio)
    labels = [label.removesuffix("-verified") for label in data.objects]
    kinds = [options.kinds[label] for label in labels if label in options.kinds]
    facts: dict[str, object] = {
        "kind": kinds[0] if kinds else "object_detected",
        "severity": SEVERITIES[review.severity],
        "at": max(review.start_time, review.end_time or 0.0),
        "rev": LAST_REVISION if event.type == "end" else 1 + min(grown, 10**6) + (review.severity == "alert") * 10**6,
        "confidence": UNTOLD,
        "place": {},
        "why": {"class": ", ".join(labels or data.audio) or "?"},
    }
    return _told(topic, event.type, review, facts, data.zones)


def _told(topic: str, type_: Type, of: Tracked | Review, facts: dict[str, object], zones: tuple[str, ...]) -> Told:
    camera = _named(of.camera, "camera")
    incident = {
        "id": ulid_of(of.start_time, topic, of.id),
        "state": STATES[type_],
        "camera": camera,
        "zone": series_name(zones[0]) if zones and zones[0] else None,
        "started_at": _instant(of.start_time),
        "decided_at": _instant(of.start_time),
        "ended_at": None if of.end_time is None else _instant(of.end_time),
        "model": "frigate",
    }
    assert isinstance(facts["at"], float)
    return Told(camera, shaped({**incident, **facts, "at": _instant(facts["at"])}, Incident))


def _instant(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def _named(name: str, what: str) -> str:
    if not name:
        raise BadMessage("shape", f"{what} has no name")
    return series_name(name)
