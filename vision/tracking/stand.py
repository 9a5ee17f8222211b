"""One vehicle that stands: where, since when, how surely, and who drove past it."""

import math
from dataclasses import replace
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.tracking.rest import Rest, came_to_rest, is_away, unnoticed_m, unnoticed_s
from vision.tracking.trail import PLACE, T, Track, fit_line

STANDING_MPS: Final = 5 / 3.6  # below 5 km/h a vehicle counts as stopped (HBS 2015, floating car data practice)
FRESH_S: Final = (2.0, 8.0)  # its place is the median over so much of the past, at least and at most
LONG_ENOUGH: Final = 0.7  # of that time a number must have been followed to say where it stands
ASIDE_M: Final = 2.0  # having moved further than this (and than its error), a vehicle has left: half a car's length
ARRIVED_M: Final = 5.0  # what came from further away than a car's length has arrived; a false box never does
BRAKING_MPS2: Final = 4.5  # drivers do not brake harder unless they must (AASHTO 2018; most stop at 3.4)
HALTED_M: Final = 1.0  # nobody is seen to halt nearer than this to where it stands
PASSES: Final = 2  # vehicles driving past show that the road ahead is free; one may have jumped a red light


class Stand:
    """A vehicle standing somewhere.

    Attributes:
        rest: where and since when, each with its error.
        still: until when it surely stood there, seconds.
        free_since: when it was last held by others that stand before or beside it.
        jammed: when others last stood around it.
        box: where in the picture.
        heading: (2,) unit vector of its lane; of its approach where it has none or places are no metres; else None.
        on_road: whether it stands in a road zone or straight beyond one, and not beside it.
        lane: (2,) direction of the lane that it stands in, None where it stands in none.
        brake_mps, brake_error: how fast it still was a second before it stood, and the standard error of that.
        missed: seconds for which nothing hid it and it was not seen, since it was seen last.
        presence: share of the last seconds in which it was seen, those not counted in which something hid it.
        vacated: when its number drove off; None while it stands, long ago where it crept off by itself.
        passed: numbers of tracks that drove past it, the same way, since it stands.
        is_sure: whether it scores like vehicles of its size that drive, and not like a detector's ghost.
        alone: whether it was once seen to stand for a reason of its own: who comes later explains nothing.
    """

    def __init__(self, track: Track, at: float) -> None:
        self.number = track.number
        self.seen = at
        self.supported = 0
        self.missed = 0.0
        self.owner: int | None = track.number
        self.vacated: float | None = None
        self.tracks = [track.number]
        still = track.trail.last(FRESH_S[0])
        self.box: Array = np.median(still[:, 1:5], axis=0)
        place, first = np.median(still[:, PLACE], axis=0), float(track.trail.rows[0, T])
        never = Rest(place=place, halted=first, off_m=0.0, since=first, latest=first)
        self.rest = came_to_rest(track, place, FRESH_S[0]) or never
        self.still = self.free_since = self.jammed = -math.inf
        self.brake_mps, self.brake_error = _speed_before(track, self.rest.halted)
        self.votes = dict(track.votes)
        self.scale, self.shrink = track.scale, track.shrink
        self.arrived, self.heading = _approach(track, self.rest)
        self.on_road = False
        self.lane: Array | None = None
        self.passed: set[int] = set()
        self.alone = False
        self.score = track.confidence
        self.is_sure = False
        self.depths = dict(track.depths)
        self.presence = 1.0

    @property
    def place(self) -> Array:
        """(2,) where it stands, on the plane."""
        return self.rest.place

    @property
    def since(self) -> float:
        """When it came to rest, seconds."""
        return self.rest.since

    @property
    def klass(self) -> int:
        """The class that most of the score went to."""
        return max(self.votes, key=lambda klass: (self.votes[klass], -klass))

    @property
    def stood(self) -> float:
        """Seconds for which it has stood beyond doubt, for a reason of its own.

        What was not seen to arrive is taken for a part of any jam around it, until others have driven past.
        """
        own = self.arrived or len(self.passed) >= PASSES
        return self.still - max(self.rest.latest, self.free_since, -math.inf if own else self.jammed)

    @property
    def hard_mps(self) -> float:
        """A speed, a second before it was last seen away, that drivers' braking cannot shed."""
        metres = max(self.rest.off_m, HALTED_M * self.shrink)
        return BRAKING_MPS2 * (1 + math.sqrt(2 * metres / BRAKING_MPS2))

    def face_lane(self) -> None:
        """Take its lane's direction for its heading: it came aslant, or its number from an oncoming vehicle.

        In a picture without metres a lane's direction is not the same everywhere.
        """
        if self.lane is None:
            return
        if self.heading is None or self.shrink == 1.0 or float(self.heading @ self.lane) < 0:
            self.heading = self.lane

    def distance(self, place: Array) -> float:
        """Metres from here to a place on the plane."""
        return float(np.hypot(*(place - self.place))) * self.scale

    def support(self, at: float, box: Array, track: Track | None) -> None:
        """A box was seen here."""
        self.seen, self.missed = at, 0.0
        self.supported += 1
        self.score += 0.05 * (float(box[4]) - self.score)
        self.votes[int(box[5])] = self.votes.get(int(box[5]), 0.0) + float(box[4])
        if track is None or track.number == self.owner:
            return
        if self.distance(track.trail.rows[0, PLACE]) <= self.reach(track):  # its new number began here
            self.owner = track.number
            self.tracks.append(track.number)

    def look(self, at: float, track: Track) -> None:
        """Look again where its owner stands and since when, now that more is seen of it."""
        self._settle(at, track)
        over = self._over(at)
        if not is_away(track, self.place, over):
            self.still = at - unnoticed_s(track, over)

    def _settle(self, at: float, track: Track) -> None:
        """Learn its place from the last seconds, and from that when it came there, where the trail still shows it."""
        over = self._over(at)
        rows = track.trail.last(over)
        if rows[-1, T] - rows[0, T] < LONG_ENOUGH * over:
            return
        place = np.median(rows[:, PLACE], axis=0)
        moved = self.distance(place) > unnoticed_m(track, over)
        rest = came_to_rest(track, place, over) if moved or over < FRESH_S[1] else None
        if rest is None:
            first = float(track.trail.rows[0, T]) if moved else self.since  # its number may be new
            since, latest = max(self.since, first), max(self.rest.latest, first)
            self.rest = replace(self.rest, place=place, since=since, latest=latest)
            return
        self.rest = rest
        self.brake_mps, self.brake_error = _speed_before(track, rest.halted)

    def _over(self, at: float) -> float:
        least, most = FRESH_S
        return min(max(at - self.since, least), most)

    def goes_on(self, track: Track | None) -> bool:
        """Whether it stands on under a new number, which began here; the old one was taken along by who drove past."""
        if track is None or self.distance(track.trail.rows[0, PLACE]) > self.reach(track):
            return False
        if self.owner is not None:
            self.passed.add(self.owner)
        self.owner, self.vacated = track.number, None
        self.tracks.append(track.number)
        return True

    def has_left(self, at: float, track: Track) -> bool:
        """Whether its owner has driven off: away from here, for more than a frame, and moving beyond its error."""
        off, reach = self.distance(track.place), self.reach(track)
        moves = off > 2 * reach or track.speed - 2 * track.speed_sigma > STANDING_MPS * self.shrink
        return off > reach and moves and is_away(track, self.place, self._over(at))

    def reach(self, track: Track) -> float:
        """Metres that the track may wander and still stand here."""
        return max(ASIDE_M * self.shrink, 3 * track.place_sigma)


def _approach(track: Track, rest: Rest) -> tuple[bool, Array | None]:
    rows = track.trail.rows
    before = rows[rows[:, T] <= rest.halted]
    way = rest.place - before[0, PLACE]
    length = float(np.hypot(*way)) * track.scale
    if length <= max(ARRIVED_M * track.shrink, 3 * track.place_sigma):
        return False, None
    late = rest.place - before[np.searchsorted(before[:, T], rest.halted - 2.0), PLACE]  # the last two seconds' way
    way = late if float(np.hypot(*late)) * track.scale > ASIDE_M * track.shrink else way
    return True, way / np.hypot(*way)


def _speed_before(track: Track, halted: float) -> tuple[float, float]:
    rows = track.trail.rows
    before = rows[(rows[:, T] >= halted - 1.5) & (rows[:, T] <= halted - 0.5)]
    velocity, error = fit_line(before[:, T], before[:, PLACE]) if len(before) else (np.zeros(2), math.inf)
    return float(np.hypot(*velocity)) * track.scale, error * track.scale
