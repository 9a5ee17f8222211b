"""Vehicles that stand: remembered by place, so that a changed number or a passing bus does not restart the clock."""

import math
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.road.scene import Zone
from vision.road.zones import along_across, convex_hull, inside
from vision.tracking.boxes import cover, overlap
from vision.tracking.trail import PLACE, T, Track, fit_line

STANDING_MPS: Final = 5 / 3.6  # below 5 km/h a vehicle counts as stopped (HBS 2015, floating car data practice)
PASSING_MPS: Final = 2 * STANDING_MPS  # who passes is faster than this; who is not creeps off with its queue
LOOK_S: Final = (2.0, 4.0, 8.0)  # a stop is told from this much of the past: near places need little, far ones more
SAME_PLACE: Final = 0.4  # a box that overlaps the remembered one this much is the vehicle standing there
UNKNOWN_MPS: Final = 4.0  # a speed that is less sure than this, a standard deviation, is none yet
ASIDE_M: Final = 2.0  # having moved further than this (and than its error), a vehicle has left: half a car's length
ARRIVED_M: Final = 5.0  # what came from further away than a car's length has arrived; a false box never does
BESIDE_M: Final = 3.0  # who was no further ahead than this since the stop,
PASSED_M: Final = 8.0  # and then is so far ahead, has driven past: two lengths of a car
STRAIGHT: Final = 0.2  # sideways for each metre ahead: who turns in from a side street comes aslant
ROAD_M: Final = 8.0  # sideways, to either side: two lanes and a bit
PRESENCE: Final = 0.03  # weight of one frame: at 10 a second about three seconds count
STILL_THERE: Final = 0.7  # where a new number begins in a box that overlaps the old one this much,
VACATED_S: Final = 3.0  # so soon after the old number drove off, a vehicle passing in front had taken that along
PASSES: Final = 2  # vehicles driving past show that the road ahead is free; one may have jumped a red light
FAR_M: Final = 150.0  # beyond this cameras over city streets see no vehicles
HIDDEN: Final = 0.5  # covered by other boxes by so much, it can't be seen
GONE_S: Final = 5.0  # unseen and not hidden for so long: gone. Detectors miss small vehicles for seconds at a time
HIDDEN_S: Final = 30.0  # unseen behind a nearer vehicle for so long: gone. A red light's queue hides what is behind it


class Stand:
    """A vehicle standing somewhere.

    Attributes:
        since: when it came to rest, seconds.
        free_since: when it was last held by others that stand before or beside it, or came to rest.
        jammed: when others last stood around it.
        place, box: where, on the plane and in the picture.
        heading: (2,) unit vector of its approach, of its lane where it was never seen to move, None where it has none.
        on_road: whether it stands in a road zone or straight beyond one, and not beside it.
        lane: (2,) direction of the lane that it stands in, None where it stands in none.
        brake_mps, brake_error: how fast it still was a second before it stood, and the standard error of that.
        presence: share of the last seconds in which it was seen, those not counted in which something hid it.
        wavered: when it last seemed to set off.
        vacated: when its number drove off; None while it stands, long ago where it crept off by itself.
        passed: numbers of tracks that drove past it, the same way, since it stands.
    """

    def __init__(self, track: Track, since: float, at: float) -> None:
        self.number = track.number
        self.since = self.free_since = self.jammed = since
        self.seen = at
        self.supported = 0
        self.owner: int | None = track.number
        self.vacated: float | None = None
        self.tracks = [track.number]
        rows = track.trail.rows
        still = rows[rows[:, T] >= since]
        self.place: Array = np.median(still[:, PLACE], axis=0)
        self.box: Array = np.median(still[:, 1:5], axis=0)
        self.votes = dict(track.votes)
        self.scale, self.shrink = track.scale, track.shrink
        self.sigma = track.place_sigma
        self.arrived, self.heading = _approach(track, self.place, since)
        self.on_road = False
        self.lane: Array | None = None
        self.passed: set[int] = set()
        self.wavered = since
        self.brake_mps, self.brake_error = _speed_before(track, since)
        self.score = track.confidence
        self.depths = dict(track.depths)
        self.presence = 1.0

    @property
    def klass(self) -> int:
        """The class that most of the score went to."""
        return max(self.votes, key=lambda klass: (self.votes[klass], -klass))

    @property
    def own_since(self) -> float:
        """Since when it stands for a reason of its own.

        What was not seen to arrive is taken for a part of any jam around it, until others have driven past.
        """
        return self.free_since if self.arrived or len(self.passed) >= PASSES else max(self.free_since, self.jammed)

    def distance(self, place: Array) -> float:
        """Metres from here to a place on the plane."""
        return float(np.hypot(*(place - self.place))) * self.scale

    def support(self, at: float, box: Array, track: Track | None) -> None:
        """A box was seen here."""
        self.seen = at
        self.supported += 1
        self.score += 0.05 * (float(box[4]) - self.score)
        self.votes[int(box[5])] = self.votes.get(int(box[5]), 0.0) + float(box[4])
        if track is None:
            return
        if track.number == self.owner:
            if self.wavers(track):
                self.wavered = at
            return
        if self.distance(track.trail.rows[0, PLACE]) <= self.reach(track):  # its new number began here
            self.owner = track.number
            self.tracks.append(track.number)

    def goes_on(self, track: Track | None) -> bool:
        """Whether it stands on under a new number, which began here; the old one was taken along by who drove past."""
        if track is None or self.distance(track.trail.rows[0, PLACE]) > self.reach(track):
            return False
        if self.owner is not None:
            self.passed.add(self.owner)
        self.owner, self.vacated = track.number, None
        self.tracks.append(track.number)
        return True

    def wavers(self, track: Track) -> bool:
        """Whether its owner seems to set off, if not beyond doubt."""
        off = self.distance(track.place) > max(ASIDE_M / 2 * self.shrink, 2 * track.place_sigma)
        return off or track.speed - track.speed_sigma > STANDING_MPS * self.shrink

    def has_left(self, track: Track) -> bool:
        """Whether its owner has driven off: away from here and moving, both beyond their error."""
        off, reach = self.distance(track.place), self.reach(track)
        return off > reach and (off > 2 * reach or track.speed - 2 * track.speed_sigma > STANDING_MPS * self.shrink)

    def reach(self, track: Track) -> float:
        """Metres that the track may wander and still stand here."""
        return max(ASIDE_M * self.shrink, 3 * track.place_sigma)


