"""Conflicts and turns on a made-up street, and what only looks like one because numbers go from vehicle to vehicle."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from tests.vision.street import FPS, Actor, Faults, Way, drive, drive_and_stop, flow, frames, road_scene
from tests.vision.test_incidents import MEDIAN, incidents, kinds
from vision.line import Line
from vision.rules import illegal_uturn, near_miss, pedestrian_on_road, wrong_way
from vision.rules.moment import Moment
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE, PERSON
from vision.tracking.trail import FORESHORTENED, KLASS, SPEED, T, Track


def braking(x: float, *, mps2: float, seconds: float, speed: float = 12.5, y: float = -3.5) -> Way:
    """Steadily from 15 m on, braking from `x` metres for some time, then on as before."""

    def place(t: float) -> tuple[float, float]:
        t -= (x - 15) / speed
        if t < 0:
            return x + speed * t, y
        b = min(t, seconds)
        slowed = x + speed * b - mps2 * b * b / 2
        return slowed + speed * max(t - seconds, 0.0), y

    return place


def conflict(x: float, *, mps2: float = 6.0, seconds: float = 1.3, behind: float = 9.0) -> list[Actor]:
    """One brakes at `x` metres; who follows sees it late, and brakes 3 m further on."""
    late = braking(x + 3, mps2=mps2, seconds=seconds)
    return [
        Actor(klass=MOTORCYCLE, way=braking(x, mps2=mps2, seconds=seconds)),
        Actor(klass=MOTORCYCLE, way=lambda t: late(t - behind / 12.5) if t > behind / 12.5 else None),
    ]


@pytest.mark.parametrize("x", [45.0, 66.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_hard_braking_before_somebody_who_closes_in_is_a_near_miss_near_and_far(x: float, seed: int) -> None:
    assert kinds(road_scene(), conflict(x, mps2=7.0, seconds=1.6, behind=12.0), 12, Faults(jitter=0.03, seed=seed)) == [
        "near_miss"
    ]


def test_comfortable_braking_is_no_near_miss() -> None:
    for seed in (1, 2, 3):
        assert (
            kinds(road_scene(), conflict(50, mps2=3.0, seconds=2.0, behind=14.0), 12, Faults(jitter=0.03, seed=seed))
            == []
        )


def test_a_car_that_brakes_for_somebody_on_the_wrong_side_is_one_incident_and_his() -> None:
    for seed in (1, 2, 3):
        rider = Actor(klass=MOTORCYCLE, rider=True, way=drive(100, -3.3, -7, end=8.5))
        car = Actor(klass=CAR, way=drive_and_stop(12, -3.3, 9, start=4.2, at=36, seconds=9))
        assert kinds(road_scene(), [rider, car], 10, Faults(jitter=0.02, seed=seed)) == ["wrong_way"]
    met = followed(braking(30, mps2=7.0, seconds=1.0), 3.2), followed(drive(70, -3.5, -7), 3.2)
    assert not list(near_miss.find(replace(met[0], tracks=(*met[0].tracks, *met[1].tracks))))


def test_who_comes_into_view_is_not_taken_for_a_queue_that_one_brakes_for() -> None:
    newcomers = flow(10, y=2.5, speed=-9, x=70, every=0.4)  # their speed is unknown for their first frames
    assert kinds(road_scene(), [*conflict(50), *newcomers], 12) == ["near_miss"]


def followed(way: Way, seconds: float, klass: int = MOTORCYCLE) -> Moment:
    """The last frame of a track whose places are exactly those of `way`, whosever they are."""
    track, step = Track(1, 0.0), 1 / FPS
    for frame in range(1, int(seconds * FPS)):
        here, before = way(frame * step), way(frame * step - step)
        if here is not None:
            off = (0.0, 0.0) if before is None else np.subtract(here, before) / step
            track.mean, track.cov = np.array([*here, *off]), 0.1 * np.eye(4)
            track.vote(klass, 0.8)
            track.see(frame * step, np.array([600, 200, 615, 220, 0.8, klass]), np.array(here))
            track.depths = {"away": 3.0, "towards": -3.0, "carriageway": 3.0}
    scene, nothing = road_scene(MEDIAN), np.empty((0, 6))
    return Moment(at=seconds - step, begun=0.0, scene=scene, tracks=(track,), stands=(), boxes=nothing)


def test_a_number_that_went_over_to_a_slower_vehicle_while_nothing_was_seen_has_not_braked() -> None:
    def slower(t: float) -> tuple[float, float] | None:
        tau = t - 2.4
        return (20 + 8 * t, -3.0) if t < 0.95 else (50 + 10.5 * tau - 0.9 * tau * tau, -3.0) if tau >= 0 else None

    leader, follower = followed(slower, 4.0), followed(drive(6.4, -3.0, 14), 4.0)
    for track in (*leader.tracks, *follower.tracks):
        track.place_error = 0.5
    pair = replace(leader, tracks=(*leader.tracks, *follower.tracks))
    assert not list(near_miss.find(pair))


@pytest.mark.parametrize("unseen", [0.2, 1.3])
def test_a_number_that_went_over_to_an_oncoming_vehicle_has_not_turned(unseen: float) -> None:
    """In rain the boxes are so unsure that the tracks let it pass."""
    away, back = drive(12, -0.6, 14), drive(52, 3.7, -13, start=1.9 + unseen)
    swapped = followed(lambda t: away(t) if t < 1.9 else back(t), 3.2 + unseen)
    assert not list(illegal_uturn.find(swapped))


def turning_back(seconds: float) -> Callable[[float], tuple[float, float]]:
    """Away at 3 m/s for four seconds, round within so many, and back 3 m aside."""

    def place(t: float) -> tuple[float, float]:
        angle = np.pi * min(max(t - 4.0, 0.0) / seconds, 1.0)
        back = max(t - 4.0 - seconds, 0.0)
        return 40 + 3 * min(t, 4.0) + 1.5 * float(np.sin(angle)) - 3 * back, -1.5 * float(np.cos(angle))

    return place


def test_a_car_whose_number_went_over_to_an_oncoming_rider_has_not_turned() -> None:
    actor = followed(turning_back(1.8), 7.6)
    (track,) = actor.tracks
    assert list(illegal_uturn.find(actor))  # as a vehicle may turn
    rows = track.trail.rows
    rows[rows[:, T] < 4.5, KLASS] = CAR
    assert not list(illegal_uturn.find(actor))


def test_a_bus_whose_box_wanders_on_and_back_is_not_driving_the_wrong_way() -> None:
    bus = followed(lambda t: (52 + 5 * np.sin(1.2 * (t - 1)), -3.0), 4.6, BUS)
    (track,) = bus.tracks
    assert track.travelled(2.0) > 8
    assert not list(wrong_way.find(bus))
    assert list(wrong_way.find(followed(lambda t: (52 - 4.5 * t, -3.0), 5.0, BUS)))


@pytest.mark.parametrize(("soon", "told"), [(1.0, 1), (3.2, 0)])
def test_who_is_setting_off_faster_than_people_walk_may_be_a_rider(soon: float, told: int) -> None:
    walker = followed(lambda t: (20 + 0.8 * t + max(t - 5.7, 0.0) * (soon - 0.8), -3.0), 6.2, PERSON)
    assert len(list(pedestrian_on_road.find(walker))) == told


@pytest.mark.parametrize("calibrated", [True, False])
def test_metres_are_told_only_where_there_are_any(*, calibrated: bool) -> None:
    actors = [
        Actor(klass=MOTORCYCLE, rider=True, way=drive(80, -6.5, -5, start=2)),
        Actor(klass=PERSON, way=lambda t: (40.0, 9 - 1.3 * (t - 2)) if 2 < t < 16 else None),
    ]
    told = incidents(road_scene(calibrated=calibrated), actors, 16)
    assert {one.kind for one in told} == {"wrong_way", "pedestrian_on_road"}
    for one in told:
        assert ("speed_mps" in one.why) == calibrated
        assert ("metres" in one.why) == (calibrated and one.kind == "wrong_way")
        assert "zone" in one.why


def test_a_turn_is_told_though_the_vehicle_is_missed_now_and_then() -> None:
    def turn(t: float) -> tuple[float, float] | None:
        if 5.0 < t < 5.6:
            return None
        x, y = (12 + 8 * t, -2.0) if t < 5 else (52 - 6 * (t - 7), 2.0)
        return (52.0, -2.0 + 2.0 * (t - 5)) if 5 <= t < 7 else (x, y)

    assert kinds(road_scene(MEDIAN), [Actor(klass=CAR, way=turn)], 12) == ["illegal_uturn"]


@pytest.mark.parametrize(("turning", "told"), [(1.8, 1), (0.1, 0)])
def test_a_turn_takes_its_time_a_number_that_goes_over_to_who_passes_by_does_not(turning: float, told: int) -> None:
    """Slowly, as all that drives along the view looks without metres."""
    actor = followed(turning_back(turning), 6.0 + turning)
    actor.tracks[0].place_error = 0.7  # beyond which boxes that jump tell by themselves
    actor.tracks[0].shrink = FORESHORTENED
    assert len(list(illegal_uturn.find(actor))) == told


@pytest.mark.parametrize(("jump", "told"), [(0.0, 1), (9.0, 0)])
def test_who_turns_back_is_no_further_than_it_can_have_driven(jump: float, told: int) -> None:
    turns = turning_back(1.8)

    def place(t: float) -> tuple[float, float] | None:
        x, y = turns(t)
        return None if 5.8 < t < 6.6 else (x - jump * (t >= 6.6), y)

    actor = followed(place, 8.2)
    rows = actor.tracks[0].trail.rows
    anew = np.searchsorted(rows[:, T], 6.5)
    rows[anew, SPEED] = rows[anew + 1, SPEED]
    actor.tracks[0].shrink = FORESHORTENED
    assert len(list(illegal_uturn.find(actor))) == told


@pytest.mark.parametrize(("arrow", "wrong"), [([1, 0], 1), ([-1, 0], 0)])
def test_where_most_drive_against_a_lanes_arrow_the_arrow_is_wrong(arrow: list[int], wrong: int) -> None:
    lane: dict[str, object] = {
        "name": "lane", "kind": "lane_direction", "world": [[15, 8], [110, 8], [110, 14], [15, 14]], "dir": arrow
    }  # fmt: skip
    rider = Actor(klass=MOTORCYCLE, way=drive(95, 11.0, -5, start=40))
    line = Line(road_scene(lane))
    for at, boxes in frames([*flow(50, y=9.5, every=2), *flow(50, y=12.5, first=1.5), rider], 50):
        line.step(at, boxes)
    assert [incident.kind for incident in line.open] == ["wrong_way"] * wrong


def test_a_number_that_came_along_its_own_lane_and_went_over_to_an_oncoming_car_is_not_driving_the_wrong_way() -> None:
    def place(t: float) -> tuple[float, float] | None:
        return (90 - 6 * t, 1.4) if t < 2 else (72 - 1.6 * (t - 2.5), -4.5) if t > 2.45 else None

    actor = followed(place, 4.4)
    actor.tracks[0].depths = {"away": 2.5, "towards": -4.5, "carriageway": 2.5}
    assert not list(wrong_way.find(actor))
    entirely = followed(lambda t: (90 - 9 * t, -4.5), 4.4)
    entirely.tracks[0].depths = actor.tracks[0].depths
    assert list(wrong_way.find(entirely))
