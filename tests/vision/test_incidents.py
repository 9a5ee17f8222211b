"""Kinds of incidents on a made-up street: what must be told, and what must not."""

from collections.abc import Sequence

import numpy as np
import pytest

from events.incident import Incident
from tests.vision.street import Actor, Faults, Way, drive, drive_and_stop, flow, frames, road_scene
from vision.recorded.replay import replay
from vision.road.ground import Array
from vision.road.scene import Scene
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE, PERSON

MEDIAN: dict[str, object] = {"name": "opening", "kind": "no_uturn", "world": [[40, -4], [70, -4], [70, 4], [40, 4]]}
KERB: dict[str, object] = {"name": "kerb", "kind": "no_parking", "world": [[15, -9], [90, -9], [90, -7], [15, -7]]}
LINE: dict[str, object] = {"name": "light", "kind": "stop_line", "world": [[73, -7], [73, 0]]}
STOP: dict[str, object] = {"name": "bus", "kind": "bus_stop", "world": [[30, -7], [60, -7], [60, -3], [30, -3]]}


def incidents(scene: Scene, actors: Sequence[Actor], seconds: float, faults: Faults | None = None) -> list[Incident]:
    """The first revision of each incident."""
    told = replay(scene, frames(actors, seconds, faults))
    return [fact for fact in told if isinstance(fact, Incident) and fact.rev == 1]


def kinds(scene: Scene, actors: Sequence[Actor], seconds: float, faults: Faults | None = None) -> list[str]:
    return [one.kind for one in incidents(scene, actors, seconds, faults)]


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_car_that_stands_while_others_pass_is_told_once_and_in_time(*, calibrated: bool) -> None:
    stopped = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=10, at=45, seconds=60))
    told = incidents(road_scene(calibrated=calibrated), [stopped, *flow(80, y=-1.8)], 80)
    assert [one.kind for one in told] == ["stopped_vehicle"]
    stopped_at = 15.0
    assert stopped_at + 7 < told[0].decided_at.timestamp() < stopped_at + 12
    assert told[0].started_at.timestamp() == pytest.approx(stopped_at, abs=2)
    assert (told[0].place.x is not None) == calibrated


def test_a_stopped_car_hidden_behind_a_bus_for_seconds_stays_one_incident() -> None:
    stopped = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=5, at=45, seconds=80))

    def seen(t: float) -> tuple[float, float] | None:
        return None if 30 < t < 34 or 50 < t < 53 else stopped.way(t)

    hidden = Actor(klass=CAR, way=seen)
    assert kinds(road_scene(), [hidden, *flow(80, y=-1.8)], 80) == ["stopped_vehicle"]


def test_a_car_that_lets_somebody_off_is_not_told() -> None:
    stopping = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=10, at=45, seconds=7))
    assert kinds(road_scene(), [stopping, *flow(60, y=-1.8)], 60) == []


def red_light(seconds: float) -> list[Actor]:
    return [
        Actor(klass=CAR, way=drive_and_stop(12, y, 10, start=3.0 * n, at=70 - 7 * n, seconds=seconds - 3 * n))
        for n in range(5)
        for y in (-5.2, -1.8)
    ]


def test_a_queue_at_a_red_light_is_not_told() -> None:
    assert kinds(road_scene(), red_light(22), 60) == []
    assert kinds(road_scene(LINE), red_light(80), 110) == []


def test_a_bus_at_its_stop_is_not_told() -> None:
    bus = Actor(klass=BUS, way=drive_and_stop(15, -5, 8, start=5, at=45, seconds=30))
    assert kinds(road_scene(STOP), [bus, *flow(60, y=-1.8)], 60) == []


def test_a_car_left_at_a_forbidden_kerb_is_told_and_one_that_leaves_soon_is_not() -> None:
    def parked(seconds: float) -> list[Actor]:
        return [Actor(klass=CAR, way=drive_and_stop(15, -8, 8, start=5, at=40, seconds=seconds)), *flow(90, y=-1.8)]

    assert kinds(road_scene(KERB), parked(90), 90) == ["illegal_parking"]
    assert kinds(road_scene(KERB), parked(40), 90) == []


@pytest.mark.parametrize("calibrated", [True, False])
def test_somebody_on_foot_on_the_road_is_told(*, calibrated: bool) -> None:
    walker = Actor(klass=PERSON, way=lambda t: (40.0, -9 + 1.3 * (t - 5)) if 5 < t < 20 else None)
    told = incidents(road_scene(calibrated=calibrated), [walker], 30)
    assert [one.kind for one in told] == ["pedestrian_on_road"]
    assert told[0].decided_at.timestamp() < 5 + 2 / 1.3 + 4


def test_somebody_beside_the_road_is_not_told() -> None:
    assert kinds(road_scene(), [Actor(klass=PERSON, way=drive(20, -9, 1.3))], 40) == []


def test_riders_are_not_pedestrians() -> None:
    standing = Actor(klass=MOTORCYCLE, rider=True, way=drive_and_stop(12, -5, 8, start=2, at=40, seconds=6))
    assert kinds(road_scene(), [standing, *flow(60, y=-3, speed=6, every=2)], 60) == []


@pytest.mark.parametrize("calibrated", [True, False])
def test_a_rider_against_the_traffic_is_told_within_seconds(*, calibrated: bool) -> None:
    against = Actor(klass=MOTORCYCLE, rider=True, way=drive(80, -6.5, -5, start=10))
    told = incidents(
        road_scene(calibrated=calibrated), [against, *flow(30, y=-2), *flow(30, y=3, speed=-10, x=110)], 30
    )
    assert [one.kind for one in told] == ["wrong_way"]
    assert told[0].decided_at.timestamp() < 10 + 5


