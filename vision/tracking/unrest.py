"""A camera that shakes: what all boxes do at once, the camera did."""

from collections import deque
from typing import Final

import numpy as np

from vision.road.ground import Array

FEWEST: Final = 4  # tracks that must jump alike
MEMORY_S: Final = 4.0  # as long as the rules look back
MAD: Final = 1.4826  # standard deviations in a median absolute deviation
MEDIAN_ERROR: Final = 1.2533  # standard error of a median, in standard errors of a mean
SURE: Final = 3.0  # standard errors by which the boxes must have jumped together
LEAST_PX: Final = 0.7  # a detector's grid and the rounding of its boxes


class Unrest:
    """How far the picture lately jumped from one frame to the next."""

    def __init__(self) -> None:
        self._jumps: deque[tuple[float, float]] = deque()

    @property
    def pixels(self) -> float:
        """The largest jump of the last MEMORY_S, LEAST_PX at least."""
        return max((jump for _, jump in self._jumps), default=LEAST_PX)

    def watch(self, at: float, off: Array) -> bool:
        """Whether a frame jumped, whose boxes are (n, 2) pixels off from where they were expected."""
        while self._jumps and at - self._jumps[0][0] > MEMORY_S:
            self._jumps.popleft()
        off = off[np.isfinite(off).all(axis=1)]
        if len(off) < FEWEST:
            return False
        common = _median(off)
        spread = MAD * _median(np.abs(off - common))
        sure = np.abs(common) > SURE * MEDIAN_ERROR * spread / np.sqrt(len(off))
        jump = float(np.hypot(*np.where(sure, common, 0.0)))
        if jump > LEAST_PX:
            self._jumps.append((at, jump))
        return jump > LEAST_PX


def _median(rows: Array) -> Array:
    """Of each column. numpy's own asks many questions first: for a handful of rows they are most of the time."""
    ordered, half = np.sort(rows, axis=0), len(rows) // 2
    middle: Array = ordered[half] if len(rows) % 2 else (ordered[half - 1] + ordered[half]) / 2
    return middle
