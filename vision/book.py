"""The book of incidents: findings, frame after frame, become one incident each, with revisions."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import msgspec
import numpy as np

from events.incident import FAMILIES, SEVERITIES, Incident, IncidentKind, Place
from vision.road.scene import Scene
from vision.rules.moment import Finding
from vision.rules.queueing import CYCLE_S
from vision.ulids import ulid_of

REPEAT_S: Final = 30.0  # an open incident is told again so often, so that its page stays true
# Seconds without a finding after which an incident has ended; within the same time again it may come back as itself.
QUIET_S: Final[dict[IncidentKind, float]] = {
    "collision": 30.0, "stopped_vehicle": 15.0, "illegal_parking": 15.0, "debris": 15.0, "near_miss": 10.0,
    "wrong_way": 10.0, "illegal_uturn": 10.0, "pedestrian_on_road": 10.0, "speeding": 5.0, "congestion": 30.0,
}  # fmt: skip
ANEW_S: Final = 5.0  # what began this long after the other was last seen is another event, at the same place or not
LATEST_S: Final = CYCLE_S + 10.0  # so long after it began, what stands is told at the latest
NEAR_M: Final = 8.0  # the same family this near, at the same time, is the same event: about two car lengths
WALKING_MPS: Final = 1.4  # Knoblauch 1996
STRAY_M: Final = 15.0  # how far a walker or wrong-way rider may be from where it was expected when found again


@dataclass(slots=True)
class _Entry:
    incident: Incident
    finding: Finding
    keys: set[str]
    first: float
    last: float
    seen: float
    told: float
    ended: bool = False


class Book:
    """All incidents of one camera that are open or ended lately."""

    def __init__(self, scene: Scene, model: str | None = None) -> None:
        self._scene = scene
        self._model = model
        self._entries: list[_Entry] = []
        self._count = 0

    @property
    def open(self) -> tuple[Incident, ...]:
        """The newest revision of each open incident."""
        return tuple(entry.incident for entry in self._entries if not entry.ended)

    def step(self, at: float, findings: Iterable[Finding]) -> list[Incident]:
        """Take a frame's findings in; the revisions that they make."""
        told = [revision for finding in findings if (revision := self._take(at, finding)) is not None]
        for entry in self._entries:
            quiet = QUIET_S[entry.incident.kind]
            if not entry.ended and at - entry.last > quiet:
                entry.ended = True
                told.append(self._revise(entry, at, state="end", ended_at=_time(entry.last)))
        self._entries = [e for e in self._entries if not e.ended or at - e.last <= max(LATEST_S, _back_s(e))]
        return told

    def _take(self, at: float, finding: Finding) -> Incident | None:
        entry = next((entry for entry in self._entries if self._is_same(entry, finding, at)), None)
        if entry is None:
            return self._open(at, finding)
        entry.keys.add(f"{finding.kind}/{finding.key}")
        entry.last = at
        entry.seen = finding.seen if finding.seen is not None else at
        was = entry.incident
        raised = _gravity(finding.kind) < _gravity(was.kind)
        if finding.kind == was.kind or raised:
            entry.finding = finding
        graver = SEVERITIES.index(finding.severity) > SEVERITIES.index(was.severity)
        if not (raised or graver or entry.ended or at - entry.told >= REPEAT_S):
            return None
        entry.ended, entry.told = False, at
        kind = finding.kind if raised else was.kind
        return self._revise(
            entry,
            at,
            state="update",
            ended_at=None,
            kind=kind,
            raised_from=was.kind if raised else was.raised_from,
            severity=finding.severity if graver else was.severity,
            confidence=max(was.confidence, round(finding.confidence, 3)),
        )

    def _is_same(self, entry: _Entry, finding: Finding, at: float) -> bool:
        late = entry.ended and at - entry.last > _back_s(entry)  # then only what began in its time belongs to it
        if late and finding.moving:
            return False
        if not late and f"{finding.kind}/{finding.key}" in entry.keys:
            return True
        family = _family(finding.kind)
        if _family(entry.incident.kind) != family or finding.kind == "speeding":
            return False
        known, near = bool(set(entry.finding.tracks) & set(finding.tracks)), self._is_near(entry, finding, at)
        if not finding.moving and finding.since > entry.seen + ANEW_S:
            return known and near  # it moved up a little and stands again
        return known or near

    def _is_near(self, entry: _Entry, finding: Finding, at: float) -> bool:
        scale = 1.0 if self._scene.ground is not None else _metres_per_pixel(finding)
        off = float(np.hypot(*(finding.place - entry.finding.place))) * scale
        reach = STRAY_M if finding.moving else NEAR_M
        again = finding.moving and finding.kind == entry.incident.kind
        pace = max(_pace(entry.finding), _pace(finding)) if again else 0.0
        return off <= reach + pace * (at - entry.last)

    def _open(self, at: float, finding: Finding) -> Incident:
        self._count += 1
        incident = Incident(
            id=ulid_of(at, self._scene.name, finding.kind, round(at * 1000), self._count),
            rev=1,
            kind=finding.kind,
            state="open",
            severity=finding.severity,
            camera=self._scene.name,
            zone=finding.zone,
            started_at=_time(finding.since),
            decided_at=_time(at),
            at=_time(at),
            confidence=round(min(max(finding.confidence, 0.0), 1.0), 3),
            place=self._place(finding),
            why=finding.why,
            tracks=finding.tracks,
            model=self._model,
        )
        key = f"{finding.kind}/{finding.key}"
        self._entries.append(
            _Entry(incident=incident, finding=finding, keys={key}, first=at, last=at, seen=at, told=at)
        )
        return incident

    def _revise(self, entry: _Entry, at: float, **changes: object) -> Incident:
        was, finding = entry.incident, entry.finding
        entry.incident = msgspec.structs.replace(
            was,
            rev=was.rev + 1,
            at=_time(at),
            place=self._place(finding),
            why=finding.why,
            tracks=tuple(dict.fromkeys((*was.tracks, *finding.tracks)))[-50:],
            **changes,
        )
        return entry.incident

    def _place(self, finding: Finding) -> Place:
        x1, y1, x2, y2 = (round(float(value), 1) for value in finding.box)
        place = Place(box=(x1, y1, x2, y2))
        if self._scene.ground is None:
            return place
        x, y = (round(float(value), 2) for value in finding.place)
        latitude, longitude = self._scene.origin.locate(x, y) if self._scene.origin else (None, None)
        error = round(self._scene.place_error(finding.box), 2)
        return msgspec.structs.replace(place, x=x, y=y, error_m=error, latitude=latitude, longitude=longitude)


def _family(kind: IncidentKind) -> int:
    return next(i for i, family in enumerate(FAMILIES) if kind in family)


def _back_s(entry: _Entry) -> float:
    """Seconds since its last finding within which an incident may come back as itself."""
    return 2 * QUIET_S[entry.incident.kind]


def _gravity(kind: IncidentKind) -> int:
    return FAMILIES[_family(kind)].index(kind)


def _pace(finding: Finding) -> float:
    """How fast it goes along, m/s."""
    speed = finding.why.get("speed_mps")
    return float(speed) if isinstance(speed, float) else WALKING_MPS


def _metres_per_pixel(finding: Finding) -> float:
    return 1.6 / max(float(finding.box[3] - finding.box[1]), 1.0)


def _time(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)
