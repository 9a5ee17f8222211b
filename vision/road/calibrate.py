"""From places that somebody measured to a camera's road plane, and how far to trust it, in metres."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgspec
import numpy as np
import yaml

from vision.errors import VisionError
from vision.road.ground import Array, Ground, fit_ground

GOOD_M: Final = 0.5  # a lane is 3 m wide: an error of more than this puts vehicles into the wrong one


class BadPoints(VisionError):
    """Points that fix no road plane; says which and why."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """A road plane and its errors.

    Attributes:
        ground: pixels to metres.
        rms_m: how far the points land from where they were measured; 0 for four points, which any plane can meet.
        left_out_m: root mean square error of each point when the plane is made of the others: what a place that nobody
            measured will be off by. None for four points.
        pixel_m: what one pixel is worth at the point where it is worth most.
        worst: number, from 0, of the point without which the others fit one another best: the likely mistake.
    """

    ground: Ground
    rms_m: float
    left_out_m: float | None
    pixel_m: float
    worst: int

    @property
    def good(self) -> bool:
        """Whether the error is known, and small enough to tell lanes apart."""
        return self.left_out_m is not None and self.left_out_m <= GOOD_M


def calibrate(image: Array, world: Array) -> Calibration:
    """The road plane through point pairs.

    Args:
        image: (n, 2) pixels, n >= 4.
        world: (n, 2) metres on the road.

    Raises:
        BadPoints: they fix no plane.
    """
    try:
        ground, rms = fit_ground(image, world)
    except ValueError as error:
        raise BadPoints(str(error)) from error
    landed = np.linalg.norm(ground.to_world(image) - world, axis=1)
    errors, rests = _left_out(image, world) if len(image) > 4 else (None, None)
    return Calibration(
        ground=ground,
        rms_m=rms,
        left_out_m=None if errors is None else float(np.sqrt(np.mean(errors**2))),
        pixel_m=float(ground.sigma(image, 1.0).max()),
        worst=int(landed.argmax() if rests is None or len(image) == 5 else rests.argmin()),
    )


def _left_out(image: Array, world: Array) -> tuple[Array, Array]:
    """(n,) metres that each point is off by when the others make the plane; (n,) how badly those fit one another."""
    errors, rests = np.empty(len(image)), np.empty(len(image))
    for number in range(len(image)):
        others = np.arange(len(image)) != number
        try:
            ground, rests[number] = fit_ground(image[others], world[others])
        except ValueError as error:
            raise BadPoints(f"without point {number} the others fix no plane: {error}") from error
        errors[number] = np.linalg.norm(ground.to_world(image[number : number + 1])[0] - world[number])
    return np.where(np.isnan(errors), np.inf, errors), rests


def from_markings(left: Array, right: Array, *, width_m: float, spacing_m: float) -> tuple[Array, Array]:
    """Point pairs out of two rows of lane markings, abreast: x across the lane, y along it from the first of the left.

    Args:
        left: (n, 2) pixels, where each marking of the lane's left line begins, in order.
        right: (m, 2) the same of its right line; its first lies abreast of the left's first.
        width_m: from line to line.
        spacing_m: from the beginning of a marking to that of the next.

    Returns:
        (n + m, 2) pixels and (n + m, 2) metres.
    """
    world = [(0.0, spacing_m * n) for n in range(len(left))] + [(width_m, spacing_m * n) for n in range(len(right))]
    return np.vstack((left, right)), np.array(world, float)


Pixel = tuple[float, float]
Positive = Annotated[float, msgspec.Meta(gt=0)]


class _Pair(msgspec.Struct, forbid_unknown_fields=True):
    image: Pixel
    world: Pixel


class _Markings(msgspec.Struct, forbid_unknown_fields=True):
    left: list[Pixel]
    right: list[Pixel]
    width_m: Positive
    spacing_m: Positive


class _File(msgspec.Struct, forbid_unknown_fields=True):
    points: list[_Pair] = []
    markings: _Markings | None = None


def read_points(path: Path) -> tuple[Array, Array]:
    """(n, 2) pixels and (n, 2) metres of a YAML file: `points: [{image, world}, …]`, or `markings:` of a lane.

    Raises:
        BadPoints: it cannot be read, or holds neither, or both.
    """
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text("utf-8")), _File)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, msgspec.ValidationError) as error:
        raise BadPoints(f"{path}: {' '.join(str(error).split())}") from error
    if bool(found.points) == (found.markings is not None):
        raise BadPoints(f"{path}: give either points (pairs of image and world) or markings of a lane")
    if found.markings is None:
        pairs = found.points
        return np.array([pair.image for pair in pairs], float), np.array([pair.world for pair in pairs], float)
    lane = found.markings
    left, right = np.array(lane.left, float).reshape(-1, 2), np.array(lane.right, float).reshape(-1, 2)
    return from_markings(left, right, width_m=lane.width_m, spacing_m=lane.spacing_m)
