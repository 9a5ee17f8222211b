"""One tracked object: what it is, where it has been, how fast it goes."""

from typing import Final

import numpy as np

from vision.boxes import HEIGHT_M, PERSON
from vision.ground import Array

T, BOX, SCORE, PLACE, SPEED = 0, slice(1, 5), 5, slice(6, 8), slice(8, 10)  # the columns of a trail
COLUMNS: Final = 10
REMEMBERED_S: Final = 40.0
# From a mast of 8 m a road 50 m away is seen at 9°: a metre along it looks like 0.16 m upright.
FORESHORTENED: Final = 0.16


class Trail:
    """Rows of a track, newest last: t, box, score, measured place, filtered velocity. Appending costs O(1)."""

    def __init__(self) -> None:
        self._rows = np.empty((64, COLUMNS))
        self._first = self._end = 0

    def append(self, row: Array) -> None:
        """Add a row and forget those older than REMEMBERED_S."""
        if self._end == len(self._rows):
            kept = self.rows.copy()
            if len(kept) > len(self._rows) // 2:
                self._rows = np.empty((2 * len(self._rows), COLUMNS))
            self._rows[: len(kept)] = kept
            self._first, self._end = 0, len(kept)
        self._rows[self._end] = row
        self._end += 1
        while self._rows[self._first, T] < row[T] - REMEMBERED_S:
            self._first += 1

    @property
    def rows(self) -> Array:
        """(n, COLUMNS), a view."""
        return self._rows[self._first : self._end]

    def last(self, seconds: float) -> Array:
        """The rows not older than `seconds` before the newest one, a view."""
        rows = self.rows
        return rows[:0] if not len(rows) else rows[np.searchsorted(rows[:, T], rows[-1, T] - seconds - 1e-6) :]


class Track:
    """One object that the tracker follows. Its number is local to the camera.

    Attributes:
        place: (2,) on the scene's plane: metres where calibrated, pixels where not; filtered.
        scale: metres a unit of that plane: 1 where calibrated, else guessed from the usual height of its class.
        shrink: what a metre along the road may look like at least, in metres across the picture; 1 where calibrated.
    """

    def __init__(self, number: int, at: float, *, calibrated: bool = True) -> None:
        self.number = number
        self.shrink = 1.0 if calibrated else FORESHORTENED
        self.since = at
        self.seen = at
        self.hits = 0
        self.votes: dict[int, float] = {}
        self.box: Array = np.zeros(4)
        self.mean: Array = np.zeros(4)
        self.cov: Array = np.eye(4)
        self.scale = 1.0
        self.trail = Trail()

    @property
    def klass(self) -> int:
        """The class that most of the score went to."""
        return max(self.votes, key=lambda klass: (self.votes[klass], -klass))

    @property
    def is_person(self) -> bool:
        """Somebody on foot, as far as boxes tell."""
        return self.klass == PERSON

    @property
    def place(self) -> Array:
        """(2,) filtered position on the scene's plane."""
        return self.mean[:2]

    @property
    def velocity(self) -> Array:
        """(2,) m/s along the plane's axes."""
        return self.mean[2:] * self.scale

    @property
    def speed(self) -> float:
        """m/s."""
        return float(np.hypot(*self.velocity))

    @property
    def speed_sigma(self) -> float:
        """Standard deviation of the speed, m/s, in the direction where it is largest."""
        return float(np.sqrt(np.linalg.eigvalsh(self.cov[2:, 2:])[-1])) * self.scale

    @property
    def place_sigma(self) -> float:
        """Standard deviation of the place, in metres, in the direction where it is largest."""
        return float(np.sqrt(np.linalg.eigvalsh(self.cov[:2, :2])[-1])) * self.scale

    @property
    def confidence(self) -> float:
        """Mean score of the last second's boxes."""
        return float(self.trail.last(1.0)[:, SCORE].mean())

    def travelled(self, seconds: float) -> float:
        """Metres between where it was `seconds` ago (or first) and where it is now."""
        rows = self.trail.last(seconds)
        return float(np.hypot(*(rows[-1, PLACE] - rows[0, PLACE]))) * self.scale

    def vote(self, klass: int, score: float) -> None:
        """Count one box's word on what this is."""
        self.votes[klass] = self.votes.get(klass, 0.0) + score


def metres_per_pixel(box: Array, klass: int) -> float:
    """A guess from the usual height of the class, for cameras without calibration."""
    return HEIGHT_M[klass] / max(float(box[3] - box[1]), 1.0)


def fit_line(times: Array, places: Array) -> tuple[Array, float]:
    """Least squares velocity of (n, 2) places over (n,) seconds, and the standard error of its larger component."""
    t = times - times.mean()
    spread = float(t @ t)
    if len(t) < 3 or spread <= 0:
        return np.zeros(2), float("inf")
    velocity = t @ places / spread
    rest = places - places.mean(axis=0) - t[:, None] * velocity
    sigma = np.sqrt(np.max(np.sum(rest**2, axis=0)) / (len(t) - 2))
    return velocity, float(sigma / np.sqrt(spread))
