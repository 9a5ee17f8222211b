"""A vehicle far above the speed limit."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from vision.rules.moment import Finding, Moment
from vision.tracking.boxes import NAMES
from vision.tracking.trail import PLACE, T, Track, fit_line, is_steady, leaps

OVER: Final = 1.2  # times the limit: what an operator looks at; slower offenders are statistics, in the traffic counts
SCALE_ERROR: Final = 0.03  # what a calibration from a map or lane markings gets wrong in length
SIGMAS: Final = 2.0  # one in forty who drive just that fast is told as faster; who keeps the limit is far off
MEASURED_S: Final = 2.5  # speed is distance over time: the longer, the smaller its error,
LEAST_S: Final = 0.8  # but a vehicle near the camera is out of sight after a second;
MEASURED_M: Final = 10.0  # shorter than two cars' lengths no measurement is


def find(moment: Moment) -> Iterator[Finding]:
    """Vehicles whose speed over MEASURED_S is above OVER times the limit, beyond the error of measuring."""
    limit = moment.scene.speed_limit_mps
    assert limit is not None
    for track in moment.tracks:
        if track.is_person or track.speed < OVER * limit:
            continue
        zone = moment.zone_of(track, "road", "lane_direction")
        measured = measured_speed(track) if zone is not None else None
        if zone is None or measured is None:
            continue
        speed, error = measured
        if speed * (1 - SCALE_ERROR) - SIGMAS * error < OVER * limit or not _holds(track, OVER * limit):
            continue
        yield Finding(
            kind="speeding",
            key=f"track/{track.number}",
            since=moment.at - MEASURED_S,
            place=track.place,
            box=track.box,
            confidence=track.confidence,
            severity="minor" if speed < 1.5 * limit else "major",
            tracks=(track.number,),
            zone=zone.name,
            moving=True,
            why={
                "speed_mps": round(speed, 1),
                "error_mps": round(error, 1),
                "limit_mps": round(limit, 2),
                "class": NAMES[track.klass],
                "zone": zone.name,
            },
        )


def _holds(track: Track, mps: float) -> bool:
    """Whether both halves of the measured way were driven faster than that.

    A number that goes over to the vehicle in front jumps in one of them.
    """
    rows = track.trail.last(MEASURED_S)
    halves = np.array_split(rows, 2)
    return all(float(np.hypot(*fit_line(half[:, T], half[:, PLACE])[0])) > mps for half in halves)


def measured_speed(track: Track) -> tuple[float, float] | None:
    """Speed and its standard error in m/s over the last MEASURED_S, None where the track is too short or broken.

    The error is that of two places over the time between them: a box's errors go on from frame to frame, so averaging
    them away would be wishful.
    """
    rows = track.trail.last(MEASURED_S)
    seconds = float(rows[-1, T] - rows[0, T])
    if len(rows) < 6 or seconds < LEAST_S or np.diff(rows[:, T]).max() > 0.5:
        return None
    if float(np.hypot(*(rows[-1, PLACE] - rows[0, PLACE]))) < MEASURED_M:
        return None
    velocity, error = fit_line(rows[:, T], rows[:, PLACE])
    if not is_steady(rows, velocity) or leaps(rows, velocity, track.place_error):
        return None
    return float(np.hypot(*velocity)), float(np.hypot(error, np.sqrt(2) * track.place_error / seconds))
