"""Two vehicles that escaped a collision by braking hard."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.road.zones import along_across
from vision.rules.moment import Finding, Moment
from vision.rules.queueing import CROWD_M, sees_ahead
from vision.tracking.boxes import LENGTH_M, NAMES
from vision.tracking.trail import ERROR_S, KLASS, PLACE, SPEED, T, Track, fit_line, unbroken

TIME_TO_COLLISION_S: Final = 1.5  # Hydén 1987, van der Horst 1990: below this an encounter is a conflict
BRAKING_MPS2: Final = 4.5  # as drivers brake for what they did not expect (AASHTO 2018),
COMFORT_MPS2: Final = 3.4  # and, beyond two standard errors, harder than most ever do otherwise (the same)
TYRES_MPS2: Final = 10.0  # harder than g no tyre brakes: that is a number gone over to another vehicle
CRAWL_MPS: Final = 10 / 3.6
CLOSING_MPS: Final = 3.0  # slower meetings leave no mark
BRAKING_M: Final = 0.7  # what lines through both halves of braking at 8 m/s² miss one another by
LANE_M: Final = 1.2  # sideways: in each other's way
LOOK_S: Final = 0.7  # speeds are taken over this time
ONCOMING: Final = -0.5  # cosine: within 60° of head-on
GAP_S: Final = 0.7  # unseen for longer, it may be another one
BRAKED_S: Final = (0.7, 0.9, 1.1, 1.3, 1.5)  # for so long it may have been braking by now,
WATCHED_S: Final = 3.0  # having driven steadily before; longer ago its speed may have been another one


def find(moment: Moment) -> Iterator[Finding]:
    """Pairs, one behind the other, with the one in front braking hard and a time to collision below 1.5 s."""
    cars = [track for track in moment.tracks if not track.is_person and len(track.trail.last(2 * LOOK_S)) >= 8]
    for leader in cars:
        zone = moment.zone_of(leader, "road", "lane_direction")
        braking = _braking(leader) if zone is not None else None
        if zone is None or braking is None or _joins_queue(moment, leader):
            continue
        for follower in cars:
            time = None if follower is leader or _meet(leader, follower) else _time_to_collision(leader, follower)
            if time is None or time > TIME_TO_COLLISION_S:
                continue
            yield Finding(
                kind="near_miss",
                key=f"pair/{leader.number}/{follower.number}",
                since=moment.at - LOOK_S,
                place=leader.place,
                box=np.concatenate(
                    (np.minimum(leader.box, follower.box)[:2], np.maximum(leader.box, follower.box)[2:])
                ),
                confidence=min(leader.confidence, follower.confidence),
                severity="minor",
                tracks=(leader.number, follower.number),
                zone=zone.name,
                moving=True,
                why={
                    "time_to_collision_s": round(time, 2),
                    "braking_mps2": round(braking, 1),
                    "class": NAMES[leader.klass],
                    "zone": zone.name,
                },
            )


def _meet(one: Track, other: Track) -> bool:
    """Whether they come towards one another: that is told of who drives the wrong way."""
    before, against = one.trail.last(2 * LOOK_S)[0, SPEED], other.velocity
    return float(before @ against) < ONCOMING * float(np.hypot(*before)) * float(np.hypot(*against))


def _joins_queue(moment: Moment, track: Track) -> bool:
    """Whether it brakes for vehicles that stand or crawl, or may do so unseen: everybody does."""
    before = track.trail.last(2 * LOOK_S)[0, SPEED]
    heading = before / max(float(np.hypot(*before)), 1e-6)
    if not sees_ahead(moment.scene, track.place, track.box, heading):
        return True
    crawling = [t.place for t in moment.tracks if t is not track and not t.is_person and _crawls(t)]
    places = [stand.place for stand in moment.stands] + crawling
    return any(float(np.hypot(*(place - track.place))) < CROWD_M for place in places)


def _crawls(track: Track) -> bool:
    """Whether it is known to: a newcomer's speed is zero until it has been seen to move."""
    return track.speed < CRAWL_MPS and track.seen - track.since >= LOOK_S


