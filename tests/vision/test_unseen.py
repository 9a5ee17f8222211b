"""What a camera cannot see: roads behind buses, who is hidden, numbers that belonged to others, what a pace tells."""

import numpy as np
import pytest

from events.incident import Incident
from tests.vision.street import FPS, Actor, drive, drive_and_stop, flow, project, road_scene
from tests.vision.test_incidents import KERB, LINE, kinds
from tests.vision.test_misnamed import on_foot
from tests.vision.test_rest import braking
from vision.recorded.replay import replay
from vision.road.ground import Array
from vision.rules import near_miss
from vision.rules.moment import Moment
from vision.rules.queueing import sees_ahead
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE, PERSON, admit
from vision.tracking.standing import GONE_S, HIDDEN_S, Standing
from vision.tracking.trail import PLACE, T, Track

AHEAD = np.array([1.0, 0.0])
PLACE_M = np.array([50.0, -5.2])


def box_of(klass: int, place: Array = PLACE_M) -> Array:
    box = project(klass, place, AHEAD)
    assert box is not None
    return box


def passed_by(klass: int, others: int) -> list[Actor]:
    """One that stands for a minute, with so many that drive past in the lane beside it."""
    stopped = Actor(klass=klass, way=drive_and_stop(15, -5.2, 8, start=3, at=50, seconds=70))
    return [stopped, *flow(14 + 3 * others, y=-1.8, every=3, first=14)]


@pytest.mark.parametrize(("klass", "others", "told"), [(CAR, 2, 1), (BUS, 2, 0), (BUS, 8, 1)])
def test_a_bus_hides_the_queue_that_it_may_stand_in_until_many_have_driven_past(
    klass: int, others: int, told: int
) -> None:
    assert kinds(road_scene(), passed_by(klass, others), 60) == ["stopped_vehicle"] * told


def test_the_road_before_a_car_is_seen_and_that_before_a_bus_only_where_it_comes_towards_the_camera() -> None:
    scene = road_scene()
    foot = np.array([47.0, -5.2])
    assert sees_ahead(scene, foot, box_of(CAR), AHEAD)
    assert not sees_ahead(scene, foot, box_of(BUS), AHEAD)
    assert sees_ahead(scene, foot, box_of(BUS), -AHEAD)


def test_a_bus_that_may_stand_in_a_queue_does_not_park() -> None:
    def kerb(klass: int) -> list[Actor]:
        return [Actor(klass=klass, way=drive_and_stop(15, -8, 8, start=5, at=40, seconds=90))]

    assert kinds(road_scene(KERB), kerb(CAR), 85) == ["illegal_parking"]
    assert kinds(road_scene(KERB), kerb(BUS), 85) == []


def test_who_was_not_seen_to_come_may_wait_for_the_light_as_well() -> None:
    waiting = Actor(klass=CAR, way=lambda t: (66.0, -5.2) if t > 8 else None)
    passing = flow(60, y=-1.8, every=4)
    assert kinds(road_scene(), [waiting, *passing], 60) == ["stopped_vehicle"]
    assert kinds(road_scene(LINE), [waiting, *passing], 60) == []


def standing(seconds: float = 4.0) -> tuple[Standing, Track, Array]:
    """A car that has stood for some seconds, under a number that is going to be lost."""
    box = box_of(CAR)
    track, stands = Track(1, 0.0), Standing(road_scene().zones[:1])
    track.mean, track.cov = np.array([48.0, -5.2, 0, 0]), 0.01 * np.eye(4)
    track.depths = {"away": 1.8}
    for frame in range(int(seconds * FPS)):
        track.vote(CAR, 0.8)
        track.see(frame / FPS, np.array([*box, 0.8, CAR]), np.array([48.0, -5.2]))
        stands.step(frame / FPS, np.array([[*box, 0.8, CAR]]), (track,))
    assert len(stands.stands) == 1
    return stands, track, box


def left(stands: Standing, start: float, seconds: float, hidden: float) -> bool:
    """Whether it is gone after so long unseen, in that share of the frames behind a bus that stands before it."""
    bus = np.array([[*np.add(box_of(CAR), (-60, -120, 60, 30)), 0.8, BUS]])
    random = np.random.default_rng(4)
    for frame in range(int(seconds * FPS)):
        boxes = bus if random.random() < hidden else np.array([[10, 10, 20, 20, 0.8, CAR]])
        stands.step(start + frame / FPS, boxes, ())
    return not stands.stands


def test_what_a_bus_hides_goes_on_standing_though_the_detector_misses_the_bus_now_and_then() -> None:
    assert not left(standing()[0], 4.0, HIDDEN_S - 5, 0.9)
    assert left(standing()[0], 4.0, GONE_S + 1, 0.0)
    assert left(standing()[0], 4.0, HIDDEN_S + 1, 1.0)


