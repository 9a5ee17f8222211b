"""Somebody on foot where nobody should be."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from events.incident import Why
from vision.road.ground import Array
from vision.rules.moment import Finding, Moment
from vision.rules.queueing import AHEAD_M, CROWD
from vision.tracking.boxes import PERSON, TWO_WHEELERS
from vision.tracking.certainty import LEAST_SURE
from vision.tracking.trail import PLACE, SCORE, T, Track, fit_line, is_steady, unbroken

ON_ROAD_S: Final = 1.0  # a box that flickers does not last a second
WALKED_M: Final = 0.8  # a step: a false box that sticks takes none
SIGMAS: Final = 4.0  # and of the places that it leads from and to: a rider who waits is not seen to step by chance
GAP_S: Final = 1.0  # unseen for longer, it may be somebody else
ALONG_S: Final = (
    5.0  # who goes along a lane may be a rider in slow traffic, seen without the motorcycle: those drive off
)
ALONG: Final = 0.8  # cosine: within 37° of the lane
BRISK_MPS: Final = 2.5  # who was ever faster along a lane rides: people break into a run at 2 m/s (Hreljac 1995)
SLOWEST_MPS: Final = 0.8  # hardly anybody walks along a lane slower than this (Knoblauch 1996): a queue creeps
STRETCH_S: Final = 1.5  # a stretch of way long enough to tell how fast it was
WHEELED: Final = 0.1  # share of its boxes' word for a two-wheeler from which on it may ride one
STOOD_S: Final = 30.0  # who was never seen to take one must be there for so long
RUNNING_MPS: Final = 4.5  # who is faster rides: adults run across a street at 3 to 4 m/s (Fugger 2000)
EDGE_SIGMAS: Final = 1.0  # a person at the kerb is on the road when the place says so beyond its own error
SEEN: Final = 0.3  # share of frames in which the person must have been seen


def find(moment: Moment) -> Iterator[Finding]:
    """People in zones of kind no_pedestrian for ON_ROAD_S, crosswalks left out."""
    for track in moment.tracks:
        if not track.is_person or not _walks(track):
            continue
        zone = moment.zone_of(track, "no_pedestrian", margin=EDGE_SIGMAS * track.place_sigma / track.scale)
        if zone is None or moment.zone_of(track, "crosswalk"):
            continue
        seconds, proof = moment.at - track.since, _proof_s(moment, track)
        if seconds < proof or (proof == STOOD_S and _may_be_ghost(track)) or _has_ridden(moment, track):
            continue
        yield Finding(
            kind="pedestrian_on_road",
            key=f"track/{track.number}",
            since=track.since,
            place=track.place,
            box=track.box,
            confidence=track.confidence,
            severity="major",
            tracks=(track.number,),
            zone=zone.name,
            moving=True,
            why={"seconds": round(seconds, 1)} | _speed(moment, track) | {"zone": zone.name},
        )


def _speed(moment: Moment, track: Track) -> dict[str, Why]:
    return {} if moment.scene.ground is None else {"speed_mps": round(track.speed, 1)}


def _proof_s(moment: Moment, track: Track) -> float:
    """Seconds for which somebody must be seen, by the way walked so far."""
    rows = unbroken(track.trail.last(STOOD_S), GAP_S)
    way = track.place - rows[0, PLACE]
    walked = float(np.hypot(*way))
    if walked * track.scale <= max(WALKED_M * track.shrink, SIGMAS * _error_along(track, way)):
        return STOOD_S
    lane = _lane_of(moment, track)
    along = 0.0 if lane is None else abs(float(way @ lane)) / walked
    if along <= ALONG:
        return ALONG_S if _may_ride(moment, track) else ON_ROAD_S  # riders weave aside between waiting cars
    pace = walked * track.scale / max(float(rows[-1, T] - rows[0, T]), 1e-6)
    walks = is_steady(rows, way / walked) and track.speed < BRISK_MPS  # who sets off just now may be a rider
    walks = walks and pace > SLOWEST_MPS * track.shrink
    return ALONG_S if walks and not _may_ride(moment, track) else STOOD_S


def _may_be_ghost(track: Track) -> bool:
    """Whether it scored no better in all that time than false boxes that stick."""
    return float(track.trail.last(STOOD_S)[:, SCORE].mean()) < LEAST_SURE


def _error_along(track: Track, way: Array) -> float:
    """Standard error of a way's length, in metres: of one box's place, where it began, and of the filtered one."""
    variance = float(way @ track.cov[:2, :2] @ way) / max(float(way @ way), 1e-12)
    share = float(np.sqrt(variance)) * track.scale / max(track.place_sigma, 1e-9)
    return float(np.hypot(track.place_error, track.place_sigma)) * share


def _lane_of(moment: Moment, track: Track) -> Array | None:
    zone = moment.zone_of(track, "lane_direction")
    return None if zone is None else zone.direction


def _may_ride(moment: Moment, track: Track) -> bool:
    """Whether it may be a rider who inches on with a queue, or was seen as one now and then."""
    wheels = sum(track.votes.get(klass, 0.0) for klass in TWO_WHEELERS)
    if wheels > WHEELED * sum(track.votes.values()):
        return True
    seen = {other.number for other in moment.tracks}
    slow = [other.place for other in moment.tracks if not other.is_person and other.speed < RUNNING_MPS]
    slow += [stand.place for stand in moment.stands if stand.owner not in seen]
    return sum(float(np.hypot(*(place - track.place))) * track.scale < AHEAD_M for place in slow) >= CROWD


def _has_ridden(moment: Moment, track: Track) -> bool:
    """Whether any stretch of its way led along the lane faster, beyond its error, than people walk."""
    lane = _lane_of(moment, track)
    rows = unbroken(track.trail.rows, GAP_S)
    if lane is None:
        return False
    ends = np.searchsorted(rows[:, T], np.arange(rows[0, T], rows[-1, T], STRETCH_S))
    for stretch in np.split(rows, ends[1:]):
        velocity, error = fit_line(stretch[:, T], stretch[:, PLACE])
        if (abs(float(velocity @ lane)) - 2 * error) * track.scale > BRISK_MPS:
            return True
    return False


def _walks(track: Track) -> bool:
    rows = track.trail.last(2.0)
    share = track.votes.get(PERSON, 0.0) / max(sum(track.votes.values()), 1e-9)
    often = len(rows) >= 4 and rows[-1, T] > rows[0, T]
    return share > 0.6 and often and rows[:, SCORE].mean() >= SEEN and not _leaps(track, rows)


def _leaps(track: Track, rows: Array) -> bool:
    """Whether it rides, or is a number that has gone over to somebody who does."""
    steps = np.hypot(*np.diff(rows[:, PLACE], axis=0).T) * track.scale
    limit = RUNNING_MPS * np.diff(rows[:, T]) + 4 * track.place_error
    return track.speed > RUNNING_MPS or bool(np.any(steps > limit))
