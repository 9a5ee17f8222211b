"""When a vehicle came to rest, and whether it still rests, each with the error that the camera's boxes leave."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.tracking.trail import ERROR_S, PLACE, T, Track

MEAN_S: Final = 0.6  # places are averaged over this: longer blurs a departure, shorter leaves the boxes' error
APPROACH_S: Final = 2.0  # the speed of its approach is taken over so long before it was last seen away
SURE: Final = 2.0  # standard errors
ROCKING_M: Final = 0.3  # a vehicle that stands rocks on its springs, and riders shift their weight
HIDING_S: Final = 2.0  # a box that is away for less and comes back was cut by who drove past
CREEPING_MPS: Final = 0.3  # slower approaches are not told from standing
GENTLE_MPS2: Final = 0.5  # and nobody brakes over the last metres more gently than this
PULLING_MPS2: Final = 2.0  # who sets off gains speed like this: everyday driving


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """A vehicle at rest.

    Attributes:
        place: (2,) where, on the plane.
        halted: when it was last seen away from there, seconds; when it was first seen where it always stood there.
        off_m: how far away it was then, metres; 0 where it was never away.
        since: when it came to rest, if it braked evenly from there.
        latest: the same at the slowest speed that its boxes leave possible.
    """

    place: Array
    halted: float
    off_m: float
    since: float
    latest: float


def came_to_rest(track: Track, place: Array, over: float) -> Rest | None:
    """When the track came to the place (2,) where it stands, averaged over so many seconds; None: it was never away."""
    rows = track.trail.rows
    times, places = rows[:, T], rows[:, PLACE]
    off = np.hypot(*(_means(times, places) - place).T) * track.scale
    away = _last_away(times, off > unnoticed_m(track, over))
    if away is None:
        return None
    halted = float(times[away])
    before = rows[(times >= halted - APPROACH_S) & (times <= halted)]
    speed, error = _pace(before, track)
    metres, middle = float(off[away]), halted - float(before[:, T].mean())
    gentle = math.sqrt(2 * metres / (GENTLE_MPS2 * track.shrink))
    likely = min(_braking_s(metres, speed, middle, track), gentle)
    slowest = min(_braking_s(metres, speed - 2 * error, middle, track), likely + gentle)
    return Rest(place=place, halted=halted, off_m=metres, since=halted + likely, latest=halted + slowest)


def unnoticed_m(track: Track, over: float) -> float:
    """Metres that a mean place may lie from one averaged over so many seconds, and be the same."""
    error = track.place_error * math.sqrt(_mean_variance(MEAN_S) + _mean_variance(over))
    return max(ROCKING_M * track.shrink, SURE * error)


def unnoticed_s(track: Track, over: float) -> float:
    """For how long it may have been setting off without a sign of it."""
    return MEAN_S / 2 + math.sqrt(2 * unnoticed_m(track, over) / (PULLING_MPS2 * track.shrink))


def is_away(track: Track, place: Array, over: float) -> bool:
    """Whether the mean of its last places lies away from the place (2,) where it stood."""
    mean = track.trail.last(MEAN_S)[:, PLACE].mean(axis=0)
    return float(np.hypot(*(mean - place))) * track.scale > unnoticed_m(track, over)


def _means(times: Array, places: Array) -> Array:
    """(n, 2) mean of the places within half of MEAN_S of each time."""
    sums = np.vstack((np.zeros(2), np.cumsum(places, axis=0)))
    first = np.searchsorted(times, times - MEAN_S / 2 - 1e-6)
    end = np.searchsorted(times, times + MEAN_S / 2 + 1e-6)
    means: Array = (sums[end] - sums[first]) / (end - first)[:, None]
    return means


def _last_away(times: Array, away: Array) -> int | None:
    """The last row of the last stretch that was away, leaving out those in which something hid it."""
    edges = np.flatnonzero(np.diff(np.concatenate(([0], away.astype(int), [0]))))
    for first, end in zip(edges[-2::-2], edges[::-2], strict=True):
        if first == 0 or times[end - 1] - times[first] >= HIDING_S:
            return int(end - 1)
    return None


def _pace(rows: Array, track: Track) -> tuple[float, float]:
    """Metres a second over the rows, and its standard error from that of a place."""
    times = rows[:, T] - rows[:, T].mean() if len(rows) else rows[:, T]
    spread = float(times @ times)
    if spread <= 0:
        return 0.0, 0.0
    long = float(times[-1] - times[0])
    error = track.place_error * math.sqrt(12 / (long**2 * max(long / (2 * ERROR_S), 1.0)))
    return float(np.hypot(*(times @ rows[:, PLACE]))) / spread * track.scale, error


def _braking_s(metres: float, speed: float, before: float, track: Track) -> float:
    """Seconds to rest over the last metres, braking evenly, from a mean speed measured so long before."""
    share = metres / max(speed, CREEPING_MPS * track.shrink)
    return share + math.sqrt(share**2 + 2 * share * before)


def _mean_variance(seconds: float) -> float:
    """Variance of a mean over so many seconds, of errors of variance 1 that live ERROR_S."""
    life = ERROR_S / max(seconds, ERROR_S)
    return 2 * life * (1 - life * (1 - math.exp(-1 / life)))
