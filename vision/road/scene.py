"""What a camera looks at: its picture, its ground plane and its zones, read from a file and checked."""

import json
import math
import re
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Final, get_args

import msgspec
import numpy as np
import yaml

from events.about import Camera, Position, ZoneKind
from events.about import Zone as AboutZone
from vision.errors import VisionError
from vision.road.ground import Array, Ground, fit_ground
from vision.road.zones import area, clip_to_picture, convex_hull

ZONE_KINDS: Final = get_args(ZoneKind)
LINES: Final = frozenset({"gate", "stop_line"})  # drawn as a line; the other kinds are polygons
LANE_REACH_M: Final = 20.0  # about what one city junction or opening hides beyond the end of a drawn lane
EARTH_RADIUS_M: Final = 6_371_008.8  # mean radius, IUGG
EDGE_SHARE: Final = 0.04  # of a box's height by which a detector's edges wander, standard deviation
UNTOLD_M: Final = 0.5  # error of a calibration that came as a matrix: what careful point pairs give
FARTHEST_M: Final = 1000.0


class BadScene(VisionError):
    """A camera file that can't be used; the message says where, what and what to do."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Zone:
    """A polygon on the road, or a line for a gate or stop line."""

    name: str
    kind: ZoneKind
    image: Array  # (n, 2) pixels, y down
    world: Array | None = None  # (n, 2) metres, where the camera is calibrated
    direction: Array | None = None  # (2,) unit vector: on the road plane where calibrated, else in the picture
    reach: Array | None = None  # (m, 2) the polygon as the rules take it, where that is more than was drawn

    @property
    def shape(self) -> Array:
        """The points as drawn, on the plane that positions are measured on."""
        return self.image if self.world is None else self.world

    @property
    def judged(self) -> Array:
        """The polygon in which the rules look, on the same plane."""
        return self.shape if self.reach is None else self.reach


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the road plane's (0, 0) lies, and how it is turned."""

    latitude: float
    longitude: float
    bearing: float = 90.0  # degrees clockwise from north of the plane's x axis; y is 90° left of it

    def locate(self, x: float, y: float) -> tuple[float, float]:
        """Latitude and longitude of a place in metres, on a locally flat earth."""
        turn = math.radians(90.0 - self.bearing)
        east, north = x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)
        latitude = self.latitude + math.degrees(north / EARTH_RADIUS_M)
        return latitude, self.longitude + math.degrees(east / EARTH_RADIUS_M / math.cos(math.radians(self.latitude)))


@dataclass(frozen=True, kw_only=True, eq=False)
class Scene:
    """One camera's view."""

    name: str
    width: int
    height: int
    fps: float | None = None
    ground: Ground | None = None  # None: not calibrated, everything in pixels
    ground_error_m: float | None = None  # root mean square of the point pairs that the ground was fitted to
    speed_limit_mps: float | None = None
    motorcycle_pcu: float = 0.25  # TCVN 104:2007 table 2 gives 0.25 to 0.3 for urban roads
    origin: Origin | None = None
    zones: tuple[Zone, ...] = ()

    def of_kind(self, *kinds: ZoneKind) -> tuple[Zone, ...]:
        """The zones of these kinds, in the file's order."""
        return tuple(zone for zone in self.zones if zone.kind in kinds)

    def with_size(self, width: int, height: int) -> "Scene":
        """The same view in a picture of another size."""
        sx, sy = width / self.width, height / self.height
        ground = None if self.ground is None else Ground(self.ground.matrix @ np.diag([1 / sx, 1 / sy, 1.0]))
        zones = tuple(replace(zone, image=zone.image * (sx, sy)) for zone in self.zones)
        return replace(self, width=width, height=height, ground=ground, zones=zones)

    def place_error(self, box: Array) -> float:
        """Metres, one standard deviation, of where a box (x1 y1 x2 y2) stands, the calibration's among it; else 0."""
        if self.ground is None:
            return 0.0
        x1, y1, x2, y2 = (float(value) for value in box[:4])
        foot = np.array([[(x1 + x2) / 2, y2]])
        seen = float(self.ground.sigma(foot, max(1.0, EDGE_SHARE * (y2 - y1)))[0])
        calibration = UNTOLD_M if self.ground_error_m is None else self.ground_error_m
        return min(math.hypot(calibration, seen), FARTHEST_M) if math.isfinite(seen) else FARTHEST_M

    def about(self) -> Camera:
        """The camera as the device describes it on the wire."""
        origin = self.origin
        return Camera(
            name=self.name,
            width=self.width,
            height=self.height,
            fps=self.fps,
            position=None if origin is None else Position(latitude=origin.latitude, longitude=origin.longitude),
            calibrated=self.ground is not None,
            speed_limit_mps=self.speed_limit_mps,
            zones=tuple(
                AboutZone(
                    name=zone.name,
                    kind=zone.kind,
                    points=tuple((float(x), float(y)) for x, y in zone.image),
                    direction=None if zone.direction is None else (float(zone.direction[0]), float(zone.direction[1])),
                )
                for zone in self.zones
            ),
        )


