"""Boxes to tracks: a library tracker gives the numbers, a Kalman filter per track gives place and speed."""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import supervision as sv
from trackers import ByteTrackTracker

from vision.road.ground import Array
from vision.road.scene import Scene
from vision.road.zones import Flags
from vision.tracking import kinematics
from vision.tracking.boxes import PERSON, TWO_WHEELERS, feet
from vision.tracking.jitter import STEADY_S, Jitter
from vision.tracking.lean import Admitted, Buffered, Corners
from vision.tracking.trail import Track
from vision.tracking.unrest import Unrest

COAST_S: Final = 2.0  # an object may be hidden this long and keep its number: a bus at 20 km/h hides it for 2 s
CERTAIN: Final = 0.4  # boxes from this score on start tracks; weaker ones keep them alive (ByteTrack)
STITCH_S: Final = 4.0  # and a new number may take up its track so long after, when it is where that was going
STITCH_M: Final = 6.0  # but not further off than this: a car's length and a gap
USUAL_FPS: Final = 10.0
EDGE_PX: Final = 3.0  # a box that comes this near the edge of the picture is cut by it
CUT: Final = 20.0  # times less sure is where it stands
SAME_SIZE: Final = (0.6, 1.6)  # ratio of box heights that a few seconds of driving can make
JUMP: Final = 18.4  # 99.99 % of chi-square with 2 degrees of freedom: a box so far off belongs to another object,
JUMP_M: Final = 1.5  # unless it is this near: a box that is cut or swollen, not another one
BUFFER: Final = (
    0.3  # boxes are matched as if so much larger: a motorcycle is narrower than its box wanders (C-BIoU, Yang 2023)
)
LEAST_OVERLAP: Final = 0.1  # of a box and where its track was expected, ByteTrack's own default


class Numbering(Protocol):
    """A library's tracker: it numbers the boxes of each frame in `tracker_id`, -1 where a box has no track."""

    def update(self, detections: sv.Detections, *, timestamp: float) -> sv.Detections:
        """Take a frame in."""


def byte_track(fps: float) -> Numbering:
    """ByteTrack for boxes that wander."""
    tracker: Numbering = ByteTrackTracker(
        lost_track_buffer=round(COAST_S * 30),  # counted in frames at 30 a second, whatever the camera's rate
        frame_rate=fps,
        track_activation_threshold=CERTAIN,
        high_conf_det_threshold=CERTAIN,
        minimum_iou_threshold=LEAST_OVERLAP,
        iou=Buffered(BUFFER),
        state_estimator_class=Corners,
    )
    return tracker


