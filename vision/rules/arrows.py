"""Whether a lane's arrow fits its traffic: a file may hold it in metres, or the wrong way round."""

from collections import deque
from typing import Final

import numpy as np

from vision.road.scene import Scene, Zone
from vision.rules.moment import Moment
from vision.tracking.trail import PLACE, T, Track

LOOK_S: Final = 0.5
WAY_S: Final = 2.0  # a track's way is taken over so long, each track once
WAY_MPS: Final = 10 / 3.6  # slower ones creep or turn
ALONG: Final = 0.5  # cosine: within 60° of the arrow, so that a picture's perspective fits
FEWEST: Final = 5  # vehicles: one or two may well drive the wrong way
MEMORY: Final = 50  # vehicles
MOST: Final = 0.5  # of them: where fewer drive along the arrow, not they are wrong


class Arrows:
    """Counts who drives along each lane's arrow."""

    def __init__(self, scene: Scene) -> None:
        self._lanes = scene.of_kind("lane_direction")
        self._along: dict[str, deque[bool]] = {lane.name: deque(maxlen=MEMORY) for lane in self._lanes}
        self._counted: deque[int] = deque(maxlen=10 * MEMORY)
        self._at = -np.inf

    @property
    def doubted(self) -> frozenset[str]:
        """The names of lanes along whose arrow few drive."""
        return frozenset(
            name for name, along in self._along.items() if len(along) >= FEWEST and sum(along) < MOST * len(along)
        )

    def watch(self, moment: Moment) -> None:
        """Take a moment in."""
        if moment.at - self._at < LOOK_S:
            return
        self._at = moment.at
        for track in moment.tracks:
            lane = next((lane for lane in self._lanes if track.depths[lane.name] > 0), None)
            if lane is None or track.is_person or track.number in self._counted:
                continue
            along = _is_along(track, lane)
            if along is not None:
                self._counted.append(track.number)
                self._along[lane.name].append(along)


def _is_along(track: Track, lane: Zone) -> bool | None:
    """None where it has not driven for long enough."""
    assert lane.direction is not None
    rows = track.trail.last(WAY_S)
    way = rows[-1, PLACE] - rows[0, PLACE]
    length = float(np.hypot(*way))
    if rows[-1, T] - rows[0, T] < WAY_S / 2 or length * track.scale < WAY_MPS * WAY_S / 2 * track.shrink:
        return None
    return bool(way @ lane.direction > ALONG * length)
