"""Ink on a picture: areas, boxes and labels that never cover one another."""

from functools import cache
from importlib.resources import files
from typing import Final

import cv2
import numpy as np

from vision.frames.letterbox import Image
from vision.road.ground import Array

Colour = tuple[int, int, int]  # blue, green, red
Side = tuple[float, float, float, float]  # x1 y1 x2 y2, pixels

PAPER: Final = 0.62  # how dark the ground behind a label is
TINT: Final = 0.14  # how much of an area's colour lies over the street
LINE_SHARE: Final = 40  # a letter's height is this part of the picture's,
LEAST_LETTER: Final = 11  # but not less: smaller ones cannot be read
ASIDE: Final = 3  # places above one another that a label tries before it is left out
INK: Final = (255, 255, 255)


class Sketch:
    """A copy of a picture that is drawn on."""

    def __init__(self, picture: Image) -> None:
        self.image: Image = np.ascontiguousarray(picture).copy()
        self.letter = max(LEAST_LETTER, round(self.image.shape[0] / LINE_SHARE))
        self._taken: list[Side] = []

    def area(self, polygon: Array, colour: Colour) -> None:
        """Tint what lies in the (n, 2) polygon and draw its edge."""
        corners = [np.round(polygon).astype(np.int32)]
        tinted = cv2.fillPoly(self.image.copy(), corners, colour)
        self.image[:] = cv2.addWeighted(self.image, 1 - TINT, tinted, TINT, 0)
        cv2.polylines(self.image, corners, isClosed=True, color=colour, thickness=1, lineType=cv2.LINE_AA)

    def line(self, a: Array, b: Array, colour: Colour, *, arrow: bool = False) -> None:
        """Draw from `a` to `b` (2,), with a head at `b` where it is an arrow."""
        start, end = ((round(float(x)), round(float(y))) for x, y in (a, b))
        if arrow:
            cv2.arrowedLine(self.image, start, end, colour, 2, cv2.LINE_AA, tipLength=0.3)
        else:
            cv2.line(self.image, start, end, colour, 2, cv2.LINE_AA)

    def box(self, box: Side, colour: Colour, *, thick: bool = False) -> None:
        """Draw a rectangle."""
        x1, y1, x2, y2 = (round(side) for side in box)
        cv2.rectangle(self.image, (x1, y1), (x2, y2), colour, 3 if thick else 1, cv2.LINE_AA)

    def label(self, words: str, x: float, y: float, colour: Colour = INK, *, must: bool = False) -> bool:
        """Write `words` with their lower left corner at (x, y), or a line or two above where that is taken.

        Returns:
            whether there was room; a label that `must` be read is written whatever it covers.
        """
        height, width = self.image.shape[:2]
        long, high = _measure(words, self.letter)
        x = min(max(x, 0.0), max(width - long, 0.0))
        spots = [(x, y - n * high) for n in range(ASIDE)] + [(x, y + (n + 1) * high) for n in range(ASIDE)]
        sides = [(x, low - high, x + long, low) for x, low in spots]
        fitting = [side for side in sides if side[1] >= 0 and side[3] <= height and not self._covers(side)]
        if not fitting and not must:
            return False
        self._write(words, fitting[0] if fitting else sides[0], colour)
        return True

    def _covers(self, side: Side) -> bool:
        x1, y1, x2, y2 = side
        return any(x1 < c and a < x2 and y1 < d and b < y2 for a, b, c, d in self._taken)

    def _write(self, words: str, side: Side, colour: Colour) -> None:
        self._taken.append(side)
        x1, y1, x2, y2 = (round(value) for value in side)
        paper = self.image[max(y1, 0) : y2, max(x1, 0) : x2]
        paper[:] = (paper * (1 - PAPER)).astype(np.uint8)
        foot = (x1 + self.letter // 4, y2 - self.letter // 3)
        cv2.putText(self.image, words, foot, colour, _font(), self.letter, 400)


def _measure(words: str, letter: int) -> tuple[float, float]:
    """Length and height of a label, its ground among it."""
    _, _, long, _ = cv2.getTextSize((0, 0), words, (0, 0), _font(), letter, 400)
    return float(long + letter / 2), round(1.35 * letter)


@cache
def _font() -> cv2.FontFace:
    """A face with every Vietnamese letter, which OpenCV's own have not; it comes with the trackers' matplotlib."""
    return cv2.FontFace(str(files("matplotlib") / "mpl-data/fonts/ttf/DejaVuSans.ttf"))
