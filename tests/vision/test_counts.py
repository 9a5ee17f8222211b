"""Minute counts: each vehicle once, zero minutes too."""

from itertools import pairwise

import pytest

from events.traffic import TrafficMinute
from tests.vision.street import Actor, Faults, drive, flow, frames, road_scene
from vision.line import Line
from vision.recorded.replay import minutes_of, replay
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE

GATE: dict[str, object] = {"name": "gate", "kind": "gate", "world": [[40, 9], [40, -9]]}


def total(minutes: list[TrafficMinute], zone: str, **of: str) -> int:
    return sum(
        flow.count
        for minute in minutes
        if minute.zone == zone
        for flow in minute.flows
        if all(getattr(flow, name) == value for name, value in of.items())
    )


@pytest.mark.parametrize("miss", [0.05, 0.3])
def test_each_vehicle_counts_once_by_class_and_direction(miss: float) -> None:
    away, towards = flow(150, y=-3, every=2.5), flow(150, y=3, speed=-9, x=110, every=4, klass=CAR)
    told = minutes_of(replay(road_scene(GATE), frames([*away, *towards], 170, Faults(miss=miss))))
    assert total(told, "gate") == pytest.approx(len(away) + len(towards), rel=0.03)
    assert total(told, "away", direction="along", klass="motorcycle") == pytest.approx(len(away), rel=0.03)
    assert total(told, "towards", direction="along", klass="car") == pytest.approx(len(towards), rel=0.03)
    assert total(told, "away", direction="against") == 0
    ways = {flow.direction: flow.klass for minute in told if minute.zone == "gate" for flow in minute.flows}
    assert ways in ({"in": "motorcycle", "out": "car"}, {"out": "motorcycle", "in": "car"})


def test_speeds_are_the_streets_own() -> None:
    told = minutes_of(replay(road_scene(), frames(flow(60, y=-3, speed=8, klass=CAR), 80)))
    flows = [one for minute in told if minute.zone == "away" for one in minute.flows]
    assert flows[0].speed_mps == pytest.approx(8, rel=0.06)


def test_a_minute_in_which_nothing_passed_is_told_too() -> None:
    told = minutes_of(replay(road_scene(), frames([Actor(klass=CAR, way=drive(12, -3, 10, start=130))], 150)))
    away = [minute for minute in told if minute.zone == "away"]
    assert [bool(minute.flows) for minute in away] == [False, False, True]
    assert [minute.seconds for minute in away] == [60, 60, pytest.approx(29.9)]
    assert all((b.start - a.start).total_seconds() == 60 for a, b in pairwise(away))
    assert away[0].occupancy == 0.0
    assert away[0].trusted


def test_motorcycles_and_buses_weigh_what_they_weigh() -> None:
    actors = [
        Actor(klass=klass, way=drive(12, -3, 10, start=5.0 * n)) for n, klass in enumerate((CAR, BUS, MOTORCYCLE))
    ]
    told = minutes_of(replay(road_scene(), frames(actors, 30)))
    assert next(minute.pcu for minute in told if minute.zone == "away") == pytest.approx(1 + 2.5 + 0.25)


def test_a_minute_in_which_the_camera_was_unwell_is_marked() -> None:
    line = Line(road_scene())
    told = []
    for at, boxes in frames(flow(180, y=-3), 180):
        if round(at, 1) in {70.0, 80.0}:
            line.trust(ok=round(at, 1) == 80.0)
        told += line.step(at, boxes)
    away = [minute for minute in minutes_of([*told, *line.finish()]) if minute.zone == "away"]
    assert [minute.trusted for minute in away] == [True, False, True]