def _braking(track: Track) -> float | None:
    """How hard it brakes, m/s², where that is BRAKING_MPS2 at least and surely not comfortable."""
    rows = track.trail.last(2 * LOOK_S)
    if float(np.hypot(*rows[0, SPEED])) - track.speed < BRAKING_MPS2 * LOOK_S / 2:
        return None  # the filter, which lags, sees nothing of the kind
    middle = rows[-1, T] - LOOK_S
    before, after = rows[rows[:, T] <= middle], rows[rows[:, T] > middle]
    if len(before) < 4 or len(after) < 4:
        return None
    if np.median(before[:, KLASS]) != np.median(after[:, KLASS]):
        return None  # another vehicle under the same number
    jump = np.hypot(*(_at(before, middle) - _at(after, middle)))
    if jump > BRAKING_M + 2 * track.place_error:
        return None  # another one too
    fits = [fit for seconds in BRAKED_S if (fit := _deceleration(track, seconds)) is not None]
    if not fits:
        return None
    _, braking, error = min(fits)
    hard = braking > max(BRAKING_MPS2, COMFORT_MPS2 + 2 * error)
    return braking if hard and braking < TYRES_MPS2 else None


def _deceleration(track: Track, seconds: float) -> tuple[float, float, float] | None:
    """By how much "steady until `seconds` ago, braking evenly since" is off, the braking and its standard error, m/s².

    Least squares along its way. A box's errors go on from frame to frame (first-order autoregression); where the way
    strays further from the model than they explain, it is another vehicle's for a part, and the error larger.
    """
    rows = unbroken(track.trail.last(WATCHED_S), GAP_S)
    t = rows[:, T] - (rows[-1, T] - seconds)
    if np.count_nonzero(t <= 0) < 4 or np.count_nonzero(t > 0) < 4 or t[0] > -LOOK_S:
        return None
    velocity, _ = fit_line(t[t <= 0], rows[t <= 0, PLACE])
    heading = velocity / max(float(np.hypot(*velocity)), 1e-6)
    way = (rows[:, PLACE] - rows[0, PLACE]) @ heading
    model = np.column_stack((np.ones(len(t)), t, -(np.maximum(t, 0.0) ** 2) / 2))
    solve = np.linalg.pinv(model)
    found = solve @ way
    misfit = float(np.sqrt(np.mean((way - model @ found) ** 2)))
    weights = solve[2] * max(track.place_error, misfit)
    alike = np.exp(-np.abs(t[:, None] - t) / ERROR_S)
    return misfit, float(found[2]), float(np.sqrt(weights @ alike @ weights))


def _time_to_collision(leader: Track, follower: Track) -> float | None:
    """Seconds until the follower reaches the leader at their present speeds, or one standard error more.

    None where it does not. Boxes stand where a vehicle is nearest to the camera: two that drive away show their rears.
    """
    ours, theirs = follower.trail.last(LOOK_S), leader.trail.last(LOOK_S)
    if len(ours) < 4 or len(theirs) < 4:
        return None
    (v, e), (u, d) = (fit_line(rows[:, T], rows[:, PLACE]) for rows in (ours, theirs))
    speed = float(np.hypot(*v))
    if speed < CLOSING_MPS:
        return None
    heading: Array = v / speed
    ahead, aside = along_across(_at(theirs, theirs[-1, T]) - _at(ours, ours[-1, T]), heading)
    closing = speed - max(float(u @ heading), 0.0)  # who brakes does not reverse
    between = follower if leader.box[3] < follower.box[3] else leader
    time = max(ahead - LENGTH_M[between.klass], 0.0) / closing
    if aside > LANE_M or ahead <= 0 or closing - np.hypot(e, d) < CLOSING_MPS:
        return None
    return time + float(np.hypot(np.hypot(leader.place_error, follower.place_error), time * np.hypot(e, d))) / closing


def _at(rows: Array, at: float) -> Array:
    """(2,) where the track is at that time, by a line through all rows."""
    velocity, _ = fit_line(rows[:, T], rows[:, PLACE])
    place: Array = rows[:, PLACE].mean(axis=0) + velocity * (at - rows[:, T].mean())
    return place
