"""Vehicles that stand, and those that drive past them."""

import numpy as np
import pytest

from events.incident import Incident
from tests.vision.street import FPS, Actor, Faults, drive, drive_and_stop, flow, frames, project, road_scene
from tests.vision.test_rest import braking, seen, stretch
from vision.line import Line
from vision.road.ground import Array
from vision.road.scene import Scene
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE
from vision.tracking.certainty import Certainty
from vision.tracking.stand import Stand
from vision.tracking.standing import Standing
from vision.tracking.trail import ERROR_S, Track

MISSED = 0.15
STOP: dict[str, object] = {"name": "bus", "kind": "bus_stop", "world": [[50, -7], [72, -7], [72, -3], [50, -3]]}


def stopped(frames_: list[tuple[float, Array]], scene: Scene | None = None) -> list[tuple[float, float]]:
    """(when told, since when) of each stopped vehicle."""
    line = Line(scene or road_scene())
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


def wandering(actors: list[Actor], seconds: float, jitter: float, seed: int) -> list[tuple[float, Array]]:
    """Frames in which each actor's box is wrong by `jitter` of its height, and stays wrong alike for ERROR_S."""
    random, stays = np.random.default_rng(seed), np.exp(-1 / FPS / ERROR_S)
    errors = random.normal(0, 1, (len(actors), 4))
    out = []
    for at, _ in frames([], seconds):
        errors = stays * errors + np.sqrt(1 - stays**2) * random.normal(0, 1, errors.shape)
        boxes = [
            [
                *(box + error * jitter * (box[3] - box[1])),
                float(np.clip(random.normal(0.7, 0.08), 0.3, 0.97)),
                actor.klass,
            ]
            for actor, error in zip(actors, errors, strict=True)
            if (box := _exact(actor, at)) is not None and random.random() > MISSED
        ]
        out.append((at, np.array(boxes).reshape(-1, 6)))
    return out


def _exact(actor: Actor, at: float) -> Array | None:
    place = actor.way(at)
    return None if place is None else project(actor.klass, np.array(place), np.array([1.0, 0.0]))


def far_stop(at: float, seconds: float, seed: int) -> list[tuple[float, float]]:
    car = Actor(klass=CAR, way=drive_and_stop(12, -5, 8, start=3, at=at, seconds=seconds))
    return stopped(wandering([car, *flow(38, y=-1.8, every=2.5)], 40, 0.075, seed))


@pytest.mark.parametrize("at", [60, 85])
def test_a_car_whose_box_wanders_is_told_as_soon_as_it_has_surely_stood(at: float) -> None:
    rest = 3 + (at - 12) / 8 + 8 / 6
    for seed in range(3):
        (one,) = far_stop(at, 25, seed)
        assert rest + 10 < one[0] < rest + 20
        assert abs(one[1] - rest) < 3


def test_a_short_stop_is_not_told_where_boxes_wander() -> None:
    assert [far_stop(at, 7.5, seed) for at in (60, 85) for seed in (3, 4)] == [[]] * 4


def test_who_waits_behind_a_bus_at_its_stop_did_not_meet_it() -> None:
    bus = Actor(klass=BUS, way=drive_and_stop(12, -5, 8, start=3, at=60, seconds=20))
    behind = Actor(klass=MOTORCYCLE, way=drive_and_stop(12, -5.2, 8, start=5, at=52.5, seconds=18))
    street = frames([bus, behind, *flow(40, y=-1.8, every=2)], 45, Faults(jitter=0.03))
    assert stopped(list(street), road_scene(STOP)) == []


def test_what_was_told_stays_told_while_others_gather_behind_it() -> None:
    car = Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=3, at=50, seconds=90))
    jam = [
        Actor(klass=CAR, way=drive_and_stop(12, y, 8, start=30 + 3 * n, at=x, seconds=30))
        for n, (x, y) in enumerate([(60, -1.8), (52, -1.8), (43, -5), (44, -1.8)])
    ]
    assert len(stopped(list(frames([car, *flow(28, y=-1.8), *jam], 85)))) == 1


def standing_car(times: Array, along: Array) -> Track:
    """A car whose boxes were at these metres along the road, and which stands now."""
    track = seen(times, along, 0.2, 1)
    track.vote(CAR, 0.8)
    track.mean, track.cov = np.array([along[-1], 0.0, 0, 0]), 0.01 * np.eye(4)
    track.depths = {"away": 1.0}
    return track


def test_who_took_an_oncoming_number_over_faces_along_its_lane() -> None:
    lane, times = road_scene().zones[0], stretch(-6, 3)
    (stand,) = Standing((lane,)).step(3.0, np.empty((0, 6)), (standing_car(times, 60 - braking(times, 2.5)),))
    assert lane.direction is not None
    assert stand.heading is not None
    assert stand.heading @ lane.direction > 0


def test_a_new_number_takes_the_place_along_only_once_it_has_been_followed_as_long() -> None:
    times = stretch(-8, 8)
    stand = Stand(standing_car(stretch(-8, 3), braking(stretch(-8, 3), 2.5)), 3.0)
    stand.look(8.0, standing_car(times, braking(times, 2.5)))
    creeping = stretch(9, 12)
    stand.look(12.0, standing_car(creeping, 1.5 * (creeping - 9)))
    assert abs(stand.place[0]) < 0.5
    assert stand.still < 8.0


def in_rain(actors: list[Actor], seconds: float, score: float) -> list[tuple[float, Array]]:
    """Frames in which whatever is seen scores about `score`, real or not."""
    random = np.random.default_rng(8)
    out = []
    for at, boxes in frames(actors, seconds):
        boxes[:, 4] = random.normal(score, 0.04, len(boxes))
        out.append((at, boxes))
    return out


@pytest.mark.parametrize(("drivers", "told"), [(0.5, 1), (0.75, 0)])
def test_what_scores_little_is_a_vehicle_where_all_that_drives_there_scores_as_little(
    drivers: float, told: int
) -> None:
    traffic = [*flow(75, y=-1.8, every=3, klass=CAR), *flow(75, y=-5.2, every=3, klass=CAR, x=60)]
    weak = Actor(klass=CAR, way=lambda t: (52.0, -5.2) if t > 30 and int(10 * t) % 10 < 7 else None)
    both = zip(in_rain(traffic, 75, drivers), in_rain([weak], 75, 0.5), strict=True)
    assert len(stopped([(at, np.vstack((moving, still))) for (at, moving), (_, still) in both])) == told


def test_a_ghost_stays_unsure_where_all_that_drives_scores_as_little() -> None:
    certainty = Certainty()
    for _ in range(500):
        certainty.learn(20, 0.38)
    assert 0.38 < certainty.sure(20) < 0.5