class Standing:
    """All vehicles that stand in one camera's view."""

    def __init__(self, roads: tuple[Zone, ...] = ()) -> None:
        self._roads = roads
        self._reaches = [_far_along(zone) for zone in roads]
        self.stands: list[Stand] = []
        self._checked: dict[int, float] = {}
        self._stood: dict[int, float] = {}

    def step(self, at: float, boxes: Array, tracks: tuple[Track, ...]) -> tuple[Stand, ...]:
        """Take a frame in: all boxes (n, 6), and the tracks seen in it. The stands that hold now, oldest first."""
        vehicles = tuple(track for track in tracks if not track.is_person)
        self._support(at, boxes, vehicles)
        self._leave(at, vehicles)
        self._stood |= {number: at for stand in self.stands for number in stand.tracks}
        for stand in self.stands:
            _count_passing(stand, vehicles, set(self._stood))
        self.stands = [stand for stand in self.stands if not self._is_lost(at, stand, boxes)]
        for track in vehicles:
            if at - self._checked.get(track.number, -1.0) >= 0.5 - 1e-6:
                self._checked[track.number] = at
                self._look(at, track)
        if len(self._checked) > 500:
            self._checked = {n: t for n, t in self._checked.items() if at - t < 10.0}
        if len(self._stood) > 500:
            self._stood = {n: t for n, t in self._stood.items() if at - t < 60.0}
        return tuple(stand for stand in self.stands if stand.vacated is None)

    def of(self, track: Track) -> Stand | None:
        """Where the track stands."""
        return next((stand for stand in self.stands if stand.owner == track.number), None)

    def _support(self, at: float, boxes: Array, tracks: tuple[Track, ...]) -> None:
        if not self.stands:
            return
        if not len(boxes):
            for stand in self.stands:
                stand.presence -= PRESENCE * stand.presence
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
                seen = bool(row[best] >= STILL_THERE) and stand.goes_on(by_box.get(tuple(boxes[best, :4])))
            if seen:
                stand.support(at, boxes[best], by_box.get(tuple(boxes[best, :4])))
            if seen or not hidden:
                stand.presence += PRESENCE * (seen - stand.presence)

    def _leave(self, at: float, tracks: tuple[Track, ...]) -> None:
        owners = {stand.owner: stand for stand in self.stands}
        for track in tracks:
            stand = owners.get(track.number)
            if stand and stand.vacated is None and stand.has_left(track):
                stand.vacated = at if track.speed > PASSING_MPS * track.shrink else -math.inf

    def _is_lost(self, at: float, stand: Stand, boxes: Array) -> bool:
        if stand.vacated is not None:
            return at - stand.vacated > VACATED_S
        unseen = at - stand.seen
        if unseen <= GONE_S:
            return False
        hidden = len(boxes) > 0 and float(cover(stand.box[None], boxes).sum()) > HIDDEN
        return not hidden or unseen > HIDDEN_S

    def _look(self, at: float, track: Track) -> None:
        if self.of(track) is not None or not is_standing(track):
            return
        same = [stand for stand in self.stands if stand.distance(track.place) <= stand.reach(track) / 2]
        if not same:
            stand = Stand(track, _onset(track), at)
            here = [
                zone
                for zone, reach in zip(self._roads, self._reaches, strict=True)
                if bool(inside(stand.place[None], reach)[0]) or stand.depths[zone.name] >= 0
            ]
            stand.on_road = bool(here)
            stand.lane = next((zone.direction for zone in here if zone.direction is not None), None)
            if stand.heading is None:
                stand.heading = stand.lane
            self.stands.append(stand)


