"""One kind of incident a file: each rule looks at a moment and says what it finds."""

from collections.abc import Callable, Iterable

from events.incident import IncidentKind
from vision.road.scene import Scene
from vision.rules import (
    collision,
    congestion,
    debris,
    illegal_parking,
    illegal_uturn,
    near_miss,
    pedestrian_on_road,
    speeding,
    stopped_vehicle,
    wrong_way,
)
from vision.rules.moment import Finding, Moment

Rule = Callable[[Moment], Iterable[Finding]]


def rules_for(scene: Scene) -> dict[IncidentKind, Rule]:
    """The rules that this camera's zones and calibration allow."""
    rules: dict[IncidentKind, Rule] = {}
    calibrated = scene.ground is not None
    if scene.of_kind("road", "lane_direction"):
        rules["stopped_vehicle"] = stopped_vehicle.find
        rules["debris"] = debris.rule(scene)
        rules["collision"] = collision.find
        if calibrated:
            rules["near_miss"] = near_miss.find
            rules["congestion"] = congestion.rule(scene)
            if scene.speed_limit_mps is not None:
                rules["speeding"] = speeding.find
    if scene.of_kind("lane_direction"):
        rules["wrong_way"] = wrong_way.find
    if scene.of_kind("no_pedestrian"):
        rules["pedestrian_on_road"] = pedestrian_on_road.find
    if scene.of_kind("no_parking", "no_stopping"):
        rules["illegal_parking"] = illegal_parking.find
    if scene.of_kind("no_uturn"):
        rules["illegal_uturn"] = illegal_uturn.find
    return rules