class Tracks:
    """All tracks of one camera; every number and filter lives in this instance.

    Args:
        scene: the camera's.
        numbering: makes the library's tracker for a camera of so many frames a second.
        by_road: whether numbers that jump on the road are corrected; else they are believed.
    """

    def __init__(
        self, scene: Scene, *, numbering: Callable[[float], Numbering] = byte_track, by_road: bool = True
    ) -> None:
        self._ground = scene.ground
        self._size = scene.width, scene.height
        self._tracker = numbering(scene.fps or USUAL_FPS)
        self._by_road = by_road
        self._tracks: list[Track] = []
        self._owner: dict[int, Track] = {}  # by the library's number
        self._count = 0
        self._jitter = Jitter()
        self._unrest = Unrest()

    def step(self, at: float, boxes: Array) -> tuple[Track, ...]:
        """Take a frame's boxes (n, 6) in; the tracks seen in it, but those that the picture's edge cuts."""
        rows, numbers = self._assign(at, boxes)
        self._tracks = [track for track in self._tracks if at - track.seen <= STITCH_S]
        self._owner = {number: track for number, track in self._owner.items() if at - track.seen <= STITCH_S}
        if not rows:
            return ()
        found = boxes[rows]
        places, widths = self._on_road(found)
        whole = self._whole(found)
        noise = self._noise(found, whole)
        expected = self._expect(at)
        seen = self._own(at, numbers, found, _distances(self._tracks, expected, places, noise))
        noise = self._noise(found, whole) if self._shakes(at, seen, found, expected) else noise
        self._advance(seen, found, places, noise, expected)
        self._remember(at, seen, found, places, whole)
        for track, width, error in zip(seen, widths.tolist(), kinematics.longest(noise).tolist(), strict=True):
            track.half_width, track.place_error = width / 2 * track.scale, error * track.scale
        return tuple(track for track, seen_whole in zip(seen, whole, strict=True) if seen_whole)

    def seen_at(self, at: float) -> tuple[Track, ...]:
        """All tracks seen in the frame of that time, those that the picture's edge cuts too."""
        return tuple(track for track in self._tracks if track.seen == at)

    def _noise(self, boxes: Array, whole: Flags) -> Array:
        noise = kinematics.place_noise(boxes, self._jitter.share, self._unrest.pixels, self._ground)
        noise[~whole] *= CUT**2
        return noise

    def _shakes(self, at: float, seen: list[Track], boxes: Array, expected: tuple[Array, Array]) -> bool:
        """Whether the boxes of tracks that are well known all jumped alike."""
        index = {id(track): n for n, track in enumerate(self._tracks)}
        known = [(row, index[id(track)]) for row, track in enumerate(seen) if id(track) in index and track.hits > 5]
        if known:
            rows, columns = (list(numbers) for numbers in zip(*known, strict=True))
            places = expected[0][columns, :2]
            there = places if self._ground is None else self._ground.to_image(places)
            return self._unrest.watch(at, feet(boxes[rows]) - there)
        return False

    def _assign(self, at: float, boxes: Array) -> tuple[list[int], list[int]]:
        """The library's word: rows of `boxes` and a number for each."""
        found = self._tracker.update(
            Admitted(xyxy=boxes[:, :4], confidence=boxes[:, 4], data={"row": np.arange(len(boxes))}),
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

    def _expect(self, at: float) -> tuple[Array, Array]:
        """Where every remembered track should be now."""
        if not self._tracks:
            return np.empty((0, 4)), np.empty((0, 4, 4))
        means, covs = np.array([track.mean for track in self._tracks]), np.array([track.cov for track in self._tracks])
        dt = np.array([at - track.seen for track in self._tracks])
        return kinematics.predict(means, covs, dt, np.array([track.scale for track in self._tracks]))

    def _own(self, at: float, numbers: list[int], boxes: Array, off: tuple[Array, Array]) -> list[Track]:
        """Our track for each of the library's numbers.

        The library matches by overlap in the picture; where that would make a track jump on the road, its number has
        gone over to another object. What has lost its number goes on with the track that was expected there.
        """
        index = {id(track): n for n, track in enumerate(self._tracks)}
        owned: list[Track | None] = [self._owner.get(number) for number in numbers]
        for row, track in enumerate(owned):
            if self._by_road and track is not None and _jumps(off, row, index[id(track)]):
                owned[row] = None
        taken = {id(track) for track in owned if track is not None}
        for row, box in enumerate(boxes):
            if owned[row] is None:
                owned[row] = self._take_up(at, row, box, off, taken)
                taken.add(id(owned[row]))
        tracks = [track for track in owned if track is not None]
        self._owner = {n: t for n, t in self._owner.items() if id(t) not in taken} | dict(
            zip(numbers, tracks, strict=True)
        )
        return tracks

    def _take_up(self, at: float, row: int, box: Array, off: tuple[Array, Array], taken: set[int]) -> Track:
        """The lost track that should be where this box is, or a new one."""
        sigmas2, metres = off
        fitting = [
            (float(sigmas2[row, n]), n)
            for n, track in enumerate(self._tracks)
            if self._by_road
            and id(track) not in taken
            and sigmas2[row, n] < kinematics.SURPRISE
            and metres[row, n] < STITCH_M
            and _alike(track, int(box[5]))
            and SAME_SIZE[0] < _height(box) / _height(track.box) < SAME_SIZE[1]
        ]
        if fitting:
            return self._tracks[min(fitting)[1]]
        self._count += 1
        return Track(self._count, at, calibrated=self._ground is not None)

    def _advance(
        self, tracks: list[Track], boxes: Array, places: Array, noise: Array, expected: tuple[Array, Array]
    ) -> None:
        for track, box in zip(tracks, boxes, strict=True):
            track.vote(int(box[5]), float(box[4]))
            if self._ground is None:
                track.rescale(box)
        scale = np.array([track.scale for track in tracks])
        means, covs = kinematics.start(places, noise, scale)
        index = {id(track): n for n, track in enumerate(self._tracks)}
        rows = [row for row, track in enumerate(tracks) if id(track) in index]
        known = [index[id(tracks[row])] for row in rows]
        means[rows], covs[rows] = kinematics.correct(expected[0][known], expected[1][known], places[rows], noise[rows])
        for track, mean, cov in zip(tracks, means, covs, strict=True):
            track.mean, track.cov = mean, cov
        self._tracks += [track for track in tracks if id(track) not in index]

    def _remember(self, at: float, tracks: list[Track], boxes: Array, places: Array, whole: Flags) -> None:
        for n, track in enumerate(tracks):
            if whole[n]:
                track.see(at, boxes[n], places[n])
                self._jitter.learn(track.trail.last(STEADY_S), boxes[n], self._ground)
            else:
                track.glimpse(at, boxes[n])

    def _whole(self, boxes: Array) -> Flags:
        """(n,) False for boxes that the picture's edge cuts: where they touch the road is not seen."""
        width, height = self._size
        return np.asarray((boxes[:, 0] > EDGE_PX) & (boxes[:, 2] < width - EDGE_PX) & (boxes[:, 3] < height - EDGE_PX))

    def _on_road(self, boxes: Array) -> tuple[Array, Array]:
        """(n, 2) where each box stands on the scene's plane, and (n,) the length of its lower edge there."""
        if self._ground is None:
            return feet(boxes), boxes[:, 2] - boxes[:, 0]
        pixels = np.concatenate((feet(boxes), boxes[:, (0, 3)], boxes[:, (2, 3)]))
        places, left, right = self._ground.to_world(pixels).reshape(3, -1, 2)
        widths = np.nan_to_num(np.hypot(*(right - left).T), nan=0.0)
        return np.where(np.isfinite(places), places, 1e4), widths  # above the horizon: nowhere near any zone


def _distances(tracks: list[Track], expected: tuple[Array, Array], places: Array, noise: Array) -> tuple[Array, Array]:
    """(boxes, tracks) squared Mahalanobis distance, and metres, from where each track should be."""
    means, covs = expected
    off = places[:, None, :] - means[None, :, :2]
    sigmas2 = kinematics.distance2(off, covs[None, :, :2, :2] + noise[:, None])
    return sigmas2, np.hypot(off[..., 0], off[..., 1]) * np.array([track.scale for track in tracks])


def _jumps(off: tuple[Array, Array], row: int, column: int) -> bool:
    sigmas2, metres = off
    return bool(sigmas2[row, column] > JUMP and metres[row, column] > JUMP_M)


def _alike(track: Track, klass: int) -> bool:
    """Whether it may be the same object: riders are now and then seen without their motorcycles."""
    rides = track.is_person or track.klass in TWO_WHEELERS
    return track.is_person == (klass == PERSON) or (rides and klass in (PERSON, *TWO_WHEELERS))


def _height(box: Array) -> float:
    return max(float(box[3] - box[1]), 1.0)
