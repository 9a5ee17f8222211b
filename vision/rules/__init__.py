"""One kind of incident a file: each rule looks at a moment and says what it finds."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from events.about import ZoneKind
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """How a kind is found, and what it needs to know of a camera: any of these zones, metres, a speed limit.

    What is told `anywhere` is so of a camera for which nobody has drawn any zone yet: its whole picture is road.
    """

    make: Callable[[Scene], Rule]
    zones: tuple[ZoneKind, ...]
    anywhere: bool = False
    metres: bool = False
    limit: bool = False

    def lacks(self, scene: Scene) -> Iterator[str]:
        """What the camera's file does not say."""
        if not scene.of_kind(*self.zones) and (scene.zones or not self.anywhere):
            yield f"no zone of kind {' or '.join(self.zones)}"
        if self.metres and scene.ground is None:
            yield "not calibrated"
        if self.limit and scene.speed_limit_mps is None:
            yield "no speed_limit_mps"


def _always(rule: Rule) -> Callable[[Scene], Rule]:
    """A rule that remembers nothing of a camera."""
    return lambda _: rule


ROADS: Final = ("road", "lane_direction")
OFFERS: Final[dict[IncidentKind, Offer]] = {
    "stopped_vehicle": Offer(make=_always(stopped_vehicle.find), zones=ROADS),
    "debris": Offer(make=debris.rule, zones=ROADS),
    "collision": Offer(make=_always(collision.find), zones=ROADS, anywhere=True),
    "near_miss": Offer(make=_always(near_miss.find), zones=ROADS, metres=True),
    "congestion": Offer(make=congestion.rule, zones=ROADS, metres=True),
    "speeding": Offer(make=_always(speeding.find), zones=ROADS, metres=True, limit=True),
    "wrong_way": Offer(make=wrong_way.rule, zones=("lane_direction",)),
    "pedestrian_on_road": Offer(make=_always(pedestrian_on_road.find), zones=("no_pedestrian",)),
    "illegal_parking": Offer(make=_always(illegal_parking.find), zones=("no_parking", "no_stopping")),
    "illegal_uturn": Offer(make=_always(illegal_uturn.find), zones=("no_uturn",)),
}


def rules_for(scene: Scene) -> dict[IncidentKind, Rule]:
    """The rules that this camera's zones and calibration allow."""
    return {kind: offer.make(scene) for kind, offer in OFFERS.items() if not any(offer.lacks(scene))}


def limits(scene: Scene) -> str:
    """What this camera can't tell, and what its file would have to say for it; empty where it tells every kind."""
    lacking: dict[str, list[str]] = {}
    for kind, offer in OFFERS.items():
        why = ", ".join(offer.lacks(scene))
        if why:
            lacking.setdefault(why, []).append(kind)
    return "; ".join(f"{', '.join(kinds)} ({why})" for why, kinds in lacking.items())
