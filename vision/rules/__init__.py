"""One kind of incident a file: each rule looks at a moment and says what it finds."""

from collections.abc import Callable, Iterable

from events.incident import IncidentKind
from vision.moment import Finding, Moment
from vision.rules import pedestrian_on_road, stopped_vehicle
from vision.scene import Scene

Rule = Callable[[Moment], Iterable[Finding]]


def rules_for(scene: Scene) -> dict[IncidentKind, Rule]:
    """The rules that this camera's zones and calibration allow."""
    rules: dict[IncidentKind, Rule] = {}
    if scene.of_kind("road", "lane_direction"):
        rules["stopped_vehicle"] = stopped_vehicle.find
    if scene.of_kind("no_pedestrian"):
        rules["pedestrian_on_road"] = pedestrian_on_road.find
    return rules
