"""A vehicle that turns back where that is forbidden."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.road.zones import along_across, depth, inside
from vision.rules.moment import Finding, Moment
from vision.rules.near_miss import TYRES_MPS2
from vision.tracking.boxes import NAMES, PERSON, TWO_WHEELERS
from vision.tracking.trail import KLASS, PLACE, SPEED, T, Track, fit_line

TURN_S: Final = 12.0  # turning round takes 4 to 8 s, with a wait for a gap
LEG_S: Final = 1.0  # each way must last so long to be a way
GAP_S: Final = 1.0  # unseen for longer between the way in and the way out, it may be another one
LEG_MPS: Final = 1.5
ACROSS_M: Final = (
    2.5  # to the other carriageway: a lane at least; straight back is a track gone over to another vehicle
)
TURNING_S: Final = 0.5  # half a circle of 2.5 m at 4 m/s² takes 1.75 s, a third of it rather across than along;
HALF: Final = 0.5  # a number that goes over to an oncoming vehicle turns round at once
BACK: Final = -0.8  # cosine between the way in and the way out: within 37° of straight back


def find(moment: Moment) -> Iterator[Finding]:
    """Vehicles whose way out is opposite to their way in, having passed through a no_uturn zone in between."""
    for zone in moment.scene.of_kind("no_uturn"):
        for track in moment.tracks:
            if track.is_person or moment.at - track.since < 2 * LEG_S or track.speed < LEG_MPS * track.shrink:
                continue
            turned = _turned_at(track, zone.shape)
            if turned is None:
                continue
            yield Finding(
                kind="illegal_uturn",
                key=f"track/{track.number}",
                since=turned,
                place=track.place,
                box=track.box,
                confidence=track.confidence,
                severity="major",
                tracks=(track.number,),
                zone=zone.name,
                moving=True,
                why={"seconds": round(moment.at - turned, 1), "class": NAMES[track.klass], "zone": zone.name},
            )


def _turned_at(track: Track, polygon: Array) -> float | None:
    """When it was in the zone between two opposite ways, None where it was not."""
    rows = track.trail.last(TURN_S)
    if not np.any(rows[:, SPEED] @ track.mean[2:] < 0):
        return None
    out = _way(track, track.trail.last(LEG_S))
    there = np.flatnonzero(inside(rows[:, PLACE], polygon))
    if out is None or not len(there):
        return None
    first = float(rows[there[0], T])
    ways_in = np.arange(first, float(rows[-1, T]) - LEG_S, LEG_S)  # it may drive on through the zone before it turns
    return first if any(_turned(track, rows, float(until), out, polygon) for until in ways_in) else None


def _turned(track: Track, rows: Array, until: float, out: Array, polygon: Array) -> bool:
    """Whether the way that it came on until then is opposite to its way out, with a turn between."""
    before = rows[(rows[:, T] <= until + 0.5) & (rows[:, T] >= until - 2 * LEG_S)]
    came = _way(track, before)
    if came is None or not _can_be_one(track, before, came, out):
        return False
    way, seen = came / np.hypot(*came), rows[rows[:, T] >= before[0, T]]
    if float(way @ out) > BACK * float(np.hypot(*out)) or not _is_turn(track, seen, polygon, way):
        return False
    unmeasured = track.shrink < 1.0  # then what tyres can do tells little
    if unmeasured and (_jumps(track, seen) or _turning_s(track, seen, came) < TURNING_S):
        return False
    _, aside = along_across((rows[-1, PLACE] - before[:, PLACE].mean(axis=0)) * track.scale, way)
    return bool(aside > max(ACROSS_M * track.shrink, 3 * track.aside_sigma))


def _jumps(track: Track, rows: Array) -> bool:
    """Whether any step is longer than it can have driven: then its number went over to another vehicle."""
    seconds, steps = np.diff(rows[:, T]), np.hypot(*np.diff(rows[:, PLACE], axis=0).T) * track.scale
    driven = np.hypot(*rows[:-1, SPEED].T) * seconds + TYRES_MPS2 * track.shrink * seconds**2 / 2
    return bool(np.any(steps > driven + track.shrink + 4 * track.place_error))


def _turning_s(track: Track, rows: Array, came: Array) -> float:
    """Seconds for which it drove across its way in rather than along it, or back."""
    along = rows[:, SPEED] @ came / float(came @ came) / track.scale
    across = np.abs(along) < HALF
    return float(np.diff(rows[:, T])[across[:-1] & across[1:]].sum())


def _can_be_one(track: Track, before: Array, came: Array, out: Array) -> bool:
    """Whether tyres can make one way of the other in the time between their middles, and both have as many wheels."""
    after = track.trail.last(LEG_S)
    seconds = float(after[:, T].mean() - before[:, T].mean())
    narrow = [np.mean(np.isin(rows[:, KLASS], (PERSON, *TWO_WHEELERS))) > 1 / 2 for rows in (before, after)]
    return narrow[0] == narrow[1] and float(np.hypot(*(out - came))) * track.scale < TYRES_MPS2 * seconds


def _is_turn(track: Track, rows: Array, polygon: Array, way: Array) -> bool:
    """Whether the furthest that it got on its way lies in the zone, and it was seen all the time since the way in."""
    turn = rows[np.argmax(rows[:, PLACE] @ way), PLACE]
    here = float(depth(turn[None], polygon)[0]) * track.scale >= -2 * track.place_error
    return here and float(np.diff(rows[:, T]).max(initial=0.0)) <= GAP_S


def _way(track: Track, rows: Array) -> Array | None:
    """Velocity over a stretch of trail, in the plane's unit; None where it is too slow or too unsure to be a way."""
    if len(rows) < 4 or rows[-1, T] - rows[0, T] < 0.6 * LEG_S:
        return None
    velocity, error = fit_line(rows[:, T], rows[:, PLACE])
    speed = float(np.hypot(*velocity))
    if (speed - 2 * error) * track.scale < LEG_MPS * track.shrink:
        return None
    return velocity
