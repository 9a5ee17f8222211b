"""Something on the road that was not there, stays, and is no known object: no detector has a class for it."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

import cv2
import numpy as np

from vision.road.ground import Array
from vision.road.scene import Scene
from vision.road.zones import Flags, distance_to_path
from vision.rules.looks import Grey, Looks
from vision.rules.moment import Finding, Moment, Picture
from vision.tracking.boxes import BUS, CAR, TRUCK, cover, feet, overlap
from vision.tracking.trail import PLACE, Track

EVERY_S: Final = 1.0  # what lies still need not be looked at more often
WIDTH_PX: Final = 480  # of the reduced picture: half a metre at 60 m still covers several pixels
LEARNING_S: Final = 15.0  # the street is known after this time,
LEARNT: Final = 15  # as the median of so many looks: what drives is in few of them
SLOW_S: Final = 120.0  # memory of the street as it was
RECENT: Final = 5  # looks whose median is the street as it is, without what drives
PRESENT: Final = 0.6  # share of looks in which a thing must be seen
CHANGED: Final = 18.0  # grey levels of 255: above what compression and weather do to a still street
LEAST_PX: Final = 12  # of the reduced picture
MOST: Final = 0.08  # of the picture's width: larger is no litter, but light
STAYS_S: Final = 8.0  # litter that blows by is gone by then
LOST_S: Final = 5.0  # unseen for so long, and not hidden, it has gone
AVOIDED: Final = 2  # vehicles that drove past, none over it: paint, shade and wet asphalt are driven over,
CHANCE: Final = 0.05  # and that must be no accident, given how many drove over that very place before
BESIDE_M: Final = 5.0  # sideways: who passes this near counts
PATHS: Final = 300  # vehicles whose ways are remembered
HALF_M: Final = {CAR: 0.9, BUS: 1.25, TRUCK: 1.25}  # half of a vehicle's width; two-wheelers are narrower:
NARROW_M: Final = 0.35
LARGEST_M: Final = 3.0  # a fallen load; what covers more of the road is light or water
SHARP_M: Final = (
    1.5  # where a pixel of the reduced picture is longer than this on the road, nobody can tell who drove over it
)
SHAKE_PX: Final = 5  # of the reduced picture, across: an edge that moves by half of this is a camera's unrest
STOOD_S: Final = 600.0  # where a vehicle stood lately, change is its leaving


def rule(scene: Scene) -> Callable[[Moment], Iterable[Finding]]:
    """A rule with the memory of one camera's street."""
    return _Street(scene).look


@dataclass(slots=True)
class _Thing:
    number: int
    box: Array  # (4,) pixels of the picture
    since: float
    seen: float
    usual: float  # share of the vehicles passing here that drove over this place before
    presence: float = 0.0
    avoided: set[int] = field(default_factory=set)
    driven_over: bool = False