def test_a_number_that_drives_off_with_another_leaves_its_way_with_whom_it_belonged_to() -> None:
    stands, old, box = standing()
    away = np.array([300.0, 500, 360, 540])
    for n in range(1, 12):  # another vehicle, which has come near, drives off under its number
        at, place = 4.0 + n / FPS, np.array([48.0 - 1.2 * n, -3.0])
        old.mean = np.array([*place, -12.0, 0.0])
        old.see(at, np.array([*away, 0.8, CAR]), place)
        stands.step(at, np.array([[*away, 0.8, CAR]]), (old,))
    new = Track(2, 5.2)
    new.mean, new.cov = np.array([48.0, -5.2, 0, 0]), 0.01 * np.eye(4)
    new.vote(CAR, 0.8)
    new.see(5.2, np.array([*box, 0.8, CAR]), np.array([48.0, -5.2]))
    (stand,) = stands.step(5.2, np.array([[*box, 0.8, CAR], [*away, 0.8, CAR]]), (old, new))
    assert stand.owner == new.number
    assert stand.since < 1.0
    assert old.trail.rows[0, T] > 4.0
    assert np.all(old.trail.rows[:, PLACE][:, 0] < 47.5)


def test_who_comes_to_rest_aslant_faces_along_its_lane() -> None:
    lane, track = road_scene().zones[0], Track(1, 0.0)
    for frame in range(60):
        on = braking(np.array([frame / FPS - 3.0]), 2.0)[0]
        place = PLACE_M + on * np.array([0.8, -0.6])
        track.vote(CAR, 0.8)
        track.see(frame / FPS, np.array([*box_of(CAR), 0.8, CAR]), place)
        track.mean, track.cov = np.array([*place, 0, 0]), 0.01 * np.eye(4)
    track.depths = {"away": 1.8}
    (stand,) = Standing((lane,)).step(6.0, np.empty((0, 6)), (track,))
    assert stand.heading is not None
    assert stand.heading.tolist() == [1.0, 0.0]


def pair(apart: float, *, away: bool, seconds: float = 3.5, drift: float = 0.0) -> list[str]:
    """What is told of two whose boxes are exact: a bus stops at 8 m/s², a motorcycle comes on behind it at 10 m/s.

    Their places are `apart` metres apart before; the bus's box drifts back by so much a second once it stands.
    """
    tracks, sign = [], 1.0 if away else -1.0
    for number, klass in ((1, BUS), (2, MOTORCYCLE)):
        track = Track(number, 0.0)
        for frame in range(1, int(seconds * FPS) + 1):
            t = frame / FPS
            late = max(t - 2.2, 0.0)
            braked = min(late, 1.25)
            stopped = 10 * (t - late) + 10 * braked - 4 * braked**2 - drift * (late - braked)
            on, v = (stopped, 10 - 8 * braked) if number == 1 else (10 * t - apart, 10.0)
            place = np.array([60.0 + sign * (on - 32), -3.0])
            bottom = 500 - 3 * place[0]
            track.mean, track.cov, track.place_error = np.array([*place, sign * v, 0]), 0.05 * np.eye(4), 0.1
            track.vote(klass, 0.8)
            track.see(t, np.array([600, bottom - 40, 640, bottom, 0.8, klass]), place)
            track.depths = {"away": 3.0, "towards": -3.0, "carriageway": 3.0}
        tracks.append(track)
    nothing = np.empty((0, 6))
    moment = Moment(at=seconds, begun=0.0, scene=road_scene(), tracks=tuple(tracks), stands=(), boxes=nothing)
    return [finding.kind for finding in near_miss.find(moment)]


def test_the_gap_between_two_is_measured_between_the_ends_that_the_camera_sees() -> None:
    assert pair(26.5, away=True) == []  # 17.9 m from the bus's rear to the motorcycle's front: 1.8 s
    assert pair(26.5, away=False) == ["near_miss"]  # 8.8 m from its rear, which the camera does not see, to that


def test_who_has_braked_to_a_halt_does_not_reverse_though_its_box_drifts_back() -> None:
    assert pair(28.0, away=True, seconds=3.9) == []
    assert pair(28.0, away=True, seconds=3.9, drift=1.5) == []
    assert pair(26.0, away=True, seconds=3.9) == ["near_miss"]


def test_who_goes_along_a_lane_slower_than_people_walk_may_be_a_rider_in_a_queue() -> None:
    assert on_foot(drive(50, -3, 0.55, start=2, end=28)) == []


def test_the_rider_of_a_motorcycle_that_is_called_a_person_is_no_second_one() -> None:
    whole, upper = [600, 300, 620, 350, 0.6, PERSON], [601, 299, 619, 338, 0.7, PERSON]
    beside = [612, 300, 640, 350, 0.7, PERSON]
    assert admit(np.array([upper, whole, beside], float))[:, :4].tolist() == [beside[:4], whole[:4]]


@pytest.mark.parametrize(("score", "told"), [(0.38, 0), (0.6, 1)])
def test_who_takes_no_step_for_half_a_minute_is_somebody_only_if_no_false_box_scores_so_well(
    score: float, told: int
) -> None:
    random = np.random.default_rng(6)
    seen = [
        (n / FPS, np.array([[*(box_of(PERSON) + random.normal(0, 0.6, 4)), random.normal(score, 0.05), PERSON]]))
        for n in range(int(40 * FPS))
    ]
    facts = [fact for fact in replay(road_scene(), seen) if isinstance(fact, Incident) and fact.rev == 1]
    assert [fact.kind for fact in facts] == ["pedestrian_on_road"] * told
