"""A vehicle that drives against its lane."""

from collections.abc import Callable, Iterable, Iterator
from typing import Final

import numpy as np

from events.incident import Why
from vision.road.ground import Array
from vision.road.scene import Scene, Zone
from vision.road.zones import depth
from vision.rules.arrows import Arrows
from vision.rules.moment import Finding, Moment
from vision.rules.queueing import CROWD_M
from vision.tracking.boxes import NAMES
from vision.tracking.track import CERTAIN
from vision.tracking.trail import PLACE, SCORE, SPEED, T, Track, fit_line, is_steady

AGAINST_S: Final = 2.0  # a turn is over, or has become wrong-way driving, after this time
FAR_S: Final = 4.0  # far away boxes wander by metres, and it takes longer to tell
SIGMAS: Final = (
    5.0  # of a place: once in an hour with ten vehicles in view, chance moves a box by 3.5 of its difference
)
CLEARLY: Final = 0.5  # share of its boxes that are certain ones: weak boxes keep a track alive, but accuse nobody
AGAINST_M: Final = 6.0  # and it takes more than a car's length
JAMMED_M: Final = 12.0  # among standing vehicles, where numbers go from one to the next
GAP_S: Final = 1.0  # unseen for longer within that time, it may be another one
LEAST_MPS: Final = 1.5  # slower is pushing or rolling back
STRAIGHT: Final = 0.8  # cosine: within 37° of the opposite direction
KERB_M: Final = 1.0  # wrong-way riders keep to the kerb: so far beside the lane still counts
MIDDLE_M: Final = 0.5  # but next to lanes that run their way, they must be this deep in the wrong one


def rule(scene: Scene) -> Callable[[Moment], Iterable[Finding]]:
    """A rule that remembers how one camera's lanes are driven: where most come against an arrow, the arrow is wrong."""
    arrows = Arrows(scene)

    def look(moment: Moment) -> Iterator[Finding]:
        arrows.watch(moment)
        return find(moment, arrows.doubted)

    return look


def find(moment: Moment, doubted: frozenset[str] = frozenset()) -> Iterator[Finding]:
    """Vehicles moving against the direction of the zone that they are in, beyond the error of their places.

    Lanes whose direction is `doubted`, by name, accuse nobody.
    """
    lanes = tuple(lane for lane in moment.scene.of_kind("lane_direction") if lane.name not in doubted)
    for track in moment.tracks:
        if track.is_person or track.speed < LEAST_MPS * track.shrink:
            continue
        least = JAMMED_M if any(stand.distance(track.place) < CROWD_M / 2 for stand in moment.stands) else AGAINST_M
        zone = next((lane for lane in lanes if _is_against(track, lane, lanes, least)), None)
        if zone is None:
            continue
        since = _since(track, zone.direction)
        yield Finding(
            kind="wrong_way",
            key=f"track/{track.number}",
            since=since,
            place=track.place,
            box=track.box,
            confidence=track.confidence,
            severity="critical",
            tracks=(track.number,),
            zone=zone.name,
            moving=True,
            why=_measured(moment, track, since) | {"class": NAMES[track.klass], "zone": zone.name},
        )


def _measured(moment: Moment, track: Track, since: float) -> dict[str, Why]:
    """How fast and how far; how long where there are no metres."""
    if moment.scene.ground is None:
        return {"seconds": round(moment.at - since, 1)}
    rows = track.trail.last(AGAINST_S)
    metres = float(np.hypot(*(rows[-1, PLACE] - rows[0, PLACE])))
    return {"speed_mps": round(track.speed, 1), "metres": round(metres, 1)}


def _is_against(track: Track, lane: Zone, lanes: tuple[Zone, ...], least: float) -> bool:
    assert lane.direction is not None
    slack = KERB_M * track.shrink / track.scale
    if track.depths[lane.name] < -slack or float(track.mean[2:] @ lane.direction) >= 0:
        return False
    lately = track.trail.last(FAR_S)[:, SPEED] @ lane.direction  # who drove on just now wanders, or turns
    windows = (FAR_S,) if least > AGAINST_M or np.any(lately > LEAST_MPS * track.shrink) else (AGAINST_S, FAR_S)
    ways = [track.trail.last(seconds) for seconds in windows]
    return any(
        _drove_against(track, rows, lane.direction, least) and not _may_be_right(track, rows, lane, lanes, slack)
        for rows in ways
    )


def _drove_against(track: Track, rows: Array, direction: Array, least: float) -> bool:
    if len(rows) < 5 or rows[-1, T] - rows[0, T] < 0.8 * AGAINST_S or np.diff(rows[:, T]).max() > GAP_S:
        return False
    if np.mean(rows[:, SCORE] >= CERTAIN) < CLEARLY:
        return False
    velocity, error = fit_line(rows[:, T], rows[:, PLACE])
    back = -float(velocity @ direction)
    straight = back > STRAIGHT * float(np.hypot(*velocity))
    fast = (back - 2 * error) * track.scale > LEAST_MPS * track.shrink
    moved = float((rows[0, PLACE] - rows[-1, PLACE]) @ direction) * track.scale
    far = moved > max(least * track.shrink, SIGMAS * track.place_error)
    return straight and fast and far and is_steady(rows, -direction)


def _may_be_right(track: Track, rows: Array, wrong: Zone, lanes: tuple[Zone, ...], slack: float) -> bool:
    """Whether it may as well be, or have been on that way, in a lane that runs its way.

    A number that goes over to an oncoming vehicle has come along the right lane.
    """
    places = np.vstack((np.median(rows[:, PLACE], axis=0), rows[0, PLACE]))
    if float(depth(places[:1], wrong.judged)[0]) < -slack:
        return True
    way = rows[-1, PLACE] - rows[0, PLACE]
    margin = ((MIDDLE_M + track.half_width) * track.shrink + track.aside_sigma) / track.scale
    return any(
        lane.direction is not None
        and float(way @ lane.direction) > 0
        and max(track.depths[lane.name], *depth(places, lane.judged).tolist()) > -margin
        for lane in lanes
    )


def _since(track: Track, direction: Array | None) -> float:
    assert direction is not None
    rows = track.trail.rows
    right = np.flatnonzero(rows[:, SPEED] @ direction > 0)
    return float(rows[right[-1], T]) if len(right) else track.since