def test_traffic_on_its_own_side_near_the_middle_is_not_told() -> None:
    assert kinds(road_scene(), [*flow(60, y=-0.6), *flow(60, y=0.6, speed=-10, x=115, klass=CAR)], 60) == []


def uturn(x: float, *, speed: float = 4.0, radius: float = 2.5) -> Way:
    """Away in the inner lane, round at `x` metres, back."""

    def place(t: float) -> tuple[float, float] | None:
        reach, turn = (x - 12) / speed, np.pi * radius / speed
        if t < reach:
            return 12 + speed * t, -radius
        if t < reach + turn:
            angle = (t - reach) * speed / radius
            return x + radius * float(np.sin(angle)), -radius * float(np.cos(angle))
        return x - speed * (t - reach - turn), radius

    return place


@pytest.mark.parametrize("calibrated", [True, False])
def test_turning_back_is_told_where_it_is_forbidden_only(*, calibrated: bool) -> None:
    turning = [Actor(klass=CAR, way=uturn(50))]
    assert "illegal_uturn" in kinds(road_scene(MEDIAN, calibrated=calibrated), turning, 25)
    assert kinds(road_scene(calibrated=calibrated), turning, 20) == []


def test_a_car_half_as_fast_again_as_allowed_is_told_and_one_at_the_limit_is_not() -> None:
    assert kinds(road_scene(), [Actor(klass=CAR, way=drive(12, -2, 21, start=2))], 10) == ["speeding"]
    assert kinds(road_scene(), flow(60, y=-2, speed=13.9, klass=CAR), 60) == []


def crash(*, x: float = 50.0, stays: float = 60.0) -> list[Actor]:
    """A rider brakes hard; the one behind does not, and they meet."""

    def front(t: float) -> tuple[float, float] | None:
        t -= 5
        if t < 0:
            return None
        stop, v = (x - 15) / 10, 10.0
        braking = v / 8
        if t < stop:
            return 15 + v * t, -3.0
        b = min(t - stop, braking)
        return (15 + v * stop + v * b - 4 * b * b, -3.0) if t < stays else None

    end = front(20.0)
    assert end is not None
    touch = end[0] - 2.0

    def behind(t: float) -> tuple[float, float] | None:
        return (min(15 + 10 * (t - 6.0), touch), -3.2) if 6.0 < t < stays else None

    return [Actor(klass=MOTORCYCLE, rider=True, way=front), Actor(klass=MOTORCYCLE, rider=True, way=behind)]


def test_a_crash_is_one_incident_of_the_gravest_kind() -> None:
    told = list(replay(road_scene(), frames([*crash(), *flow(40, y=-6)], 40)))
    facts = [fact for fact in told if isinstance(fact, Incident)]
    assert len({fact.id for fact in facts}) == 1
    assert facts[-1].kind == "collision"
    assert facts[0].decided_at.timestamp() < 5 + 3.5 + 1.3 + 6


def test_two_that_stop_calmly_one_behind_the_other_have_not_crashed() -> None:
    calm = [
        Actor(klass=MOTORCYCLE, way=drive_and_stop(15, -3, 8, start=5 + n, at=50 - 3.5 * n, seconds=8))
        for n in range(2)
    ]
    assert kinds(road_scene(), [*calm, *flow(40, y=-6)], 40) == []


def test_a_jam_is_told_once_and_flowing_traffic_is_not() -> None:
    def creeping(x: float, y: float) -> Way:
        return lambda t: (x + 0.8 * t, y)

    jam = [Actor(klass=CAR, way=creeping(20 + 8 * n, y)) for n in range(7) for y in (-5.2, -1.8)]
    assert kinds(road_scene(), jam, 50) == ["congestion"]
    assert kinds(road_scene(), [*flow(60, y=-5, every=1.5, klass=CAR), *flow(60, y=-1.8, every=1.5)], 60) == []


def test_false_boxes_that_stick_or_flicker_are_not_told() -> None:
    random = np.random.default_rng(3)
    stuck: Array = np.array([[600.0, 300, 640, 340, 0.45, CAR], [700, 320, 715, 360, 0.45, PERSON]])

    def stream() -> list[tuple[float, Array]]:
        return [(t / 10, stuck[random.random(2) < (0.9 if t % 200 < 60 else 0.05)]) for t in range(1200)]

    told = list(replay(road_scene(), stream()))
    assert [fact for fact in told if isinstance(fact, Incident)] == []


def test_a_shaking_camera_makes_no_incident() -> None:
    random = np.random.default_rng(5)
    shaken = []
    for t, boxes in frames([*flow(60, y=-2), *flow(60, y=3, speed=-9, x=110)], 60):
        shift = np.tile(random.normal(0, 3.0 if 20 < t < 25 else 0.3, 2), 2)
        shaken.append((t, boxes + np.concatenate((shift, (0.0, 0.0)))))
    assert [fact for fact in replay(road_scene(), shaken) if isinstance(fact, Incident)] == []


def test_the_same_frames_give_the_same_incidents_with_the_same_numbers() -> None:
    actors = [Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=5, at=45, seconds=40)), *flow(50, y=-1.8)]
    first, second = (list(replay(road_scene(), frames(actors, 50))) for _ in range(2))
    assert first == second
    assert len([fact for fact in first if isinstance(fact, Incident)]) >= 1
