"""Fitting a picture into a network's input, grey bars around it, and its boxes back again."""

from dataclasses import dataclass
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
        boxes = boxes.copy()
        boxes[:, 0:4] -= np.array([self.left, self.top, self.left, self.top], np.float32)
        boxes[:, 0:4] /= self.scale
        np.clip(boxes[:, 0:4:2], 0, self.width, out=boxes[:, 0:4:2])
        np.clip(boxes[:, 1:4:2], 0, self.height, out=boxes[:, 1:4:2])
        return boxes


def letterbox(image: Image, size: tuple[int, int]) -> tuple[Image, Fit]:
    """Scale `image` to fit into `size` (width, height), centred between grey bars.

    Returns:
        (height, width, 3) uint8 in the picture's own channel order, and how it lies in there.
    """
    height, width = image.shape[:2]
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    fit = Fit(scale=scale, left=(size[0] - inner[0]) // 2, top=(size[1] - inner[1]) // 2, width=width, height=height)
    if inner == (width, height) == size:
        return image, fit
    canvas = np.full((size[1], size[0], 3), GREY, np.uint8)
    inside = canvas[fit.top : fit.top + inner[1], fit.left : fit.left + inner[0]]
    if inner == (width, height):
        inside[:] = image
    else:
        inside[:] = cv2.resize(image, inner, interpolation=cv2.INTER_LINEAR)
    return canvas, fit


def snug(width: int, height: int, longest: int, stride: int) -> tuple[int, int]:
    """The smallest input, in whole strides, that holds a picture scaled to `longest` pixels: few bars, less work.

    >>> snug(768, 576, 640, 32), snug(640, 352, 640, 32), snug(1080, 1920, 640, 32)
    ((640, 480), (640, 352), (384, 640))
    """
    scale = longest / max(width, height)
    return _strides(width * scale, stride), _strides(height * scale, stride)


def _strides(length: float, stride: int) -> int:
    return max(1, -(-round(length) // stride)) * stride
