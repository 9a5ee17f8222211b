"""Minute counts: each track once through each gate, by class and direction, with speed, occupancy, queue and PCU."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import numpy as np

from events.about import ZoneKind
from events.traffic import Flow, TrafficMinute
from vision.road.ground import Array
from vision.road.scene import Scene, Zone
from vision.road.zones import side_of_line
from vision.rules.moment import Moment
from vision.tracking.boxes import BICYCLE, BUS, CAR, MOTORCYCLE, NAMES, PERSON, TRUCK
from vision.tracking.trail import Track, metres_per_pixel

MINUTE: Final = 60.0
CLEAR_M: Final = (
    1.0  # hysteresis: a track is on a side of a gate once it is this far from it; standing on the line counts nobody
)
# Passenger car units on urban roads, TCVN 104:2007 table 2; the motorcycle's is the camera's own setting.
PCU: Final = {BICYCLE: 0.2, CAR: 1.0, BUS: 2.5, TRUCK: 2.5, PERSON: 0.0}
COUNTED: Final[tuple[ZoneKind, ...]] = ("gate", "road", "lane_direction")
FORGET_S: Final = 60.0  # a number that was not at the gate for a minute does not come back
SLACK: Final = 0.05  # of a gate's length, beyond its ends: people draw it a little short


@dataclass(slots=True)
class _Gate:
    """A line to cross: drawn (in the picture), or across the middle of a zone (on the scene's plane)."""

    a: Array
    b: Array
    names: tuple[str, str]  # of crossings to the positive and to the negative side
    drawn: bool
    sides: dict[int, tuple[int, float]] = field(default_factory=dict)  # track → the side it was last clearly on, when
    counted: dict[int, float] = field(default_factory=dict)

    def offset(self, zone: Zone, track: Track) -> float:
        """Metres from the line, signed; 0 where the track does not pass here or is too near to tell."""
        if self.drawn:
            place = np.array([(track.box[0] + track.box[2]) / 2, track.box[3]])
            along = self.b - self.a
            here = -SLACK <= float((place - self.a) @ along) / float(along @ along) <= 1 + SLACK
            scale = metres_per_pixel(track.box, track.klass)
        else:
            place, scale = track.place, track.scale
            here = track.depths.get(zone.name, 0.0) * scale > -CLEAR_M
        metres = side_of_line(place, self.a, self.b) * scale if here else 0.0
        return metres if abs(metres) >= CLEAR_M else 0.0

    def forget(self, before: float) -> None:
        """Drop tracks that were last here before that time."""
        self.sides = {n: (side, at) for n, (side, at) in self.sides.items() if at >= before}
        self.counted = {n: at for n, at in self.counted.items() if n in self.sides}


@dataclass(slots=True)
class _Tally:
    speeds: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    frames: int = 0
    busy: int = 0
    queue: int = 0
    queue_m: float = 0.0
    pcu: float = 0.0

    def add(self, track: Track, way: str, motorcycle_pcu: float) -> None:
        """Count a track that crossed."""
        self.speeds.setdefault((NAMES[track.klass], way), []).append(track.speed)
        self.pcu += motorcycle_pcu if track.klass == MOTORCYCLE else PCU[track.klass]


class Counts:
    """The counts of one camera; a minute is given out when the next one begins."""

    def __init__(self, scene: Scene) -> None:
        self._scene = scene
        self._zones = scene.of_kind(*COUNTED) or (_whole_picture(scene),)
        self._gates = [_gate(zone) for zone in self._zones]
        self._start: float | None = None
        self._since = self._until = 0.0
        self._tallies: list[_Tally] = []
        self._trusted = self._trust = True

    def trust(self, *, ok: bool) -> None:
        """From now on the camera can (not) be believed; a minute that was touched says so."""
        self._trust = ok
        self._trusted &= ok

    def step(self, moment: Moment) -> list[TrafficMinute]:
        """Take a frame in; the minutes that ended before it."""
        minute = moment.at // MINUTE * MINUTE
        done = self.finish() if self._start is not None and minute > self._start else []
        if self._start is None:
            self._start, self._since, self._trusted = minute, moment.at, self._trust
            self._tallies = [_Tally() for _ in self._zones]
            if done:
                self._since = minute
        self._until = moment.at
        for zone, gate, tally in zip(self._zones, self._gates, self._tallies, strict=True):
            self._cross(moment, zone, gate, tally)
            self._fill(moment, zone, tally)
        if len(self._gates[0].sides) > 200:
            for gate in self._gates:
                gate.forget(moment.at - FORGET_S)
        return done

    def finish(self) -> list[TrafficMinute]:
        """The running minute, as far as it was observed."""
        if self._start is None:
            return []
        start, self._start = self._start, None
        end = start + MINUTE if self._until >= start + MINUTE - 1.0 else self._until
        seconds = max(round(end - max(self._since, start), 3), 0.001)
        return [
            _minute(self._scene, zone, start, seconds, tally, trusted=self._trusted)
            for zone, tally in zip(self._zones, self._tallies, strict=True)
        ]

    def _cross(self, moment: Moment, zone: Zone, gate: _Gate, tally: _Tally) -> None:
        for track in moment.tracks:
            offset = gate.offset(zone, track)
            if offset == 0.0:
                continue
            side = 1 if offset > 0 else -1
            before, _ = gate.sides.get(track.number, (side, moment.at))
            gate.sides[track.number] = side, moment.at
            if before == side or track.number in gate.counted:
                continue
            gate.counted[track.number] = moment.at
            tally.add(track, gate.names[0] if side > 0 else gate.names[1], self._scene.motorcycle_pcu)

    def _fill(self, moment: Moment, zone: Zone, tally: _Tally) -> None:
        tally.frames += 1
        if zone.kind == "gate":
            return
        vehicles = [track for track in moment.tracks if not track.is_person]
        if vehicles:
            tally.busy += any(track.depths.get(zone.name, 0.0) > 0 for track in vehicles)
        queue = [stand for stand in moment.stands if stand.depths.get(zone.name, 0.0) > 0]
        if len(queue) > tally.queue:
            tally.queue = len(queue)
            places = np.array([stand.place for stand in queue])
            tally.queue_m = float(np.hypot(*np.ptp(places, axis=0)))


def _whole_picture(scene: Scene) -> Zone:
    """Where nobody drew a zone, the picture's middle counts."""
    corners = np.array([[0.0, 0.0], [scene.width, 0.0], [scene.width, scene.height], [0.0, scene.height]])
    world = None if scene.ground is None else corners
    return Zone(name="picture", kind="road", image=corners, world=world)


def _gate(zone: Zone) -> _Gate:
    if zone.kind == "gate":  # positive is right of a walk from its first to its second point
        return _Gate(a=zone.image[0], b=zone.image[1], names=("in", "out"), drawn=True)
    centre = (zone.shape.min(axis=0) + zone.shape.max(axis=0)) / 2
    along = zone.direction if zone.direction is not None else _longest(zone.shape)
    half = np.array([along[1], -along[0]]) * float(np.hypot(*np.ptp(zone.shape, axis=0)))
    names = ("along", "against") if zone.direction is not None else ("one", "other")
    return _Gate(a=centre - half, b=centre + half, names=names, drawn=False)


def _longest(shape: Array) -> Array:
    _, _, axes = np.linalg.svd(shape - shape.mean(axis=0))
    axis: Array = axes[0]
    return axis if axis[np.argmax(np.abs(axis))] > 0 else -axis


def _minute(scene: Scene, zone: Zone, start: float, seconds: float, tally: _Tally, *, trusted: bool) -> TrafficMinute:
    polygon, calibrated = zone.kind != "gate", scene.ground is not None
    return TrafficMinute(
        camera=scene.name,
        zone=zone.name,
        start=datetime.fromtimestamp(start, UTC),
        seconds=seconds,
        flows=tuple(
            Flow(
                klass=klass,
                direction=way,
                count=len(speeds),
                speed_mps=_space_mean(speeds) if calibrated else None,
                speed_p85_mps=round(float(np.percentile(speeds, 85)), 2) if calibrated else None,
            )
            for (klass, way), speeds in sorted(tally.speeds.items())
        ),
        occupancy=round(tally.busy / max(tally.frames, 1), 3) if polygon else None,
        queue=tally.queue if polygon else None,
        queue_m=round(tally.queue_m, 1) if polygon and calibrated else None,
        pcu=round(tally.pcu, 2),
        trusted=trusted,
    )


def _space_mean(speeds: list[float]) -> float:
    """Harmonic mean of spot speeds (Wardrop 1952): what a kilometre of road would show, not a passer-by."""
    return round(len(speeds) / sum(1 / max(speed, 0.5) for speed in speeds), 2)
