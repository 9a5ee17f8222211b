"""Boxes out of what a network says: out of its last convolutions, where only what scores enough is decoded.

An exported network ends in layers that turn every cell of its grids into a box, though nearly all of them are nothing.
Where those layers are known (`vision.detection.learn`), the network stops before them and one of these goes on.

Sources: J. Redmon, A. Farhadi, "YOLOv3: An Incremental Improvement", 2018 (a box as a shift in its cell, and a share of
an anchor); X. Li et al., "Generalized Focal Loss", 2020 (a distance as the mean of a distribution over whole steps).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from vision.detection.decode import Layout, candidates, corners
from vision.frames.letterbox import Boxes

Array = NDArray[np.float32]
Growth = Literal["square", "exponential"]


class Head(Protocol):
    """What turns a network's outputs into boxes."""

    @property
    def final(self) -> bool:
        """Whether no box of one object is told twice: nothing is left to suppress."""

    @property
    def channels_last(self) -> bool:
        """Whether it takes what convolutions say as (h, w, channels), not as (channels, h, w)."""

    def boxes(self, outputs: Sequence[Array], min_score: float) -> Boxes:
        """The boxes above `min_score` (0 to 1), before suppression.

        Args:
            outputs: of the network, each without its batch dimension.
            min_score: weaker ones are left out.

        Returns:
            (n, 6) x1 y1 x2 y2 score class, pixels of the network's input.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The network decodes its boxes itself."""

    layout: Layout
    channels_last: bool = False

    @property
    def final(self) -> bool:
        """See `Head`."""
        return self.layout == "end2end"

    def boxes(self, outputs: Sequence[Array], min_score: float) -> Boxes:
        """See `Head`; one output."""
        return candidates(outputs[0], self.layout, min_score)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnchorHead:
    """Some boxes a cell, each a share of an anchor, with an objectness of its own: YOLOv3, v5, v7."""

    strides: tuple[int, ...]  # pixels of a cell, an output each
    anchors: tuple[Array, ...]  # (boxes a cell, 2) width and height in pixels, an output each
    growth: Growth  # how a box's share of its anchor is told: YOLOv5's (2 sigmoid)², or YOLOv3's exponential
    final: bool = False
    channels_last: bool = True

    def boxes(self, outputs: Sequence[Array], min_score: float) -> Boxes:
        """See `Head`; each output (h, w, boxes a cell * (5 + classes)): what is told of one box lies together."""
        of_scales = zip(outputs, self.strides, self.anchors, strict=True)
        told, corner, stride, anchor = map(
            np.concatenate, zip(*(_sure(*scale, _logit(min_score)) for scale in of_scales), strict=True)
        )
        classes = told[:, 5:].argmax(axis=1)
        scores = _sigmoid(told[:, 4]) * _sigmoid(told[np.arange(len(told)), 5 + classes])
        keep = scores >= min_score
        told, corner, stride = told[keep, :4], corner[keep], stride[keep, None]
        shift, share = _sigmoid(told[:, :2]), self._share(told[:, 2:])
        if self.growth == "square":
            shift = 2 * shift - np.float32(0.5)
        boxes = np.concatenate(((shift + corner) * stride, share * anchor[keep]), axis=1)
        return corners(boxes, scores[keep], classes[keep])

    def _share(self, told: Array) -> Array:
        share: Array = np.exp(told) if self.growth == "exponential" else (2 * _sigmoid(told)) ** 2
        return share


def _sure(output: Array, stride: int, anchors: Array, least: float) -> tuple[Array, Array, Array, Array]:
    """Of one scale, what is told where the objectness is `least` or more; x y of the cell, its stride, its anchor."""
    cells = output.reshape(*output.shape[:2], len(anchors), -1)
    anchor, y, x = np.nonzero(cells[..., 4].transpose(2, 0, 1) >= least)
    corner = np.stack((x, y), axis=1).astype(np.float32)
    return cells[y, x, anchor], corner, np.full(len(x), stride, np.float32), anchors[anchor]


@dataclass(frozen=True, slots=True, kw_only=True)
class DistanceHead:
    """One box a cell, told by the distances of its sides from the cell's middle: YOLOv8, 11, 26."""

    strides: tuple[int, ...]  # pixels of a cell, a scale each
    steps: int  # of the distribution over distances; 1: the distance itself is told
    final: bool = False
    channels_last: bool = False

    def boxes(self, outputs: Sequence[Array], min_score: float) -> Boxes:
        """See `Head`; for each scale (4 * steps + classes, h, w), or its sides and its classes one after another."""
        sides = 4 * self.steps
        if len(outputs) == len(self.strides):
            parts = [(output[:sides], output[sides:]) for output in outputs]
        else:
            parts = list(zip(outputs[::2], outputs[1::2], strict=True))
        scales = zip(parts, self.strides, strict=True)
        return np.concatenate([self._of_scale(*part, stride, min_score) for part, stride in scales])

    def _of_scale(self, sides: Array, classes: Array, stride: int, min_score: float) -> Boxes:
        best = classes.max(axis=0)
        y, x = np.nonzero(best >= _logit(min_score))
        left, top, right, bottom = self._distances(sides[:, y, x])
        middle_x, middle_y = x.astype(np.float32) + np.float32(0.5), y.astype(np.float32) + np.float32(0.5)
        found = np.empty((len(x), 6), np.float32)
        found[:, 0], found[:, 1], found[:, 2], found[:, 3] = (
            middle_x - left, middle_y - top, middle_x + right, middle_y + bottom,
        )  # fmt: skip
        found[:, :4] *= stride
        found[:, 4], found[:, 5] = _sigmoid(best[y, x]), classes[:, y, x].argmax(axis=0)
        return found

    def _distances(self, told: Array) -> Array:
        """(4, n) in cells: left, top, right, bottom."""
        if self.steps == 1:
            return told
        by_step = told.reshape(4, self.steps, -1)
        weights = np.exp(by_step - by_step.max(axis=1, keepdims=True))
        mean: Array = np.einsum("ksn,s->kn", weights, np.arange(self.steps, dtype=np.float32)) / weights.sum(axis=1)
        return mean


def _sigmoid(logits: Array) -> Array:
    """In one form for both signs that never overflows."""
    result: Array = np.float32(0.5) * (1 + np.tanh(np.float32(0.5) * logits))
    return result


def _logit(share: float) -> float:
    """What a sigmoid turns into `share`.

    >>> _logit(0.5), _logit(0.0), _logit(1.0)
    (0.0, -inf, inf)
    """
    if 0 < share < 1:
        return math.log(share / (1 - share))
    return -math.inf if share <= 0 else math.inf
