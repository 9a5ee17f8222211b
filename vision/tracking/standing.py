"""Vehicles that stand: remembered by place, so that a changed number or a passing bus does not restart the clock."""

import math
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.road.scene import Zone
from vision.road.zones import convex_hull, inside
from vision.tracking.boxes import cover, overlap
from vision.tracking.certainty import Certainty
from vision.tracking.passing import count_passing
from vision.tracking.stand import ASIDE_M, STANDING_MPS, Stand
from vision.tracking.trail import PLACE, T, Track, fit_line

PASSING_MPS: Final = 2 * STANDING_MPS  # who passes is faster than this; who is not creeps off with its queue
LOOK_EVERY_S: Final = 0.5
LOOK_S: Final = (2.0, 4.0, 8.0)  # a stop is told from this much of the past: near places need little, far ones more
SAME_PLACE: Final = 0.4  # a box that overlaps the remembered one this much is the vehicle standing there
UNKNOWN_MPS: Final = 4.0  # a speed that is less sure than this, a standard deviation, is none yet
PRESENCE: Final = 0.03  # weight of one frame: at 10 a second about three seconds count
STILL_THERE: Final = 0.7  # where a new number begins in a box that overlaps the old one this much,
VACATED_S: Final = 3.0  # so soon after the old number drove off, a vehicle passing in front had taken that along
TAKEN_S: Final = 10.0  # numbers are not remembered for longer than this
FAR_M: Final = 150.0  # beyond this cameras over city streets see no vehicles
HIDDEN: Final = 0.5  # covered by other boxes by so much, it can't be seen
GONE_S: Final = 5.0  # not hidden for so long in all, and not seen: gone. Detectors miss small vehicles for seconds
HIDDEN_S: Final = 30.0  # unseen behind a nearer vehicle for so long: gone. A red light's queue hides what is behind it


