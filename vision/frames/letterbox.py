"""Fitting a picture into a network's input, grey bars around it, and its boxes back again."""

from dataclasses import dataclass, replace
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]
Boxes = NDArray[np.float32]
GREY: Final = 114  # what YOLO networks were trained with around pictures


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """How a picture lies in the network's input: scaled by `scale`, its corner at (left, top)."""

    scale: float
    left: int
    top: int
    width: int  # of the picture, pixels
    height: int

    def undo(self, boxes: Boxes) -> Boxes:
        """Boxes of the input as boxes of the picture, cut at its edges.

        Args:
            boxes: (n, 6) x1 y1 x2 y2 score class, pixels of the input.

        Returns:
            (n, 6), pixels of the picture.
        """
        boxes = boxes - np.array([self.left, self.top, self.left, self.top, 0, 0], np.float32)
        boxes[:, 0:4] /= self.scale
        np.clip(boxes[:, 0:4:2], 0, self.width, out=boxes[:, 0:4:2])
        np.clip(boxes[:, 1:4:2], 0, self.height, out=boxes[:, 1:4:2])
        return boxes


def letterbox(image: Image, size: tuple[int, int]) -> tuple[Image, Fit]:
    """Scale `image` to fit into `size` (width, height), centred between grey bars.

    Returns:
        (height, width, 3) uint8 in the picture's own channel order, and how it lies in there.
    """
    if image.shape[1::-1] == size:
        return image, _fit(*size, size)
    canvas = np.empty((size[1], size[0], 3), np.uint8)
    return canvas, draw(image, canvas)


def draw(image: Image, canvas: Image) -> Fit:
    """What `letterbox` does, on a canvas (height, width, 3) that is there already, whatever was on it."""
    size = (canvas.shape[1], canvas.shape[0])
    fit = _fit(image.shape[1], image.shape[0], size)
    width, height = inner = _inner(fit)
    right, bottom = fit.left + width, fit.top + height
    canvas[: fit.top], canvas[bottom:] = GREY, GREY
    canvas[fit.top : bottom, : fit.left], canvas[fit.top : bottom, right:] = GREY, GREY
    inside = canvas[fit.top : bottom, fit.left : right]
    inside[:] = image if inner == (fit.width, fit.height) else cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return fit


def _fit(width: int, height: int, size: tuple[int, int]) -> Fit:
    scale = min(size[0] / width, size[1] / height)
    fit = Fit(scale=scale, left=0, top=0, width=width, height=height)
    inner = _inner(fit)
    return replace(fit, left=(size[0] - inner[0]) // 2, top=(size[1] - inner[1]) // 2)


def _inner(fit: Fit) -> tuple[int, int]:
    """Width and height of the picture in the input."""
    return max(1, round(fit.width * fit.scale)), max(1, round(fit.height * fit.scale))


def snug(width: int, height: int, longest: int, stride: int) -> tuple[int, int]:
    """The smallest input, in whole strides, that holds a picture scaled to `longest` pixels: few bars, less work.

    >>> snug(768, 576, 640, 32), snug(640, 352, 640, 32), snug(1080, 1920, 640, 32)
    ((640, 480), (640, 352), (384, 640))
    """
    scale = longest / max(width, height)
    return _strides(width * scale, stride), _strides(height * scale, stride)


def trimmed(width: int, height: int, size: tuple[int, int], stride: int) -> tuple[int, int]:
    """`size` without the whole strides of grey that a picture leaves on both sides of it, but the last.

    As many go on the one side as on the other, so that each cell of a network's grids sees what it saw in all of
    `size`: where cells lie elsewhere in the picture, boxes of the same things differ by more than runtimes do. And a
    stride of grey stays: nearer to the end of its input a network misses more of what the picture's edge cuts.

    >>> trimmed(1920, 1080, (640, 640), 32), trimmed(768, 576, (640, 640), 32), trimmed(300, 300, (640, 640), 32)
    ((640, 448), (640, 576), (640, 640))
    """
    fit = _fit(width, height, size)
    columns, rows = (max(0, bar // stride - 1) for bar in (fit.left, fit.top))
    return size[0] - 2 * columns * stride, size[1] - 2 * rows * stride


def _strides(length: float, stride: int) -> int:
    return max(1, -(-round(length) // stride)) * stride
