"""How far a camera's boxes wander, learnt from steady driving."""

import math
from typing import Final

from vision.road.ground import Array, Ground
from vision.tracking.trail import ERROR_S, T

USUAL: Final = 0.04  # share of a box's height, standard deviation, until the camera's own has been measured
LEAST: Final = 0.01
MOST: Final = 0.15
MEMORY: Final = 2000  # boxes over which it is averaged
STEADY_S: Final = 1.1  # of driving, whose bend is looked at
MEDIAN_OFF: Final = 0.6745  # standard deviations: half of what is normally distributed is less far off
X, Y = 6, 7  # a trail's columns of places


class Jitter:
    """The standard deviation of a box's edge, as a share of the box's height.

    It follows the median, which braking and mistakes hardly move.
    """

    def __init__(self) -> None:
        self.share = USUAL

    def learn(self, rows: Array, box: Array, ground: Ground | None) -> None:
        """Take in how a track came, whose newest box this is: the bend of three places half a second apart.

        What the camera sees of the bend is carried back to pixels, and only its upright part is taken, which is the
        lower edge's.

        Args:
            rows: the last STEADY_S of a trail.
            box: (4+,) x1 y1 x2 y2.
            ground: None: places are pixels.
        """
        bent = _bend(rows)
        if bent is None:
            return
        across, along, sigmas = bent
        x1, y1, x2, y2 = box[:4].tolist()
        pixels = along if ground is None else ground.pixels_down((x1 + x2) / 2, y2, across, along)
        wandered = abs(pixels) / (MEDIAN_OFF * sigmas * max(y2 - y1, 1.0))
        step = self.share / MEMORY * 4
        self.share = min(max(self.share + (step if wandered > self.share else -step), LEAST), MOST)


def _bend(rows: Array) -> tuple[float, float, float] | None:
    """How far (x, y) the middle of three places lies off the line, and by how many standard deviations of one place.

    None where the way is too short, or nothing lies near its middle.
    """
    if len(rows) < 3 or rows[-1, T] - rows[0, T] < 0.9:
        return None
    middle = rows[rows[:, T].searchsorted(rows[-1, T] - 0.5)].tolist()
    first, last = rows[0].tolist(), rows[-1].tolist()
    seconds = last[T] - first[T]
    share = (middle[T] - first[T]) / seconds
    if not 0.2 < share < 0.8:
        return None
    x, y = (middle[i] - first[i] - share * (last[i] - first[i]) for i in (X, Y))
    early, late, whole = (math.exp(-seconds * part / ERROR_S) for part in (share, 1 - share, 1.0))
    variance = 1 + share**2 + (1 - share) ** 2
    variance -= 2 * ((1 - share) * early + share * late - share * (1 - share) * whole)
    return x, y, math.sqrt(variance)
