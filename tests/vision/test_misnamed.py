"""Vehicles that the detector calls something else for a while."""

from collections.abc import Iterable, Sequence

from events.incident import Incident
from tests.vision.street import Actor, Way, drive, drive_and_stop, flow, frames, road_scene
from vision.recorded.replay import replay
from vision.road.ground import Array
from vision.road.scene import Scene
from vision.tracking.boxes import BUS, PERSON, TRUCK

STOP: dict[str, object] = {"name": "bus", "kind": "bus_stop", "world": [[30, -7], [60, -7], [60, -3], [30, -3]]}


def kinds(scene: Scene, seen: Iterable[tuple[float, Array]]) -> list[str]:
    return [fact.kind for fact in replay(scene, seen) if isinstance(fact, Incident) and fact.rev == 1]


def on_foot(*ways: Way, among: Sequence[Actor] = ()) -> list[str]:
    """What is told of movers that are called people from first to last."""
    return kinds(road_scene(), frames([*(Actor(klass=PERSON, way=way) for way in ways), *among], 40))


def rolling(t: float) -> tuple[float, float]:
    """A rider who comes at 9 m/s, brakes at 3 m/s² from the third second on, and goes on at a walker's pace."""
    braking = min(max(t - 2.0, 0.0), 2.6)
    return 10 + 9 * min(t, 4.6) - 1.5 * braking**2 + 1.2 * max(t - 4.6, 0.0), -3.0


def test_who_came_fast_along_the_lane_and_slows_down_rides() -> None:
    assert on_foot(rolling) == []


def test_a_rider_who_waits_takes_no_step() -> None:
    assert on_foot(lambda t: (60.0, -3.0) if 2 < t < 27 else None) == []


def test_who_walks_along_a_free_lane_is_told() -> None:
    assert on_foot(drive(30, -3, 1.3, start=2)) == ["pedestrian_on_road"]


def test_a_bus_that_was_first_called_a_truck_is_a_bus_at_its_stop() -> None:
    bus = Actor(klass=BUS, way=drive_and_stop(15, -5, 8, start=5, at=45, seconds=40))
    seen = list(frames([bus, *flow(60, y=-1.8)], 60))
    for at, boxes in seen:
        boxes[(boxes[:, 5] == BUS) & (at < 9.5), 5] = TRUCK
    assert kinds(road_scene(STOP), seen) == []