Positive = Annotated[float, msgspec.Meta(gt=0)]
Points = list[tuple[float, float]]
Row3 = tuple[float, float, float]


class _Strict(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    pass


class _Pair(_Strict):
    image: tuple[float, float]
    world: tuple[float, float]


class _Origin(_Strict):
    latitude: Annotated[float, msgspec.Meta(ge=-90, le=90)]
    longitude: Annotated[float, msgspec.Meta(ge=-180, le=180)]
    bearing: float = 90.0


class _Zone(_Strict):
    name: str
    kind: str
    image: Points | None = None
    world: Points | None = None
    dir: tuple[float, float] | None = None


class _Scene(_Strict):
    name: str
    size: tuple[Annotated[int, msgspec.Meta(gt=0)], Annotated[int, msgspec.Meta(gt=0)]]
    fps: Positive | None = None
    K: tuple[Row3, Row3, Row3] | None = None
    R: tuple[Row3, Row3, Row3] | None = None
    t: Row3 | None = None
    H_image_to_world: tuple[Row3, Row3, Row3] | None = None
    points: list[_Pair] | None = None
    speed_limit_mps: Positive | None = None
    speed_limit_kmh: Positive | None = None
    motorcycle_pcu: Positive = 0.25
    origin: _Origin | None = None
    zones: list[_Zone] = []


def load_scene(path: Path) -> Scene:
    """Read a camera file, JSON or YAML.

    Raises:
        BadScene: it can't be read, or what it says can't be.
    """
    try:
        text = path.read_text("utf-8")
        raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except OSError as error:
        raise BadScene(f"{path}: {error.strerror or error}; name a camera file, JSON or YAML") from error
    except (ValueError, yaml.YAMLError) as error:
        raise BadScene(
            f"{path}: not {'JSON' if path.suffix == '.json' else 'YAML'}: {' '.join(str(error).split())}"
        ) from error
    return parse_scene(raw, source=path.name)


def parse_scene(raw: object, *, source: str = "camera") -> Scene:
    """A scene from plain dicts and lists, as JSON and YAML give them.

    Raises:
        BadScene: the first thing that is wrong, with its place and what to do.
    """
    try:
        given = msgspec.convert(raw, _Scene)
    except msgspec.ValidationError as error:
        raise BadScene(f"{source}: {_reworded(str(error))}") from error
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}", given.name):
        raise BadScene(f"{source}: name {given.name!r}: use letters, digits and _ . : / - only")
    ground, error_m = _ground(given, source)
    zones = tuple(
        _zone(zone, given, ground, f'{source}: zones[{n}] "{zone.name}"') for n, zone in enumerate(given.zones)
    )
    names = [zone.name for zone in zones]
    for name in names:
        if names.count(name) > 1:
            raise BadScene(f'{source}: two zones are called "{name}": give each its own name')
    limit = given.speed_limit_mps or (given.speed_limit_kmh and given.speed_limit_kmh / 3.6)
    return Scene(
        name=given.name,
        width=given.size[0],
        height=given.size[1],
        fps=given.fps,
        ground=ground,
        ground_error_m=error_m,
        speed_limit_mps=limit,
        motorcycle_pcu=given.motorcycle_pcu,
        origin=None if given.origin is None else Origin(**msgspec.structs.asdict(given.origin)),
        zones=zones,
    )


def _ground(given: _Scene, source: str) -> tuple[Ground | None, float | None]:
    if given.points is not None:
        pairs = np.array([(pair.image, pair.world) for pair in given.points], float).reshape(-1, 2, 2)
        try:
            return fit_ground(pairs[:, 0], pairs[:, 1])
        except ValueError as error:
            raise BadScene(f"{source}: points: {error}") from error
    if given.H_image_to_world is not None:
        matrix = np.array(given.H_image_to_world)
    elif given.K is not None and given.R is not None and given.t is not None:
        pose = np.column_stack((np.array(given.R)[:, 0], np.array(given.R)[:, 1], given.t))
        matrix = _inverse(np.array(given.K) @ pose, f"{source}: K, R, t")
    else:
        return None, None
    _inverse(matrix, f"{source}: H_image_to_world")
    foot = matrix @ (given.size[0] / 2, given.size[1], 1.0)  # the bottom of the picture is road, not sky
    return Ground(matrix * (np.sign(foot[2]) or 1.0)), None