class Standing:
    """All vehicles that stand in one camera's view; where nobody drew its roads, all of it is one."""

    def __init__(self, roads: tuple[Zone, ...] = ()) -> None:
        self._roads = roads
        self._reaches = [_far_along(zone) for zone in roads]
        self.stands: list[Stand] = []
        self._checked: dict[int, float] = {}
        self._stood: dict[int, float] = {}
        self._certainty = Certainty()
        self._at = math.inf
        self._taken: dict[int, float] = {}  # by number: until when its way was another's

    def step(self, at: float, boxes: Array, tracks: tuple[Track, ...]) -> tuple[Stand, ...]:
        """Take a frame in: all boxes (n, 6), and the tracks seen in it. The stands that hold now, oldest first."""
        vehicles = tuple(track for track in tracks if not track.is_person)
        elapsed, self._at = max(at - self._at, 0.0), at
        self._support(at, elapsed, boxes, vehicles)
        self._disown(at, vehicles)
        self._leave(at, vehicles)
        self._stood |= {number: at for stand in self.stands for number in stand.tracks}
        for stand in self.stands:
            count_passing(stand, vehicles, set(self._stood))
        self.stands = [stand for stand in self.stands if not _is_lost(at, stand)]
        for track in vehicles:
            if at - self._checked.get(track.number, -1.0) >= LOOK_EVERY_S - 1e-6:
                self._checked[track.number] = at
                self._look(at, track)
        for stand in self.stands:
            stand.is_sure = stand.score >= self._certainty.sure(float(stand.box[3] - stand.box[1]))
        if len(self._checked) > 500:
            self._checked = {n: t for n, t in self._checked.items() if at - t < 10.0}
        if len(self._stood) > 500:
            self._stood = {n: t for n, t in self._stood.items() if at - t < 60.0}
        return tuple(stand for stand in self.stands if stand.vacated is None)

    def of(self, track: Track) -> Stand | None:
        """Where the track stands."""
        return next((stand for stand in self.stands if stand.owner == track.number), None)

    def _support(self, at: float, elapsed: float, boxes: Array, tracks: tuple[Track, ...]) -> None:
        if not self.stands:
            return
        if not len(boxes):
            for stand in self.stands:
                stand.presence -= PRESENCE * stand.presence
                stand.missed += elapsed
            return
        by_box = {tuple(track.box): track for track in tracks}
        places = np.array([stand.box for stand in self.stands])
        moving = [_drives(by_box.get(tuple(box[:4]))) for box in boxes]
        shared = np.where(moving, 0.0, overlap(places, boxes))
        covered = cover(places, boxes).sum(axis=1) > HIDDEN
        for stand, row, hidden in zip(self.stands, shared, covered, strict=True):
            best = int(row.argmax())
            seen = bool(row[best] >= SAME_PLACE)
            if stand.vacated is not None:
                seen = bool(row[best] >= STILL_THERE) and self._goes_on(stand, by_box.get(tuple(boxes[best, :4])))
            if seen:
                stand.support(at, boxes[best], by_box.get(tuple(boxes[best, :4])))
            elif not hidden:
                stand.missed += elapsed
            if seen or not hidden:
                stand.presence += PRESENCE * (seen - stand.presence)

    def _goes_on(self, stand: Stand, track: Track | None) -> bool:
        """Whether it stands on under a new number; its old one's way so far was not that of who goes along with it."""
        number, since = stand.owner, stand.vacated
        if not stand.goes_on(track):
            return False
        if number is not None and since is not None:
            self._taken[number] = since
        return True

    def _disown(self, at: float, tracks: tuple[Track, ...]) -> None:
        for track in tracks:
            if track.number in self._taken:
                track.begin_anew(self._taken.pop(track.number))
        self._taken = {number: since for number, since in self._taken.items() if at - since < TAKEN_S}

    def _leave(self, at: float, tracks: tuple[Track, ...]) -> None:
        owners = {stand.owner: stand for stand in self.stands}
        for track in tracks:
            stand = owners.get(track.number)
            if stand and stand.vacated is None and stand.has_left(at, track):
                stand.vacated = at if track.speed > PASSING_MPS * track.shrink else -math.inf

    def _look(self, at: float, track: Track) -> None:
        if track.speed - 2 * track.speed_sigma > PASSING_MPS * track.shrink:
            self._certainty.learn(float(track.box[3] - track.box[1]), track.confidence)
        mine = self.of(track)
        if mine is not None and mine.vacated is None:
            mine.look(at, track)
        if mine is not None or not is_standing(track):
            return
        same = [stand for stand in self.stands if stand.distance(track.place) <= stand.reach(track) / 2]
        if not same:
            stand = Stand(track, at)
            here = [
                zone
                for zone, reach in zip(self._roads, self._reaches, strict=True)
                if bool(inside(stand.place[None], reach)[0]) or stand.depths[zone.name] >= 0
            ]
            stand.on_road = bool(here) or not self._roads
            stand.lane = next((zone.direction for zone in here if zone.direction is not None), None)
            stand.face_lane()
            self.stands.append(stand)


def _far_along(zone: Zone) -> Array:
    """A straight lane as far as cameras see: whoever stands beyond its drawn end still stands on the road."""
    if zone.reach is None or zone.direction is None:
        return zone.judged
    return convex_hull(np.vstack((zone.reach + FAR_M * zone.direction, zone.reach - FAR_M * zone.direction)))


def _is_lost(at: float, stand: Stand) -> bool:
    if stand.vacated is not None:
        return at - stand.vacated > VACATED_S
    return stand.missed > GONE_S or at - stand.seen > HIDDEN_S


def _drives(track: Track | None) -> bool:
    """Whether the box is no vehicle that stands here: it moves, or is too new to tell."""
    if track is None:
        return False
    new = track.speed_sigma > UNKNOWN_MPS
    return new or track.speed - 2 * track.speed_sigma > STANDING_MPS * track.shrink


def is_standing(track: Track) -> bool:
    """Whether the last seconds say, beyond its error, that the track is slower than walking pace."""
    slow = STANDING_MPS * track.shrink
    if track.speed > 3 * slow + track.speed_sigma:
        return False
    for seconds in LOOK_S:
        rows = track.trail.last(seconds)
        if len(rows) < 5 or rows[-1, T] - rows[0, T] < 0.7 * seconds:
            return False
        velocity, error = fit_line(rows[:, T], rows[:, PLACE])
        off = float(np.hypot(*(track.place - np.median(rows[:, PLACE], axis=0))))
        still = off * track.scale < max(ASIDE_M / 2 * track.shrink, 2 * track.place_sigma)
        if still and (float(np.hypot(*velocity)) + error) * track.scale < slow:
            return True
    return False
