"""Somebody on foot where nobody should be."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.rules.moment import Finding, Moment
from vision.tracking.boxes import PERSON
from vision.tracking.trail import PLACE, SCORE, T, Track, unbroken

ON_ROAD_S: Final = 1.0  # a box that flickers does not last a second
WALKED_M: Final = 0.8  # a step: a false box that sticks takes none
GAP_S: Final = 1.0  # unseen for longer, it may be somebody else
ALONG_S: Final = (
    5.0  # who goes along a lane may be a rider in slow traffic, seen without the motorcycle: those drive off
)
ALONG: Final = 0.8  # cosine: within 37° of the lane
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
        seconds = moment.at - track.since
        if seconds < _proof_s(moment, track):
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
            why={"seconds": round(seconds, 1), "speed_mps": round(track.speed, 1), "zone": zone.name},
        )


def _proof_s(moment: Moment, track: Track) -> float:
    """Seconds for which somebody must be seen, by the way walked so far."""
    rows = unbroken(track.trail.last(STOOD_S), GAP_S)
    way = rows[-1, PLACE] - rows[0, PLACE]
    walked = float(np.hypot(*way))
    if walked * track.scale <= max(WALKED_M * track.shrink, 4 * track.place_sigma):
        return STOOD_S
    lane = moment.zone_of(track, "lane_direction")
    along = 0.0 if lane is None or lane.direction is None else abs(float(way @ lane.direction)) / walked
    return ALONG_S if along > ALONG else ON_ROAD_S


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