def _inverse(matrix: Array, where: str) -> Array:
    if not np.all(np.isfinite(matrix)) or np.linalg.matrix_rank(matrix) < 3:
        raise BadScene(f"{where}: this matrix has no inverse, so it maps no plane: calibrate again")
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _zone(given: _Zone, scene: _Scene, ground: Ground | None, where: str) -> Zone:
    kind = next((kind for kind in ZONE_KINDS if kind == given.kind), None)
    if kind is None:
        raise BadScene(f"{where}: unknown kind {given.kind!r}; use one of {', '.join(ZONE_KINDS)}")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}", given.name):
        raise BadScene(f"{where}: use letters, digits and _ . : / - in a zone's name")
    image, world = _both_planes(given, ground, where)
    if len(image) != 2 if kind in LINES else len(image) < 3:
        needed = "two, a line" if kind in LINES else "three or more, a polygon"
        raise BadScene(f"{where}: {len(image)} points; a {kind} zone needs {needed}")
    if not np.all(np.isfinite(image)) or (world is not None and not np.all(np.isfinite(world))):
        raise BadScene(f"{where}: a point lies behind the camera or above its horizon; draw it on the road")
    _check_in_picture(image, kind, scene.size, where)
    direction = _direction(given, kind, where)
    reach = _stretch(world, direction) if kind == "lane_direction" and world is not None else None
    return Zone(name=given.name, kind=kind, image=image, world=world, direction=direction, reach=reach)


def _stretch(lane: Array, direction: Array | None) -> Array | None:
    """A straight lane goes on beyond the ends that were drawn: whoever stands just past them blocks it as well."""
    hull = convex_hull(lane)
    if direction is None or area(hull) > 1.05 * area(lane):
        return None
    return convex_hull(np.vstack((lane + LANE_REACH_M * direction, lane - LANE_REACH_M * direction)))


def _both_planes(given: _Zone, ground: Ground | None, where: str) -> tuple[Array, Array | None]:
    if given.image is None and (given.world is None or ground is None):
        missing = (
            "no points: give `image`" if given.world is None else "`world` needs a calibrated camera: give `image`"
        )
        raise BadScene(f"{where}: {missing}, a list of [x, y] in pixels")
    world = None if given.world is None else np.array(given.world, float).reshape(-1, 2)
    if given.image is None:
        assert world is not None
        assert ground is not None
        return ground.to_image(world), world
    image = np.array(given.image, float).reshape(-1, 2)
    if ground is None or given.kind == "ignore":  # what is left out of the picture may be sky
        return image, None
    return image, ground.to_world(image) if world is None else world


def _check_in_picture(image: Array, kind: str, size: tuple[int, int], where: str) -> None:
    if kind in LINES:
        along = np.linspace(0, 1, 101)[:, None]
        seen = np.vstack([a + (b - a) * along for a, b in pairwise(image)])
        visible = bool(np.any(np.all((seen >= 0) & (seen <= size), axis=1)))
    else:
        if area(image) < 1.0:
            raise BadScene(f"{where}: its points enclose no area; draw at least three that are not on one line")
        clipped = clip_to_picture(image, *size)
        visible = len(clipped) > 2 and area(clipped) >= 1.0
    if not visible:
        spans = [
            f"{axis} {low:.0f}..{high:.0f}" for axis, low, high in zip("xy", image.min(0), image.max(0), strict=True)
        ]
        raise BadScene(
            f"{where}: outside the picture ({', '.join(spans)}; the picture is {size[0]}x{size[1]}); draw it again"
        )


def _direction(given: _Zone, kind: str, where: str) -> Array | None:
    if given.dir is None:
        if kind == "lane_direction":
            raise BadScene(f"{where}: a lane_direction zone needs `dir`, e.g. [1, 0]")
        return None
    length = math.hypot(*given.dir)
    if not length > 0 or not math.isfinite(length):
        raise BadScene(f"{where}: dir {list(given.dir)} points nowhere; give e.g. [1, 0]")
    return np.array(given.dir) / length


def _reworded(problem: str) -> str:
    """Msgspec's message with the place first: "zones[0].kind: Expected `str`, got `int`"."""
    what, _, at = problem.partition(" - at `$")
    place = at.rstrip("`").removeprefix(".")
    return f"{place}: {what}" if place else what
