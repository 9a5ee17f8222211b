"""Vehicles that stand, and those that drive past them."""

import numpy as np

from events.incident import Incident
from tests.vision.street import Actor, drive, drive_and_stop, flow, frames, project, road_scene
from vision.line import Line
from vision.road.ground import Array
from vision.tracking.boxes import CAR


def stopped(frames_: list[tuple[float, Array]]) -> list[tuple[float, float]]:
    """(when told, since when) of each stopped vehicle."""
    line = Line(road_scene())
    told = [fact for at, boxes in frames_ for fact in line.step(at, boxes)]
    alarms = [fact for fact in told if isinstance(fact, Incident) and fact.kind == "stopped_vehicle" and fact.rev == 1]
    return [(fact.decided_at.timestamp(), fact.started_at.timestamp()) for fact in alarms]


def swallowed(actors: list[Actor], seconds: float) -> list[tuple[float, Array]]:
    """Frames in which the box of a car at (40, -5) is lost in that of any car that drives past in front of it."""
    still = project(CAR, np.array([40.0, -5.0]), np.array([1.0, 0.0]))
    assert still is not None
    out = []
    for at, boxes in frames(actors, seconds):
        near = [box for box in boxes if 5 < abs(box[3] - still[3]) < 25 and abs(box[0] - still[0]) < 90]
        mine = [box for box in boxes if np.abs(box[:4] - still).max() < 15]
        lost = {id(box) for box in mine} if near else set()
        out.append((at, np.array([box for box in boxes if id(box) not in lost]).reshape(-1, 6)))
    return out


def test_a_car_whose_number_others_take_along_stands_since_it_came() -> None:
    car = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=3, at=40, seconds=60))
    (one,) = stopped(swallowed([car, *flow(50, y=-2.4, every=5, klass=CAR, first=9)], 40))
    assert one[1] < 9
    assert one[0] < 25


def test_a_car_that_was_never_seen_to_come_is_told_once_others_have_driven_past() -> None:
    car = Actor(klass=CAR, way=lambda t: (45.0, -5.0) if t > 8 else None)
    (one,) = stopped(list(frames([car, *flow(50, y=-1.8, every=3)], 40)))
    assert 8 + 9 < one[0] < 8 + 16


def test_cars_on_the_other_carriageway_hold_nobody() -> None:
    mine = Actor(klass=CAR, way=drive_and_stop(12, -1.9, 10, start=3, at=45, seconds=60))
    theirs = [
        Actor(klass=CAR, way=drive_and_stop(100, 1.9, -9, start=1 + n, at=46 + 8 * n, seconds=60)) for n in range(3)
    ]
    told = stopped(list(frames([mine, *theirs, *flow(50, y=-5.2, every=3)], 40)))
    assert any(since < 10 for _, since in told)


def test_who_drives_past_does_not_stand() -> None:
    assert stopped(list(frames([Actor(klass=CAR, way=drive(12, -3, 6))], 20))) == []
