"""Kinds of incidents on a made-up street: what must be told, and what must not."""

from collections.abc import Sequence

import pytest

from events.incident import Incident
from tests.vision.street import Actor, Faults, drive, drive_and_stop, flow, frames, road_scene
from vision.boxes import CAR, MOTORCYCLE, PERSON
from vision.replay import replay
from vision.scene import Scene


def incidents(scene: Scene, actors: Sequence[Actor], seconds: float, faults: Faults | None = None) -> list[Incident]:
    told = replay(scene, frames(actors, seconds, faults))
    return [fact for fact in told if isinstance(fact, Incident) and fact.rev == 1]


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_car_that_stands_while_others_pass_is_told_once_and_in_time(*, calibrated: bool) -> None:
    stopped = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=10, at=45, seconds=60))
    told = incidents(road_scene(calibrated=calibrated), [stopped, *flow(80, y=-1.8)], 80)
    assert [one.kind for one in told] == ["stopped_vehicle"]
    stopped_at = 15.0
    assert stopped_at + 7 < told[0].decided_at.timestamp() < stopped_at + 12
    assert told[0].started_at.timestamp() == pytest.approx(stopped_at, abs=2)
    assert (told[0].place.x is not None) == calibrated


def test_a_car_that_lets_somebody_off_is_not_told() -> None:
    stopping = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=10, at=45, seconds=7))
    assert incidents(road_scene(), [stopping, *flow(60, y=-1.8)], 60) == []


def test_a_queue_at_a_red_light_is_not_told() -> None:
    queue = [
        Actor(klass=CAR, way=drive_and_stop(12, y, 10, start=3.0 * n, at=70 - 7 * n, seconds=60 - 3 * n))
        for n in range(5)
        for y in (-5.2, -1.8)
    ]
    assert incidents(road_scene(), queue, 100) == []


@pytest.mark.parametrize("calibrated", [True, False])
def test_somebody_on_foot_on_the_road_is_told(*, calibrated: bool) -> None:
    walker = Actor(klass=PERSON, way=lambda t: (40.0, -9 + 1.3 * (t - 5)) if 5 < t < 20 else None)
    told = incidents(road_scene(calibrated=calibrated), [walker], 30)
    assert [one.kind for one in told] == ["pedestrian_on_road"]
    assert told[0].decided_at.timestamp() < 5 + 2 / 1.3 + 4


def test_somebody_beside_the_road_is_not_told() -> None:
    walker = Actor(klass=PERSON, way=drive(20, -9, 1.3))
    assert incidents(road_scene(), [walker], 40) == []


def test_riders_are_not_pedestrians() -> None:
    riders = flow(60, y=-3, speed=6, every=2)
    standing = Actor(klass=MOTORCYCLE, rider=True, way=drive_and_stop(12, -5, 8, start=2, at=40, seconds=6))
    assert incidents(road_scene(), [standing, *riders], 60) == []


def test_the_same_frames_give_the_same_incidents_with_the_same_numbers() -> None:
    actors = [Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=5, at=45, seconds=40)), *flow(50, y=-1.8)]
    first, second = (list(replay(road_scene(), frames(actors, 50))) for _ in range(2))
    assert first == second
    assert len([fact for fact in first if isinstance(fact, Incident)]) >= 1