def _far_along(zone: Zone) -> Array:
    """A straight lane as far as cameras see: whoever stands beyond its drawn end still stands on the road."""
    if zone.reach is None or zone.direction is None:
        return zone.judged
    return convex_hull(np.vstack((zone.reach + FAR_M * zone.direction, zone.reach - FAR_M * zone.direction)))


def _drives(track: Track | None) -> bool:
    """Whether the box is no vehicle that stands here: it moves, or is too new to tell."""
    if track is None:
        return False
    new = track.speed_sigma > UNKNOWN_MPS * track.shrink
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


def _onset(track: Track) -> float:
    """When the track came to where it stands: from then on it stayed there, but for the camera's own unrest."""
    rows = track.trail.rows
    still = track.trail.last(LOOK_S[0])[:, PLACE]
    here = np.median(still, axis=0)
    unrest = 3 * float(np.median(np.hypot(*(still - here).T)))
    away = np.hypot(*(rows[:, PLACE] - here).T) > max(unrest, ASIDE_M / 4 * track.shrink / track.scale)
    return float(rows[np.flatnonzero(away)[-1] + 1, T]) if away.any() and not away[-1] else float(rows[0, T])


def _approach(track: Track, place: Array, since: float) -> tuple[bool, Array | None]:
    rows = track.trail.rows
    before = rows[rows[:, T] <= since]
    if not len(before):
        return False, None
    way = place - before[0, PLACE]
    length = float(np.hypot(*way)) * track.scale
    if length <= max(ARRIVED_M * track.shrink, 3 * track.place_sigma):
        return False, None
    late = place - before[np.searchsorted(before[:, T], since - 2.0) :][0, PLACE]  # the way of the last two seconds
    way = late if float(np.hypot(*late)) * track.scale > ASIDE_M * track.shrink else way
    return True, way / np.hypot(*way)


def _count_passing(stand: Stand, tracks: tuple[Track, ...], stood: set[int]) -> None:
    """Note who drives past without having stood here: a queue that is released does not pass, it goes."""
    if stand.heading is None:
        return
    for track in tracks:
        if track.number in stood or track.number in stand.passed or not _is_ahead(stand, track):
            continue
        if _was_beside(stand, track) or _came_out_ahead(stand, track):
            stand.passed.add(track.number)


def _was_beside(stand: Stand, track: Track) -> bool:
    assert stand.heading is not None
    rows = track.trail.rows
    way = (rows[np.searchsorted(rows[:, T], stand.since) :, PLACE] - stand.place) * (stand.scale / stand.shrink)
    return len(way) > 0 and float((way @ stand.heading).min()) < BESIDE_M


def _came_out_ahead(stand: Stand, track: Track) -> bool:
    """Whether it was first seen ahead of the stand, going straight on: something had hidden it."""
    assert stand.heading is not None
    first = track.trail.rows[0, PLACE]
    ahead, aside = along_across(track.place - first, stand.heading)
    straight = ahead * track.scale > PASSED_M * track.shrink and aside < STRAIGHT * ahead
    from_here, beside = along_across((first - stand.place) * stand.scale, stand.heading)
    return track.since > stand.since and straight and from_here < 3 * PASSED_M * stand.shrink and beside < ROAD_M


def _is_ahead(stand: Stand, track: Track) -> bool:
    assert stand.heading is not None
    ahead, aside = along_across((track.place - stand.place) * stand.scale, stand.heading)
    away, _ = along_across(track.velocity, stand.heading)
    moving = away - track.speed_sigma > 2 * STANDING_MPS * track.shrink
    return moving and PASSED_M < ahead / stand.shrink < 5 * PASSED_M and aside < ROAD_M


def _speed_before(track: Track, since: float) -> tuple[float, float]:
    rows = track.trail.rows
    before = rows[(rows[:, T] >= since - 1.5) & (rows[:, T] <= since - 0.5)]
    velocity, error = fit_line(before[:, T], before[:, PLACE]) if len(before) else (np.zeros(2), float("inf"))
    return float(np.hypot(*velocity)) * track.scale, error * track.scale
