"""One tracked object: what it is, where it has been, how fast it goes."""

import math
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.tracking.boxes import HEIGHT_M, PERSON

T, BOX, SCORE, PLACE, SPEED, KLASS = 0, slice(1, 5), 5, slice(6, 8), slice(8, 10), 10  # the columns of a trail
COLUMNS: Final = 11
REMEMBERED_S: Final = 40.0
# A detector's error lives about so long: boxes a frame apart are wrong alike (autocorrelation 0.75 at 10 a second).
ERROR_S: Final = 0.35
# From a mast of 8 m a road 50 m away is seen at 9°: a metre along it looks like 0.16 m upright.
FORESHORTENED: Final = 0.16


class Trail:
    """Rows of a track, newest last: t, box, score, measured place, filtered velocity, class. Appending costs O(1)."""

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

    def forget(self, until: float) -> None:
        """Drop the rows before that time, but the newest."""
        self._first = min(self._first + int(np.searchsorted(self.rows[:, T], until)), self._end - 1)

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
        place_error: standard deviation of one box's place, in metres, in the direction where it is largest.
        half_width: half of what its box covers on the road, in metres: more than the vehicle's where it is seen aslant.
        depths: how far inside each zone it is, by name, in the plane's unit; negative outside.
        shrink: what a metre along the road may look like at least, in metres across the picture; 1 where calibrated.
    """

    def __init__(self, number: int, at: float, *, calibrated: bool = True) -> None:
        self.number = number
        self.shrink = 1.0 if calibrated else FORESHORTENED
        self.since = at
        self.seen = at
        self.hits = 0
        self.votes: dict[int, float] = {}
        self._klass = PERSON
        self.box: Array = np.zeros(4)
        self.mean: Array = np.zeros(4)
        self.cov: Array = np.eye(4)
        self.scale = 1.0
        self.half_width = 0.0
        self.place_error = 0.0
        self.trail = Trail()
        self.depths: dict[str, float] = {}

    @property
    def klass(self) -> int:
        """The class that most of the score went to."""
        return self._klass

    @property
    def is_person(self) -> bool:
        """Somebody on foot, as far as boxes tell."""
        return self._klass == PERSON

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
        return _longest(self.cov[2:, 2:]) * self.scale

    @property
    def place_sigma(self) -> float:
        """Standard deviation of the place, in metres, in the direction where it is largest."""
        return _longest(self.cov[:2, :2]) * self.scale

    @property
    def aside_sigma(self) -> float:
        """Standard deviation of the place in metres across its way."""
        speed = float(np.hypot(*self.mean[2:]))
        if speed <= 0:
            return self.place_sigma
        across = np.array([-self.mean[3], self.mean[2]]) / speed
        return float(np.sqrt(across @ self.cov[:2, :2] @ across)) * self.scale

    @property
    def confidence(self) -> float:
        """Mean score of the last second's boxes."""
        return float(self.trail.last(1.0)[:, SCORE].mean())

    def travelled(self, seconds: float) -> float:
        """Metres between where it was `seconds` ago (or first) and where it is now."""
        rows = self.trail.last(seconds)
        return float(np.hypot(*(rows[-1, PLACE] - rows[0, PLACE]))) * self.scale

    def see(self, at: float, box: Array, place: Array) -> None:
        """Take a frame's box (x1 y1 x2 y2 score class) and its measured place in, after the filter."""
        self.trail.append(np.concatenate(([at], box[:5], place, self.velocity, box[5:6])))
        self.hits += 1
        self.glimpse(at, box)

    def glimpse(self, at: float, box: Array) -> None:
        """Take a box in that the picture's edge cuts: it is still there, but who knows where on the road."""
        self.box, self.seen = box[:4], at

    def begin_anew(self, at: float) -> None:
        """Take what came before that time for another object's."""
        self.trail.forget(at)
        self.since = max(self.since, at)

    def rescale(self, box: Array) -> None:
        """Learn the scale from a box, slowly: heights flicker."""
        scale = metres_per_pixel(box, self.klass)
        self.scale = self.scale**0.9 * scale**0.1 if self.hits else scale

    def vote(self, klass: int, score: float) -> None:
        """Count one box's word on what this is."""
        self.votes[klass] = self.votes.get(klass, 0.0) + score
        self._klass = max(self.votes, key=lambda klass: (self.votes[klass], -klass))


def is_steady(rows: Array, direction: Array) -> bool:
    """Whether each third of a stretch of trail led on along `direction` (2,).

    A number that has gone over to another object makes one jump instead.
    """
    ends = np.searchsorted(rows[:, T], np.linspace(rows[0, T], rows[-1, T], 4))
    steps = np.diff(rows[np.minimum(ends, len(rows) - 1)][:, PLACE] @ direction)
    return bool(np.all(steps > 0) and steps.max() < 0.7 * steps.sum())


def leaps(rows: Array, velocity: Array, error: float) -> bool:
    """Whether any step between rows strays from `velocity` (2,) by more than boxes that are `error` off can."""
    off = np.diff(rows[:, PLACE], axis=0) - np.multiply.outer(np.diff(rows[:, T]), velocity)
    return bool(np.hypot(*off.T).max() > 1.0 + 4 * error)


def unbroken(rows: Array, gap: float) -> Array:
    """The newest rows without a gap of more than `gap` seconds between them."""
    gaps = np.flatnonzero(np.diff(rows[:, T]) > gap)
    return rows[gaps[-1] + 1 :] if len(gaps) else rows


def metres_per_pixel(box: Array, klass: int) -> float:
    """A guess from the usual height of the class, for cameras without calibration."""
    return HEIGHT_M[klass] / max(float(box[3] - box[1]), 1.0)


def fit_line(times: Array, places: Array) -> tuple[Array, float]:
    """Least squares velocity of (n, 2) places over (n,) seconds, and the standard error of its larger component.

    Errors go on from frame to frame, so many frames say less than they seem to (first-order autoregression).
    """
    n = len(times)
    t = times - times.sum() / max(n, 1)
    spread = float(t @ t)
    if n < 3 or spread <= 0:
        return np.zeros(2), math.inf
    velocity = t @ places / spread
    rest = places - places.sum(axis=0) / n - np.multiply.outer(t, velocity)
    worst = max(float(rest[:, 0] @ rest[:, 0]), float(rest[:, 1] @ rest[:, 1]))
    repeated = math.exp(-float(times[-1] - times[0]) / (n - 1) / ERROR_S)  # of one box's error, in the next
    return velocity, math.sqrt(worst / (n - 2) / spread * (1 + repeated) / (1 - repeated))


def _longest(covariance: Array) -> float:
    """The larger standard deviation of a (2, 2) covariance, without the cost of a general eigensolver."""
    (a, b), (_, d) = covariance.tolist()
    return math.sqrt((a + d) / 2 + math.hypot((a - d) / 2, b))
