"""The motion gate: where nothing changed since the last detection, the last boxes still hold.

Compared is a small grey copy, cell by cell, with the copy that the last detection was made on: what creeps adds up
until it is seen, and only what stands still to a fraction of a cell is passed over. How much a picture flickers by
itself (noise of the sensor, of the coding) is learnt from the picture.
"""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.frames.frame import Frame
from vision.frames.letterbox import Image

CELL: Final = 4  # pixels of the small copy
FLOOR: Final = 2.0  # grey levels of 256 that a cell's mean must change: less is the coding's own
NOISE_FACTOR: Final = 5.0  # times the cell's usual flicker: a change that chance gives once in millions
LEARNING: Final = 0.05  # share of each frame in the usual flicker
LONGEST: Final = 2.0  # seconds after which a detection is made whatever the gate says


@dataclass(slots=True)
class Gate:
    """One camera's gate."""

    forced_open: bool = False
    _seen: NDArray[np.float32] | None = None  # cell means of the last detection
    _before: NDArray[np.float32] | None = None  # of the last frame
    _flicker: NDArray[np.float32] | None = None  # mean absolute change from frame to frame of each cell
    _at: float = 0.0

    def changed(self, frame: Frame) -> bool:
        """Whether `frame` needs a detection. True makes it the one that later frames are compared with."""
        return self.forced_open or frame.fresh or self._changed(frame.luma, frame.at)

    def _changed(self, luma: Image, at: float) -> bool:
        cells = cv2.resize(luma, (luma.shape[1] // CELL, luma.shape[0] // CELL), interpolation=cv2.INTER_AREA).astype(
            np.float32
        )
        if self._seen is None or self._before is None or self._flicker is None or cells.shape != self._seen.shape:
            self._flicker = np.full_like(cells, FLOOR / NOISE_FACTOR)
            self._before = cells
            return self._open(cells, at)
        limit = np.maximum(FLOOR, NOISE_FACTOR * self._flicker)
        moved = bool((np.abs(cells - self._seen) > limit).any())
        step = np.abs(cells - self._before)
        self._flicker += LEARNING * (np.minimum(step, limit) - self._flicker)  # a passing car is not flicker
        self._before = cells
        if moved or at - self._at >= LONGEST or at < self._at:
            return self._open(cells, at)
        return False

    def _open(self, cells: NDArray[np.float32], at: float) -> bool:
        self._seen, self._at = cells, at
        return True
