"""Crashes seen from cameras without calibration: a metre across the view is one, along it who knows."""

import pytest

from events.incident import Incident
from tests.vision.street import FPS, HEIGHT, WIDTH, Actor, Faults, Way, drive, frames
from tests.vision.test_rest import braking as coming_to_rest
from tests.vision.test_rest import seen, stretch
from vision.recorded.replay import replay
from vision.road.scene import parse_scene
from vision.tracking.boxes import CAR
from vision.tracking.stand import Stand

JUNCTION: list[dict[str, object]] = [
    {"name": "junction", "kind": "road", "image": [[100, 250], [1180, 250], [1280, 700], [0, 700]]}
]


def braking(start: float, speed: float, mps2: float, rest: float) -> Way:
    """Across the view, to stand at y = `rest`."""
    roll, took = speed**2 / 2 / mps2, speed / mps2

    def place(t: float) -> tuple[float, float] | None:
        along = speed * (t - start) - 15
        late = t - start - (rest - roll + 15) / speed
        if t < start:
            return None
        if late < 0:
            return 40.0, along
        return 40.0, rest - mps2 / 2 * max(took - late, 0.0) ** 2 + 0.001 * t  # so that it still faces that way

    return place


def standing(x: float, y: float) -> Way:
    """Comes up to there in the first seconds, and stands."""
    return lambda t: (x, y - 3.0 * max(2.0 - t, 0.0))


def told(front: Way, behind: Way, *others: Way, zones: list[dict[str, object]] = JUNCTION) -> list[str]:
    """Kinds of incidents that an uncalibrated camera tells of these, with traffic along the road further on."""
    actors = [Actor(klass=CAR, way=way) for way in (front, behind, *others, drive(60, 3, 8, start=2))]
    scene = parse_scene({"name": "clip", "size": [WIDTH, HEIGHT], "fps": FPS, "zones": zones})
    facts = replay(scene, frames(actors, 30, Faults(miss=0.05)))
    return [fact.kind for fact in facts if isinstance(fact, Incident) and fact.rev == 1]


def test_two_cars_that_hit_one_another_across_the_view_are_told() -> None:
    assert "collision" in told(braking(4, 11, 9, 0.0), braking(4.4, 11, 25, -4.4))


def test_a_crash_is_told_where_nobody_has_drawn_a_zone_yet_and_nothing_else_is() -> None:
    assert told(braking(4, 11, 9, 0.0), braking(4.4, 11, 25, -4.4), zones=[]) == ["collision"]
    beside: list[dict[str, object]] = [{"name": "bay", "kind": "no_parking", "image": [[0, 0], [9, 0], [9, 9]]}]
    assert told(braking(4, 11, 9, 0.0), braking(4.4, 11, 25, -4.4), zones=beside) == []


def test_two_among_others_who_stand_are_a_jam_also_where_nobody_has_drawn_a_road() -> None:
    crash, jam = (braking(4, 11, 9, 0.0), braking(4.4, 11, 25, -4.4)), (standing(45, -11), standing(45, 8))
    assert told(*crash, zones=[]) == ["collision"]
    assert told(*crash, *jam, zones=[]) == []


def test_two_that_stop_calmly_one_behind_the_other_are_not() -> None:
    assert told(braking(4, 9, 2.5, 0.0), braking(4.4, 9, 2.5, -5.5)) == []


@pytest.mark.parametrize("wander", [0.1, 1.0, 3.4])
def test_drivers_who_brake_firmly_have_not_crashed_however_far_the_camera(wander: float) -> None:
    times = stretch(-6, 3)
    for seed in range(10):
        track = seen(times, coming_to_rest(times, 4.0), wander, seed)
        track.vote(CAR, 0.8)
        stand = Stand(track, 3.0)
        assert stand.brake_mps - 2 * stand.brake_error < stand.hard_mps
