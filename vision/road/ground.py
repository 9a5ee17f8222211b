"""The road as a plane: pixels to metres and back, and how far a pixel's error reaches on the ground."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Ground:
    """A homography from the picture to the road plane (Hartley & Zisserman 2004, section 2.3).

    Attributes:
        matrix: (3, 3) takes (u, v, 1) in pixels to homogeneous metres, with w > 0 in front of the camera.
    """

    matrix: Array

    @cached_property
    def inverse(self) -> Array:
        """(3, 3) from metres to pixels."""
        return np.asarray(np.linalg.inv(self.matrix), np.float64)

    def to_world(self, pixels: Array) -> Array:
        """(n, 2) pixels → (n, 2) metres; NaN on and above the horizon."""
        return _flat(*_apply(self.matrix, pixels))

    def to_image(self, metres: Array) -> Array:
        """(n, 2) metres → (n, 2) pixels; NaN behind the camera."""
        return _flat(*_apply(self.inverse, metres))

    def jacobian(self, pixels: Array) -> Array:
        """(n, 2, 2): metres moved on the road for one pixel right (column 0) and down (column 1)."""
        x, y, w = _apply(self.matrix, pixels)
        (xs, ys, ws), columns = self.matrix[:, :2], np.empty((len(pixels), 2, 2))
        with np.errstate(divide="ignore", invalid="ignore"):
            columns[:, 0] = (xs - (x / w)[:, None] * ws) / w[:, None]
            columns[:, 1] = (ys - (y / w)[:, None] * ws) / w[:, None]
        return columns

    def pixels_down(self, u: float, v: float, x: float, y: float) -> float:
        """How many pixels down a small step (x, y) in metres leads from the pixel (u, v); NaN on the horizon."""
        (h00, h01, h02), (h10, h11, h12), (h20, h21, h22) = self._rows
        w = h20 * u + h21 * v + h22
        if w == 0:
            return math.nan
        at_x, at_y = (h00 * u + h01 * v + h02) / w, (h10 * u + h11 * v + h12) / w
        right_x, right_y = h00 - at_x * h20, h10 - at_y * h20  # the Jacobian's columns, times w
        down_x, down_y = h01 - at_x * h21, h11 - at_y * h21
        return w * (right_x * y - right_y * x) / (right_x * down_y - down_x * right_y)

    @cached_property
    def _rows(self) -> list[list[float]]:
        rows: list[list[float]] = self.matrix.tolist()
        return rows

    def sigma(self, pixels: Array, pixel_sigma: float) -> Array:
        """(n,) the largest standard deviation on the road, in metres, of a point seen within `pixel_sigma` pixels."""
        values: Array = np.linalg.norm(self.jacobian(pixels), ord=2, axis=(1, 2))
        return values * pixel_sigma


def fit_ground(image: Array, world: Array) -> tuple[Ground, float]:
    """The plane through point pairs, and its error.

    Normalised direct linear transform (Hartley & Zisserman 2004, algorithm 4.2).

    Args:
        image: (n, 2) pixels, n >= 4, no three of four on a line.
        world: (n, 2) metres.

    Returns:
        The ground, and the root mean square distance in metres between `world` and where the pixels land.

    Raises:
        ValueError: too few pairs, or pairs that fix no plane.
    """
    if len(image) < 4 or len(image) != len(world):
        raise ValueError(f"a plane needs four or more point pairs, not {min(len(image), len(world))}")
    ti, tw = _normaliser(image), _normaliser(world)
    u, v, _ = _apply(ti, image)
    x, y, _ = _apply(tw, world)
    zero, one = np.zeros(len(u)), np.ones(len(u))
    rows = np.concatenate((
        np.column_stack((u, v, one, zero, zero, zero, -x * u, -x * v, -x)),
        np.column_stack((zero, zero, zero, u, v, one, -y * u, -y * v, -y)),
    ))  # fmt: skip
    _, singular, vectors = np.linalg.svd(rows)
    if singular[7] < 1e-9 * singular[0]:
        raise ValueError("these point pairs fix no plane: three or more lie on one line, or two are the same")
    matrix = np.linalg.inv(tw) @ vectors[-1].reshape(3, 3) @ ti
    w = _apply(matrix, image)[2]
    if np.any(w > 0) and np.any(w < 0):
        raise ValueError("these point pairs lie on both sides of the horizon: check which pixel belongs to which place")
    ground = Ground(matrix * np.sign(w[0]))
    error = ground.to_world(image) - world
    return ground, float(np.sqrt(np.mean(np.sum(error**2, axis=1))))


def _apply(matrix: Array, points: Array) -> tuple[Array, Array, Array]:
    u, v = points[:, 0], points[:, 1]
    x, y, w = (row[0] * u + row[1] * v + row[2] for row in matrix)
    return x, y, w


def _flat(x: Array, y: Array, w: Array) -> Array:
    """(n, 2) from homogeneous places; NaN where w says behind the camera."""
    before = np.where(w > 0, w, np.nan)
    places = np.empty((len(w), 2))
    places[:, 0], places[:, 1] = x / before, y / before
    return places


def _normaliser(points: Array) -> Array:
    centre = points.mean(axis=0)
    spread = float(np.mean(np.linalg.norm(points - centre, axis=1)))
    if spread == 0:
        raise ValueError("these points are all the same")
    scale = np.sqrt(2) / spread
    return np.array([[scale, 0, -scale * centre[0]], [0, scale, -scale * centre[1]], [0, 0, 1.0]])
