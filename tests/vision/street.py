"""A made-up street with exact truth: actors that move by formula, seen by a pinhole camera with a detector's faults."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from vision.road.ground import Array, Ground
from vision.road.scene import Scene, parse_scene
from vision.tracking.boxes import BICYCLE, BUS, CAR, MOTORCYCLE, PERSON, TRUCK

WIDTH, HEIGHT, FPS = 1280, 720, 10.0
SIZE = {  # length, width, height in metres
    PERSON: (0.5, 0.5, 1.65), BICYCLE: (1.8, 0.6, 1.6), CAR: (4.3, 1.8, 1.5), MOTORCYCLE: (1.9, 0.7, 1.6),
    BUS: (11.0, 2.5, 3.2), TRUCK: (7.0, 2.3, 2.8),
}  # fmt: skip
Way = Callable[[float], tuple[float, float] | None]  # seconds → metres on the road, None where it is not there


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Something on the road."""

    klass: int
    way: Way
    rider: bool = False  # the detector also sees a person on it


@dataclass(frozen=True, kw_only=True)
class Faults:
    """What the detector gets wrong."""

    jitter: float = 0.02  # of the box's height, standard deviation
    miss: float = 0.1
    seed: int = 7


def camera(*, height: float = 8.0, pitch: float = 14.0, focal: float = 1100.0) -> tuple[Array, Array]:
    """(3, 3) K and (3, 4) [R | t] of a camera above (0, 0) that looks along x, `pitch` degrees down."""
    k = np.array([[focal, 0, WIDTH / 2], [0, focal, HEIGHT / 2], [0, 0, 1.0]])
    c, s = np.cos(np.radians(pitch)), np.sin(np.radians(pitch))
    r = np.array([[0, -1.0, 0], [-s, 0, -c], [c, 0, -s]])
    return k, np.column_stack((r, r @ (0.0, 0.0, -height)))


def road_scene(*extra: dict[str, object], name: str = "street", calibrated: bool = True, limit: float = 13.89) -> Scene:
    """A 2x2-lane road along x, 14 m wide, 15 to 120 m from the camera, one way on each side."""
    k, pose = camera()
    ground = Ground(np.asarray(np.linalg.inv(k @ pose[:, (0, 1, 3)]), np.float64))
    zones: list[dict[str, object]] = [
        {"name": "away", "kind": "lane_direction", "world": [[15, -7], [120, -7], [120, 0], [15, 0]], "dir": [1, 0]},
        {"name": "towards", "kind": "lane_direction", "world": [[15, 0], [120, 0], [120, 7], [15, 7]], "dir": [-1, 0]},
        {"name": "carriageway", "kind": "no_pedestrian", "world": [[15, -7], [120, -7], [120, 7], [15, 7]]},
        *extra,
    ]
    raw: dict[str, object] = {"name": name, "size": [WIDTH, HEIGHT], "fps": FPS, "speed_limit_mps": limit}
    if calibrated:
        return parse_scene(raw | {"H_image_to_world": ground.matrix.tolist(), "zones": zones})
    for zone in zones:
        world = np.array(zone.pop("world"), float)
        zone["image"] = ground.to_image(world).round(1).tolist()
        if "dir" in zone:
            ends = ground.to_image(world.mean(axis=0) + np.array([[0.0, 0.0], zone["dir"]]))
            zone["dir"] = (ends[1] - ends[0]).tolist()
    return parse_scene(raw | {"zones": zones})


def frames(actors: Sequence[Actor], seconds: float, faults: Faults | None = None) -> Iterator[tuple[float, Array]]:
    """(t, (n, 6) boxes) at FPS."""
    faults = faults or Faults()
    random = np.random.default_rng(faults.seed)
    for frame in range(int(seconds * FPS)):
        t = frame / FPS
        boxes = [box for actor in actors for box in _seen(actor, t, faults, random)]
        yield t, np.array(boxes, float).reshape(-1, 6)


def _seen(actor: Actor, t: float, faults: Faults, random: np.random.Generator) -> Iterator[list[float]]:
    place, soon = actor.way(t), actor.way(t + 0.05)
    if place is None:
        return
    ahead = np.subtract(soon, place) if soon is not None else np.array([1.0, 0.0])
    length = float(np.hypot(*ahead))
    box = project(actor.klass, np.array(place), ahead / length if length > 1e-6 else np.array([1.0, 0.0]))
    if box is None or random.random() < faults.miss:
        return
    box = box + random.normal(0, faults.jitter, 4) * (box[3] - box[1])
    score = float(np.clip(random.normal(0.75, 0.08), 0.3, 0.97))
    yield [*box, score, actor.klass]
    if actor.rider and random.random() < 0.5:
        x1, y1, x2, y2 = box
        yield [
            x1 + 0.1 * (x2 - x1),
            y1 - 0.05 * (y2 - y1),
            x2 - 0.1 * (x2 - x1),
            y2 - 0.2 * (y2 - y1),
            score - 0.1,
            PERSON,
        ]


def project(klass: int, place: Array, ahead: Array) -> Array | None:
    """(4,) x1 y1 x2 y2 of an actor, None where it is not (wholly enough) in the picture."""
    length, width, height = SIZE[klass]
    aside = np.array([-ahead[1], ahead[0]])
    corners = [
        (*(place + a * ahead * length / 2 + b * aside * width / 2), h)
        for a in (-1, 1)
        for b in (-1, 1)
        for h in (0, height)
    ]
    k, pose = camera()
    u, v, w = k @ pose @ np.column_stack((np.array(corners), np.ones(8))).T
    if np.any(w < 2.0):
        return None
    box = np.array([(u / w).min(), (v / w).min(), (u / w).max(), (v / w).max()])
    clipped = np.clip(box, 0, (WIDTH, HEIGHT, WIDTH, HEIGHT))
    shown = np.prod(clipped[2:] - clipped[:2]) / np.prod(box[2:] - box[:2])
    return clipped if shown > 0.5 else None


def drive(x: float, y: float, speed: float, *, start: float = 0.0, end: float = 1e9) -> Way:
    """Steadily along the road from (x, y) at `start`; a negative speed comes towards the camera."""
    return lambda t: (x + speed * (t - start), y) if start <= t < end else None


def drive_and_stop(x: float, y: float, speed: float, *, start: float, at: float, seconds: float) -> Way:
    """Along the road, braking at 3 m/s² to stand at x = `at` for `seconds`, then on as before."""
    way = 1 if speed > 0 else -1
    v = abs(speed)
    braking = v / 3.0
    roll = v * v / 6.0
    reach = max(abs(at - x) - roll, 0.0) / v

    def place(t: float) -> tuple[float, float] | None:
        t -= start
        if t < 0:
            return None
        if t < reach:
            return x + way * v * t, y
        if t < reach + braking:
            b = t - reach
            return at - way * (roll - (v * b - 1.5 * b * b)), y
        rest = t - reach - braking - seconds
        if rest < 0:
            return at, y
        gained = 1.5 * min(rest, braking) ** 2 + max(rest - braking, 0.0) * v
        return at + way * gained, y

    return place


def flow(seconds: float, *, y: float, speed: float = 10.0, every: float = 3.0, klass: int = MOTORCYCLE, x: float = 10.0,
         first: float = 0.0) -> list[Actor]:  # fmt: skip
    """Traffic: one vehicle each `every` seconds."""
    starts = np.arange(first, seconds, every)
    return [
        Actor(
            klass=klass,
            rider=klass == MOTORCYCLE,
            way=drive(x, y, speed, start=float(s), end=float(s) + 150 / abs(speed)),
        )
        for s in starts
    ]
