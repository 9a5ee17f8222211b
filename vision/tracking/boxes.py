"""Detector boxes: which classes count, which boxes are worth tracking, how boxes overlap."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from vision.road.ground import Array
from vision.road.zones import Flags, inside

PERSON, BICYCLE, CAR, MOTORCYCLE, BUS, TRUCK = 0, 1, 2, 3, 5, 7  # COCO's numbers
NAMES: Final = {
    PERSON: "person", BICYCLE: "bicycle", CAR: "car", MOTORCYCLE: "motorcycle", BUS: "bus", TRUCK: "truck",
}  # fmt: skip
TWO_WHEELERS: Final = (BICYCLE, MOTORCYCLE)
_KNOWN: Final = np.array(list(NAMES))
_WHEELS: Final = np.array(TWO_WHEELERS)
# Usual heights in metres: people 1.65 (WHO, South-East Asia), riders as they sit, cars, buses and trucks of a city.
HEIGHT_M: Final = {PERSON: 1.65, BICYCLE: 1.6, CAR: 1.5, MOTORCYCLE: 1.6, BUS: 3.2, TRUCK: 2.8}
LENGTH_M: Final = {PERSON: 0.5, BICYCLE: 1.8, CAR: 4.3, MOTORCYCLE: 1.9, BUS: 11.0, TRUCK: 7.0}
LEAST_SCORE: Final = 0.1  # ByteTrack (Zhang 2022) looks at boxes down to here, to keep tracks alive
SAME_OBJECT: Final = 0.75  # two boxes that overlap more than this, of whatever class, are one object seen twice
PART: Final = 0.9  # a person's box that lies in another's for so much is a part of that one
RIDING: Final = 0.5  # a person at least half inside a two-wheeler's box (or the other way round) rides it


def overlap(a: Array, b: Array) -> Array:
    """(n, m) intersection over union of (n, 4+) and (m, 4+) boxes x1 y1 x2 y2."""
    shared = _shared(a, b)
    union = _area(a)[:, None] + _area(b)[None, :] - shared
    return shared / np.maximum(union, 1e-9)


def cover(a: Array, b: Array) -> Array:
    """(n, m) which share of each of (n, 4+) boxes lies in each of (m, 4+) boxes."""
    return _shared(a, b) / np.maximum(_area(a), 1e-9)[:, None]


def feet(boxes: Array) -> Array:
    """(n, 2) middle of each box's lower edge: where the object touches the road."""
    middle = np.empty((len(boxes), 2))
    middle[:, 0] = (boxes[:, 0] + boxes[:, 2]) / 2
    middle[:, 1] = boxes[:, 3]
    return middle


def admit(boxes: Array, ignored: tuple[Array, ...] = ()) -> Array:
    """The boxes worth tracking: known classes, each object once, no riders beside their motorcycles.

    Args:
        boxes: (n, 6) x1 y1 x2 y2 score class.
        ignored: polygons in the picture; an object that stands in one is left out.

    Returns:
        (m, 6), best score first.
    """
    known = _is_one_of(boxes, _KNOWN) & (boxes[:, 4] >= LEAST_SCORE)
    known &= (boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]) & np.isfinite(boxes).all(axis=1)
    kept = boxes[known]
    kept = kept[np.argsort(-kept[:, 4], kind="stable")]
    kept = kept[~_riders(kept)]
    kept = kept[~_doubles(kept)]
    kept = kept[~_parts(kept)]
    for polygon in ignored:
        kept = kept[~inside(feet(kept), polygon)]
    return kept


def _riders(boxes: Array) -> Flags:
    person = boxes[:, 5] == PERSON
    wheels = boxes[_is_one_of(boxes, _WHEELS)] if person.any() else boxes[:0]
    if not len(wheels):
        return np.zeros(len(boxes), bool)
    smaller = np.minimum(_area(boxes)[:, None], _area(wheels)[None, :])
    on_it = _shared(boxes, wheels) / np.maximum(smaller, 1e-9) >= RIDING
    return np.asarray(person & on_it.any(axis=1))


def _doubles(boxes: Array) -> Flags:
    shared, dropped = overlap(boxes, boxes) > SAME_OBJECT, np.zeros(len(boxes), bool)
    if np.count_nonzero(shared) == len(boxes):  # each with itself
        return dropped
    shared = np.triu(shared, k=1)  # boxes stand in order of score: the better one stays
    for i in np.flatnonzero(shared.any(axis=1)):
        if not dropped[i]:
            dropped |= shared[i]
    return dropped


def _parts(boxes: Array) -> Flags:
    person = np.asarray(boxes[:, 5] == PERSON)
    if not person.any():
        return person
    within = cover(boxes, boxes[person]) >= PART
    return np.asarray(person & (np.count_nonzero(within, axis=1) > 1))  # in itself, and in another


def _is_one_of(boxes: Array, kinds: NDArray[np.int_]) -> Flags:
    return np.asarray((boxes[:, 5:6] == kinds).any(axis=1))


def _shared(a: Array, b: Array) -> Array:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:4], b[None, :, 2:4])
    size: Array = np.maximum(high - low, 0)
    return size[..., 0] * size[..., 1]


def _area(boxes: Array) -> Array:
    area: Array = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    return area
