"""Where points lie: in polygons, how far from their edges, and on which side of a line."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from vision.road.ground import Array

Flags = NDArray[np.bool_]


def inside(points: Array, polygon: Array) -> Flags:
    """Which of (n, 2) points lie in the (m, 2) polygon, by counting crossings of its edges.

    >>> inside(np.array([[1.0, 1.0], [3.0, 1.0]]), np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]]))
    array([ True, False])
    """
    a, b = polygon, np.concatenate((polygon[1:], polygon[:1]))
    x, y = points[:, :1], points[:, 1:]
    straddles = (a[:, 1] > y) != (b[:, 1] > y)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        at = a[:, 0] + (y - a[:, 1]) * (b[:, 0] - a[:, 0]) / (b[:, 1] - a[:, 1])
    return np.asarray(np.count_nonzero(straddles & (x < at), axis=1) % 2 == 1)


def depth(points: Array, polygon: Array) -> Array:
    """(n,) distance from each point to the polygon's edge, positive inside; in the points' unit."""
    edges = distance_to_path(points, np.vstack((polygon, polygon[:1])))
    return np.where(inside(points, polygon), edges, -edges)


def distance_to_path(points: Array, path: Array) -> Array:
    """(n,) distance from each of (n, 2) points to the polyline through (m, 2) `path`."""
    a, along = path[:-1], np.diff(path, axis=0)
    length2 = np.maximum(np.sum(along**2, axis=1), 1e-12)
    offset = points[:, None, :] - a
    share = np.clip(np.sum(offset * along, axis=2) / length2, 0, 1)
    nearest: Array = np.linalg.norm(offset - share[:, :, None] * along, axis=2).min(axis=1)
    return nearest


class Depths:
    """What `depth` says, for several polygons at once: a street has a handful, each with a handful of edges."""

    def __init__(self, polygons: Sequence[Array]) -> None:
        self._starts = np.cumsum([0, *(len(polygon) for polygon in polygons)][:-1], dtype=np.intp)
        self._a = np.concatenate([*polygons, np.empty((0, 2))])
        self._b = np.concatenate([*(np.roll(polygon, -1, axis=0) for polygon in polygons), np.empty((0, 2))])
        self._along = self._b - self._a
        self._length2 = np.maximum(np.sum(self._along**2, axis=1), 1e-12)

    def of(self, points: Array) -> Array:
        """(n, polygons) distance from each of (n, 2) points to each polygon's edge, positive inside."""
        if not len(self._starts):
            return np.empty((len(points), 0))
        x, y = points[:, :1], points[:, 1:]
        right, down = x - self._a[:, 0], y - self._a[:, 1]
        along_x, along_y = self._along.T
        share = np.clip((right * along_x + down * along_y) / self._length2, 0, 1)
        off = np.sqrt((right - share * along_x) ** 2 + (down - share * along_y) ** 2)
        edges: Array = np.minimum.reduceat(off, self._starts, axis=1)
        straddles = (self._a[:, 1] > y) != (self._b[:, 1] > y)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            crossed = straddles & (x < self._a[:, 0] + down * along_x / along_y)
        odd = np.logical_xor.reduceat(crossed, self._starts, axis=1)
        return np.where(odd, edges, -edges)


def side_of_line(point: Array, a: Array, b: Array) -> float:
    """Signed distance of a point from the line through `a` and `b`.

    Positive is right of a walk from a to b where y points down (a picture), left of it where y points up (a map).

    >>> side_of_line(np.array([0.0, 1.0]), np.array([0.0, 0.0]), np.array([2.0, 0.0]))
    1.0
    """
    dx, dy = float(b[0] - a[0]), float(b[1] - a[1])
    return (dx * float(point[1] - a[1]) - dy * float(point[0] - a[0])) / max(math.hypot(dx, dy), 1e-12)


def along_across(offset: Array, heading: Array) -> tuple[float, float]:
    """How far an offset (2,) goes along a unit vector, and how far to its side (never negative).

    >>> along_across(np.array([3.0, -1.0]), np.array([1.0, 0.0]))
    (3.0, 1.0)
    """
    x, y, u, v = float(offset[0]), float(offset[1]), float(heading[0]), float(heading[1])
    return x * u + y * v, abs(x * v - y * u)


def area(polygon: Array) -> float:
    """The polygon's area (shoelace), never negative.

    >>> area(np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 2.0]]))
    2.0
    """
    x, y = polygon.T
    return abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def convex_hull(points: Array) -> Array:
    """(m, 2) the corners of the smallest convex polygon around (n, 2) points (monotone chain, Andrew 1979)."""
    ordered = points[np.lexsort((points[:, 1], points[:, 0]))]
    return np.array(_half_hull(ordered)[:-1] + _half_hull(ordered[::-1])[:-1])


def _half_hull(ordered: Array) -> list[Array]:
    hull: list[Array] = []
    for point in ordered:
        while len(hull) > 1 and side_of_line(point, hull[-2], hull[-1]) <= 0:
            hull.pop()
        hull.append(point)
    return hull


def clip_to_picture(polygon: Array, width: float, height: float) -> Array:
    """The part of the polygon in the picture (Sutherland & Hodgman 1974); (0, 2) where there is none."""
    for axis, limit, sign in ((0, 0.0, 1.0), (0, width, -1.0), (1, 0.0, 1.0), (1, height, -1.0)):
        polygon = _clip_half(polygon, axis, limit, sign)
        if not len(polygon):
            break
    return polygon


def _clip_half(polygon: Array, axis: int, limit: float, sign: float) -> Array:
    kept: list[Array] = []
    for a, b in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        da, db = sign * (a[axis] - limit), sign * (b[axis] - limit)
        if da >= 0:
            kept.append(a)
        if (da >= 0) != (db >= 0):
            kept.append(a + (b - a) * da / (da - db))
    return np.array(kept).reshape(-1, 2)
