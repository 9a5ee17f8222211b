"""Traffic that hardly moves."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np

from vision.road.scene import Scene, Zone
from vision.road.zones import inside
from vision.rules.moment import Finding, Moment
from vision.rules.queueing import CYCLE_S
from vision.tracking.trail import Track

VEHICLES: Final = 6  # on LENGTH_M of a carriageway of two lanes,
LENGTH_M: Final = 60.0
SLOW_MPS: Final = 10 / 3.6  # slower than 10 km/h on average: the lowest level of service on urban streets (HCM, F)
FREE_MPS: Final = 15 / 3.6  # it is over when traffic is faster than this
SUSTAINED_S: Final = 30.0  # most red lights are shorter; where a stop line is drawn, a whole cycle must not clear it
MOSTLY: Final = 0.8  # share of that time in which it was so: boxes flicker


def rule(scene: Scene) -> Callable[[Moment], Iterable[Finding]]:
    """A rule with the memory of one camera's carriageways."""
    roads = [_Road(zone, scene.of_kind("stop_line")) for zone in scene.of_kind("lane_direction", "road")]

    def find(moment: Moment) -> Iterator[Finding]:
        for road in roads:
            finding = road.look(moment)
            if finding is not None:
                yield finding

    return find


class _Road:
    def __init__(self, zone: Zone, lines: tuple[Zone, ...]) -> None:
        self._zone = zone
        self._sustained = CYCLE_S if any(_crosses(line, zone) for line in lines) else SUSTAINED_S
        self._samples: list[tuple[float, bool]] = []
        self._seen: dict[int, Track] = {}
        self._jammed = False

    def look(self, moment: Moment) -> Finding | None:
        for track in moment.tracks:
            if not track.is_person and track.depths[self._zone.name] > 0:
                self._seen[track.number] = track
        if self._samples and moment.at - self._samples[-1][0] < 0.5:
            return None
        self._seen = {n: t for n, t in self._seen.items() if moment.at - t.seen < 2.0 and t.depths[self._zone.name] > 0}
        group = self._slow_group(moment)
        self._samples = [s for s in self._samples if moment.at - s[0] <= self._sustained] + [
            (moment.at, group is not None)
        ]
        share = sum(slow for _, slow in self._samples) / len(self._samples)
        long = moment.at - self._samples[0][0] >= self._sustained - 1.0
        self._jammed = long and share >= (MOSTLY / 2 if self._jammed else MOSTLY)
        if not self._jammed or group is None:
            return None
        return self._finding(group, share)

    def _slow_group(self, moment: Moment) -> list[tuple[np.ndarray, float, np.ndarray]] | None:
        """The vehicles on the slowest LENGTH_M that holds VEHICLES of them, None where all move well."""
        cars = [(track.place, self._along(track), track.box) for track in self._seen.values()]
        known = {number for stand in moment.stands for number in stand.tracks}
        cars += [
            (stand.place, 0.0, stand.box)
            for stand in moment.stands
            if stand.depths[self._zone.name] > 0 and not known & set(self._seen)
        ]
        if len(cars) < VEHICLES:
            return None
        axis = self._zone.direction if self._zone.direction is not None else np.array([1.0, 0.0])
        where = np.array([float(place @ axis) for place, _, _ in cars])
        limit = FREE_MPS if self._jammed else SLOW_MPS
        best: tuple[float, list[int]] | None = None
        for start in where:
            group = np.flatnonzero((where >= start) & (where <= start + LENGTH_M))
            speed = abs(float(np.mean([cars[i][1] for i in group])))
            if len(group) >= VEHICLES and speed < limit and (best is None or speed < best[0]):
                best = speed, group.tolist()
        return None if best is None else [cars[i] for i in best[1]]

    def _along(self, track: Track) -> float:
        """Speed along the lane: its errors cancel over many vehicles, those of its size would not."""
        if self._zone.direction is None:
            return track.speed
        return float(track.velocity @ self._zone.direction)

    def _finding(self, group: list[tuple[np.ndarray, float, np.ndarray]], share: float) -> Finding:
        places, speeds, boxes = (np.array(column) for column in zip(*group, strict=True))
        return Finding(
            kind="congestion",
            key=self._zone.name,
            since=self._samples[0][0],
            place=places.mean(axis=0),
            box=np.concatenate((boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0))),
            confidence=share,
            severity="minor",
            tracks=(),
            zone=self._zone.name,
            why={
                "vehicles": float(len(group)),
                "speed_mps": round(abs(float(speeds.mean())), 1),
                "metres": round(float(np.hypot(*np.ptp(places, axis=0))), 1),
                "zone": self._zone.name,
            },
        )


def _crosses(line: Zone, road: Zone) -> bool:
    return bool(inside(line.shape.mean(axis=0)[None], road.judged)[0])
