"""The line through a camera: boxes → tracks → standing vehicles → rules → incidents. No threads, no clock, no I/O."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

import numpy as np

from events.incident import Incident, IncidentKind
from events.traffic import TrafficMinute
from vision.book import Book
from vision.counts import Counts
from vision.road.ground import Array
from vision.road.scene import LINES, Scene
from vision.road.zones import Depths
from vision.rules import rules_for
from vision.rules.moment import Finding, Moment, Picture
from vision.rules.queueing import note_held
from vision.tracking.boxes import NAMES, admit
from vision.tracking.standing import Standing
from vision.tracking.track import Tracks
from vision.tracking.trail import Track

Told: TypeAlias = Incident | TrafficMinute


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A track as it stands now, for who draws it."""

    number: int
    klass: str
    box: tuple[float, float, float, float]
    speed_mps: float | None  # None where not calibrated
    place: tuple[float, float] | None  # metres, where calibrated


class Line:
    """One camera's way from boxes to facts; all that it remembers is in this instance.

    The same scene and the same frames give the same facts, whatever the speed at which they come.

    Args:
        scene: the camera's.
        model: what detected, for the record.
        tracks: what makes tracks of boxes, where it is not the usual.
    """

    def __init__(self, scene: Scene, *, model: str | None = None, tracks: Tracks | None = None) -> None:
        self.scene = scene
        self._ignored = tuple(zone.image for zone in scene.of_kind("ignore"))
        self._tracks = tracks or Tracks(scene)
        self._standing = Standing(scene.of_kind("road", "lane_direction"))
        zones = [zone for zone in scene.zones if zone.kind not in LINES and zone.kind != "ignore"]
        self._zones, self._depths = [zone.name for zone in zones], Depths([zone.judged for zone in zones])
        self._rules = rules_for(scene)
        self._book = Book(scene, model)
        self._counts = Counts(scene)
        self._at = -math.inf
        self._begun: float | None = None
        self._boxes: Array = np.empty((0, 6))
        self._moment: Moment | None = None
        self._well = True

    @property
    def kinds(self) -> tuple[IncidentKind, ...]:
        """The kinds of incident that this camera can tell, by its zones and calibration."""
        return tuple(self._rules)

    @property
    def open(self) -> tuple[Incident, ...]:
        """The newest revision of each open incident."""
        return self._book.open

    @property
    def tracks(self) -> tuple[Seen, ...]:
        """What was seen in the last frame."""
        tracks = () if self._moment is None else self._moment.tracks
        return tuple(_seen(track, calibrated=self.scene.ground is not None) for track in tracks)

    def trust(self, *, ok: bool) -> None:
        """Say that the camera is unwell (frozen, covered, moved …) or well again.

        While it is unwell no incident is opened, and the minutes touched are marked untrusted.
        """
        self._well = ok
        self._counts.trust(ok=ok)

    def step(self, at: float | datetime, boxes: Array | None, image: Picture | None = None) -> list[Told]:
        """Take a frame in.

        Args:
            at: when it was captured, POSIX seconds or an aware time; a frame not later than the one before is dropped.
            boxes: (n, 6) x1 y1 x2 y2 score COCO-class, in the scene's pixels; None: nothing moved, as before.
            image: (h, w, 3) BGR, for the rules that look at pixels.

        Returns:
            Revisions of incidents, and the counts of minutes that have ended.
        """
        at = at.timestamp() if isinstance(at, datetime) else float(at)
        if not math.isfinite(at) or at <= self._at:
            return []
        self._at = at
        self._begun = at if self._begun is None else self._begun
        self._boxes = self._boxes if boxes is None else np.asarray(boxes, float).reshape(-1, 6)
        admitted = admit(self._boxes, self._ignored)
        tracks = self._tracks.step(at, admitted)
        self._place(tracks)
        stands = self._standing.step(at, admitted, tracks)
        note_held(at, stands, tracks)
        moment = Moment(
            at=at, begun=self._begun, scene=self.scene, tracks=tracks, stands=stands, boxes=self._boxes, picture=image
        )  # fmt: skip
        self._moment = moment
        return [*self._counts.step(moment), *self._book.step(at, self._find(moment))]

    def finish(self) -> list[Told]:
        """The end of a recording, or a clean stop: the minute so far. Raises no incident."""
        return [*self._counts.finish()]

    def _place(self, tracks: tuple[Track, ...]) -> None:
        """Tell each track how deep it is in each zone."""
        if not tracks:
            return
        depths = self._depths.of(np.array([track.place for track in tracks]))
        for track, row in zip(tracks, depths.tolist(), strict=True):
            track.depths = dict(zip(self._zones, row, strict=True))

    def _find(self, moment: Moment) -> Iterable[Finding]:
        if not self._well:
            return []
        return [finding for rule in self._rules.values() for finding in rule(moment)]


def _seen(track: Track, *, calibrated: bool) -> Seen:
    x1, y1, x2, y2 = (float(value) for value in track.box)
    return Seen(
        number=track.number,
        klass=NAMES[track.klass],
        box=(x1, y1, x2, y2),
        speed_mps=track.speed if calibrated else None,
        place=(float(track.place[0]), float(track.place[1])) if calibrated else None,
    )