class _Street:
    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._scale = WIDTH_PX / scene.width
        self._size = WIDTH_PX, max(round(scene.height * self._scale), 1)
        self._road = self._draw([zone.image for zone in scene.of_kind("road", "lane_direction")])
        self._slow: Grey | None = None
        self._recent = Looks(LEARNT)
        self._begun = self._last = 0.0
        self._stood: list[tuple[float, Array]] = []
        self._things: list[_Thing] = []
        self._ways: dict[
            int, tuple[float, float, Array]
        ] = {}  # by track: half its width and BESIDE_M in the plane's unit, its path
        self._count = 0

    def look(self, moment: Moment) -> Iterator[Finding]:
        """Things that lie on the road and that traffic goes round."""
        if moment.picture is None:
            return
        if self._slow is None or moment.at - self._last >= EVERY_S - 1e-6:
            self._learn(moment.at, moment.picture)
            self._note_standing(moment)
            self._note_ways(moment)
            if moment.at - self._begun >= LEARNING_S:
                self._match(moment)
        for thing in self._things:
            self._watch_traffic(moment, thing)
            lies = moment.at - thing.since >= STAYS_S and thing.presence >= PRESENT
            if lies and _is_avoided(thing):
                yield self._finding(moment, thing)

    def _learn(self, at: float, picture: Picture) -> None:
        small = cv2.resize(picture, self._size, interpolation=cv2.INTER_AREA)
        grey = cv2.GaussianBlur(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), (5, 5), 0).astype(np.float32)
        if self._slow is None:
            self._slow, self._begun, self._last = grey, at, at
        passed, self._last = at - self._last, at
        self._recent.add(grey + float(np.median(self._slow - grey)))  # the exposure changes everywhere at once
        now = self._recent.median()
        if at - self._begun < LEARNING_S:
            self._slow = now
            return
        self._recent.keep(RECENT)
        step = (now - self._slow) * np.float32(min(passed / SLOW_S, 1.0))
        step[self._draw([_corners(thing.box) for thing in self._things])] = 0
        self._slow = self._slow + step

    def _match(self, moment: Moment) -> None:
        boxes = self._changes()
        known = np.vstack((moment.boxes[:, :4], *(stand.box[None] for stand in moment.stands)))
        lately = np.array([box for _, box in self._stood]).reshape(-1, 4)
        for box in boxes:
            if _covered(box, known) or _covered(box, lately):
                continue
            thing = next((one for one in self._things if overlap(one.box[None], box[None])[0, 0] > 0.2), None)
            if thing is None:
                self._count += 1
                usual = self._usual(self._place(box))
                self._things.append(_Thing(number=self._count, box=box, since=moment.at, seen=moment.at, usual=usual))
            else:
                thing.seen = moment.at
        for thing in self._things:
            if _covered(thing.box, known):
                thing.seen = moment.at  # hidden, as far as can be told
            else:
                thing.presence += 0.2 * ((thing.seen == moment.at) - thing.presence)
        self._things = [thing for thing in self._things if moment.at - thing.seen <= LOST_S]

    def _changes(self) -> list[Array]:
        """(4,) boxes of what is steadily different from the street as it was."""
        assert self._slow is not None
        now, near = self._recent.median(), np.ones((SHAKE_PX, SHAKE_PX), np.uint8)
        changed = (now > cv2.dilate(self._slow, near) + CHANGED) | (now < cv2.erode(self._slow, near) - CHANGED)
        changed &= self._road
        mask = cv2.morphologyEx(changed.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((5, 5), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        x, y, w, h = (stats[1:count, n].astype(float) for n in range(4))
        large = stats[1:count, cv2.CC_STAT_AREA] >= LEAST_PX
        fitting = large & (w < MOST * WIDTH_PX) & (h < MOST * WIDTH_PX)
        boxes = (np.column_stack((x, y, x + w, y + h)) / self._scale)[fitting]
        return [box for box in boxes if self._is_plausible(box)]

    def _is_plausible(self, box: Array) -> bool:
        """Whether something that covers this lies on the road: neither too large, nor too far away to say where."""
        ground = self._scene.ground
        if ground is None:
            return True
        corners = ground.to_world(np.array([[box[0], box[3]], [box[2], box[3]]]))
        sharp = float(ground.sigma(feet(box[None]), 1 / self._scale)[0])
        return sharp < SHARP_M and float(np.hypot(*(corners[1] - corners[0]))) < LARGEST_M

    def _note_ways(self, moment: Moment) -> None:
        for track in moment.tracks:
            if not track.is_person:
                self._ways.pop(track.number, None)
                beside = BESIDE_M * track.shrink / track.scale
                self._ways[track.number] = _half(track), beside, track.trail.rows[::5, PLACE].copy()
        for number in list(self._ways)[:-PATHS]:
            del self._ways[number]

    def _usual(self, place: Array) -> float:
        """Share of the vehicles passing `place` that drove over it, as far as is known (Jeffreys' prior)."""
        passed = over = 0
        for half, beside, way in self._ways.values():
            off = float(distance_to_path(place[None], way)[0]) if len(way) > 1 else math.inf
            over += off < half
            passed += off < beside
        return (over + 0.5) / (passed + 1)

    def _note_standing(self, moment: Moment) -> None:
        self._stood = [(at, box) for at, box in self._stood if moment.at - at < STOOD_S]
        for stand in moment.stands:
            self._stood = [(at, box) for at, box in self._stood if not np.array_equal(box, stand.box)]
            self._stood.append((moment.at, stand.box))

    def _watch_traffic(self, moment: Moment, thing: _Thing) -> None:
        place = self._place(thing.box)
        for track in moment.tracks:
            rows = track.trail.rows
            if track.is_person or len(rows) < 3 or rows[-1, 0] < thing.since:
                continue
            way = rows[-3:, PLACE]
            course = way[-1] - way[0]
            if not float((way[0] - place) @ course) < 0 <= float((way[-1] - place) @ course):
                continue  # not just passing it
            off = float(distance_to_path(place[None], way)[0])
            if off < _half(track):
                thing.driven_over = True
            elif off * track.scale / track.shrink < BESIDE_M:
                thing.avoided.add(track.number)

    def _place(self, box: Array) -> Array:
        foot = feet(box[None])
        place: Array = (foot if self._scene.ground is None else self._scene.ground.to_world(foot))[0]
        return place

    def _finding(self, moment: Moment, thing: _Thing) -> Finding:
        return Finding(
            kind="debris",
            key=f"thing/{thing.number}",
            since=thing.since,
            place=self._place(thing.box),
            box=thing.box,
            confidence=min(0.5 + 0.1 * len(thing.avoided), 0.95),
            severity="major",
            tracks=(),
            why={"seconds": round(moment.at - thing.since, 1), "avoided_by": float(len(thing.avoided))},
        )

    def _draw(self, polygons: list[Array]) -> Flags:
        mask = np.zeros(self._size[::-1], np.uint8)
        for polygon in polygons:
            cv2.fillPoly(mask, [np.round(polygon * self._scale).astype(np.int32)], 1)
        return mask.astype(bool)


def _half(track: Track) -> float:
    """Half of its width, in the plane's unit."""
    return HALF_M.get(track.klass, NARROW_M) * track.shrink / track.scale


def _is_avoided(thing: _Thing) -> bool:
    by_chance = (1 - thing.usual) ** len(thing.avoided)
    return len(thing.avoided) >= AVOIDED and not thing.driven_over and by_chance < CHANCE


def _covered(box: Array, others: Array) -> bool:
    return bool(len(others)) and float(cover(box[None], others).max()) > 0.3


def _corners(box: Array) -> Array:
    x1, y1, x2, y2 = box
    return np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
