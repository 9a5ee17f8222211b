"""Privacy: heads and number plates made unrecognisable before a picture leaves the edge.

No face or plate detector runs on a small box, and one would miss the small ones. So where a head or a plate can be
is taken from the boxes of people and vehicles, generously: better a blurred shoulder than a face.
"""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.frames.letterbox import Image

# Where in its box (left, top, right, bottom, as shares) a class carries what identifies somebody.
HEAD: Final = (0.0, -0.08, 1.0, 0.35)  # a head is 1/8 of a standing person's height, up to 1/3 of one who sits or bends
PLATE: Final = (0.08, 0.4, 0.92, 1.02)  # plates hang between bumper and boot lid; seen from the front or behind
RIDER: Final = (0.0, -0.25, 1.0, 0.4)  # a rider who was taken for a part of the motorcycle
REGIONS: Final[dict[int, tuple[tuple[float, float, float, float], ...]]] = {
    0: (HEAD,),  # person
    1: (RIDER,),  # bicycle
    2: (PLATE,),  # car
    3: (RIDER, PLATE),  # motorcycle
    5: (PLATE,),  # bus
    7: (PLATE,),  # truck
}
CELLS: Final = 4  # of the mosaic, along a region's longer side: a face needs some 12 to be known, a plate more
SMALLEST: Final = 4  # pixels: what is smaller shows nobody


def regions(boxes: NDArray[np.floating], width: int, height: int) -> list[tuple[int, int, int, int]]:
    """Where heads and plates can be.

    Args:
        boxes: (n, 6) x1 y1 x2 y2 score class, pixels; COCO's class numbers.
        width: of the picture.
        height: of the picture.

    Returns:
        x1 y1 x2 y2 of each, whole pixels inside the picture.
    """
    found = []
    for x1, y1, x2, y2, _, kind in boxes:
        for left, top, right, bottom in REGIONS.get(int(kind), ()):
            w, h = x2 - x1, y2 - y1
            region = (
                max(0, int(np.floor(x1 + left * w))),
                max(0, int(np.floor(y1 + top * h))),
                min(width, int(np.ceil(x1 + right * w))),
                min(height, int(np.ceil(y1 + bottom * h))),
            )
            if region[2] - region[0] >= SMALLEST and region[3] - region[1] >= SMALLEST:
                found.append(region)
    return found


def blurred(image: Image, boxes: NDArray[np.floating]) -> Image:
    """A copy of `image` (h, w, 3) with the heads and plates of `boxes` averaged into a few cells; the rest untouched.

    Averages hold a handful of numbers a region: no filter brings back what they never held.
    """
    copy = image.copy()
    height, width = image.shape[:2]
    for x1, y1, x2, y2 in regions(boxes, width, height):
        region = copy[y1:y2, x1:x2]
        cell = max(x2 - x1, y2 - y1) / CELLS
        cells = (max(1, round((x2 - x1) / cell)), max(1, round((y2 - y1) / cell)))
        mosaic = cv2.resize(region, cells, interpolation=cv2.INTER_AREA)
        region[:] = cv2.resize(mosaic, (x2 - x1, y2 - y1), interpolation=cv2.INTER_NEAREST)
    return copy
