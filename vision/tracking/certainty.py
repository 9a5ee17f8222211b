"""How surely this camera's detector sees vehicles, by how tall their boxes are: far off and in rain all score less."""

import math
from typing import Final

SURE: Final = 0.55  # detectors' ghosts seldom score like this, be they small or tall: 0.38 on average in recorded runs
LEAST_SURE: Final = 0.45  # and those that stick do not keep this up
SELDOM: Final = 0.1  # one look in ten at vehicles that drive scores less than usual
STEP: Final = 0.01  # of a score: how fast the usual one follows what is seen
ENOUGH: Final = 50  # looks: ten vehicles in view for some seconds each
SIZES: Final = 2  # boxes are alike whose heights differ by less than a factor of the square root of two


class Certainty:
    """What the detector scores, at the least, for real vehicles of a size: those that drive are no ghosts."""

    def __init__(self) -> None:
        self._looks: dict[int, int] = {}
        self._usual: dict[int, float] = {}

    def learn(self, height: float, score: float) -> None:
        """Take a look at a vehicle that drives: its box's height, pixels, and its score."""
        size = _size(height)
        usual = self._usual.get(size, SURE)
        self._looks[size] = self._looks.get(size, 0) + 1
        self._usual[size] = usual + STEP * (SELDOM if score > usual else SELDOM - 1)

    def sure(self, height: float) -> float:
        """The score from which on a box of this height, pixels, is a vehicle and no ghost.

        >>> certainty = Certainty()
        >>> for score in [0.48, 0.50, 0.52] * 100:
        ...     certainty.learn(20, score)
        >>> round(certainty.sure(20), 2), certainty.sure(80)
        (0.48, 0.55)
        """
        size = _size(height)
        if self._looks.get(size, 0) < ENOUGH:
            return SURE
        return min(SURE, max(LEAST_SURE, self._usual[size]))


def _size(height: float) -> int:
    return math.floor(SIZES * math.log2(max(height, 1.0)))
