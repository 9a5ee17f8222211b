"""Boxes to tracks: a library tracker gives the numbers, a Kalman filter per track gives place and speed."""

import math
from typing import Final

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker

from vision import kinematics
from vision.boxes import feet
from vision.ground import Array, Ground
from vision.trail import Track, metres_per_pixel

COAST_S: Final = 2.0  # an object may be hidden this long and keep its number: a bus at 20 km/h hides it for 2 s
CERTAIN: Final = 0.4  # boxes from this score on start tracks; weaker ones keep them alive (ByteTrack)
LEAST_OVERLAP: Final = 0.1  # of a box and where its track was expected, ByteTrack's own default
USUAL_JITTER: Final = 0.04  # share of a box's height, standard deviation, until the camera's own has been measured
JITTER_MEMORY: Final = 2000  # boxes over which the camera's own jitter is averaged


class Tracks:
    """All tracks of one camera; every number and filter lives in this instance."""

    def __init__(self, ground: Ground | None, fps: float = 10.0) -> None:
        self._ground = ground
        self._tracker = ByteTrackTracker(
            lost_track_buffer=round(COAST_S * 30),  # counted in frames at 30 a second, whatever the camera's rate
            frame_rate=fps,
            track_activation_threshold=CERTAIN,
            high_conf_det_threshold=CERTAIN,
            minimum_iou_threshold=LEAST_OVERLAP,
        )
        self._tracks: dict[int, Track] = {}
        self.jitter = USUAL_JITTER

    def step(self, at: float, boxes: Array) -> tuple[Track, ...]:
        """Take a frame's boxes (n, 6) in; the tracks seen in it, by number."""
        rows, numbers = self._assign(at, boxes)
        seen = [self._tracks.setdefault(number, self._new(number, at)) for number in numbers]
        if seen:
            self._advance(at, seen, boxes[rows])
        self._tracks = {n: track for n, track in self._tracks.items() if at - track.seen <= COAST_S + 1.0}
        return tuple(seen)

    def _new(self, number: int, at: float) -> Track:
        return Track(number, at, calibrated=self._ground is not None)

    def _assign(self, at: float, boxes: Array) -> tuple[list[int], list[int]]:
        found = self._tracker.update(
            sv.Detections(xyxy=boxes[:, :4], confidence=boxes[:, 4], data={"row": np.arange(len(boxes))}),
            timestamp=at,
        )
        if found.tracker_id is None or not len(found):
            return [], []
        pairs = sorted(
            (int(number), int(row))
            for number, row in zip(found.tracker_id, found.data["row"], strict=True)
            if number >= 0
        )
        return [row for _, row in pairs], [number for number, _ in pairs]

    def _advance(self, at: float, tracks: list[Track], boxes: Array) -> None:
        for track, box in zip(tracks, boxes, strict=True):
            track.vote(int(box[5]), float(box[4]))
            if self._ground is None:
                share = 0.1 if track.hits else 1.0
                track.scale = math.exp(
                    (1 - share) * math.log(track.scale) + share * math.log(metres_per_pixel(box, track.klass))
                )
        places = self._places(boxes)
        noise = kinematics.place_noise(boxes, self.jitter, self._ground)
        self._filter(at, tracks, places, noise)
        for track, box, place in zip(tracks, boxes, places, strict=True):
            self._measure_jitter(track, box)
            track.trail.append(np.concatenate(([at], box[:5], place, track.velocity)))
            track.box, track.seen = box[:4], at
            track.hits += 1

    def _filter(self, at: float, tracks: list[Track], places: Array, noise: Array) -> None:
        scale = np.array([track.scale for track in tracks])
        means, covs = kinematics.start(places, noise, scale)
        old = np.array([track.hits > 0 for track in tracks])
        if old.any():
            known = [track for track in tracks if track.hits]
            dt = np.array([at - track.seen for track in known])
            expected = kinematics.predict(
                np.array([t.mean for t in known]), np.array([t.cov for t in known]), dt, scale[old]
            )
            means[old], covs[old] = kinematics.correct(*expected, places[old], noise[old])
        for track, mean, cov in zip(tracks, means, covs, strict=True):
            track.mean, track.cov = mean, cov

    def _places(self, boxes: Array) -> Array:
        if self._ground is None:
            return feet(boxes)
        places = self._ground.to_world(feet(boxes))
        return np.where(np.isfinite(places), places, 1e4)  # above the horizon: nowhere near any zone

    def _measure_jitter(self, track: Track, box: Array) -> None:
        """Second differences of an edge hold its noise and hardly any motion; a median forgives mistakes."""
        rows = track.trail.last(0.5)
        if len(rows) < 2:
            return
        height = float(box[3] - box[1])
        bend = abs(float(box[3]) - 2 * float(rows[-1, 4]) + float(rows[-2, 4])) / (math.sqrt(6) * 0.6745) / height
        step = self.jitter / JITTER_MEMORY * 4
        self.jitter = min(max(self.jitter + (step if bend > self.jitter else -step), 0.01), 0.15)
