"""What a camera's line sees, drawn on its pictures: for people who set a camera up."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np

from events.incident import Incident, Severity
from events.names import INCIDENT_KIND_NAMES
from vision.frames.letterbox import Boxes, Image
from vision.line import Line, Seen
from vision.recorded.sketch import INK, Colour, Side, Sketch
from vision.road.ground import Array
from vision.road.scene import LINES, Scene, Zone
from vision.road.zones import clip_to_picture

WEAK: Final = 0.25  # boxes with a lower score are left out of the picture
NIGHT: Final = 40  # grey of the ground where there are boxes and no pictures
TRACK: Final = (110, 230, 110)
ZONES: Final = {
    "lane_direction": (220, 170, 60), "road": (220, 170, 60), "no_pedestrian": (60, 160, 240), "gate": (240, 80, 220),
    "no_parking": (80, 80, 230), "no_stopping": (80, 80, 230), "no_uturn": (200, 90, 160), "stop_line": INK,
    "bus_stop": (120, 200, 200), "parking": (120, 200, 200), "crosswalk": INK, "ignore": (120, 120, 120),
}  # fmt: skip
SEVERITIES: Final[dict[Severity, Colour]] = {
    "critical": (90, 90, 255), "major": (60, 160, 255), "minor": (90, 230, 255), "info": INK,
}  # fmt: skip
ENDED_S: Final = 4.0  # an alert stays written for so long after it has ended
UNSEEN_S: Final = 1.0  # where nothing was seen for longer, the box is thin: it may have gone
ARROW: Final = 0.12  # of the picture's height


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """One picture and what a detector said of it."""

    at: float  # seconds
    picture: Image  # (h, w, 3) BGR
    boxes: Boxes | Array  # (n, 6) x1 y1 x2 y2 score class, in the picture's pixels


def without_pictures(scene: Scene, frames: Iterable[tuple[float, Array]]) -> Iterator[Shot]:
    """Recorded boxes on an empty ground, as large as the camera's picture."""
    ground = np.full((scene.height, scene.width, 3), NIGHT, np.uint8)
    for at, boxes in frames:
        yield Shot(at=at, picture=ground, boxes=boxes)


class Preview:
    """Follows one camera and draws it. Without a scene, what was detected is drawn."""

    def __init__(self, scene: Scene | None, *, model: str | None = None, classes: tuple[str, ...] = ()) -> None:
        self._line = Line(scene, model=model) if scene else None
        self._classes = classes
        self._alerts: dict[str, Incident] = {}
        self._where: dict[str, tuple[float, Side]] = {}  # by incident: when and where its vehicles were last seen

    def draw(self, shots: Iterable[Shot], since: float = 0.0) -> Iterator[tuple[float, Image]]:
        """Each picture with what is known of it, from `since` on; the line follows from the first."""
        for shot in shots:
            self._follow(shot)
            if shot.at < since:
                continue
            sketch = Sketch(shot.picture)
            height = shot.picture.shape[0]
            if self._line is None:
                sketch.label(f"{shot.at:.1f} s", 0, height, must=True)
                self._draw_boxes(sketch, shot.boxes)
            else:
                calibrated = "" if self._line.scene.ground else " · chưa hiệu chuẩn · not calibrated: no speeds"
                sketch.label(f"{self._line.scene.name} · {shot.at:.1f} s{calibrated}", 0, height, must=True)
                self._draw_line(sketch, self._line, shot.at)
            yield shot.at, sketch.image

    def _follow(self, shot: Shot) -> None:
        if self._line is None:
            return
        for fact in self._line.step(shot.at, np.asarray(shot.boxes, np.float64), shot.picture):
            if isinstance(fact, Incident):
                self._alerts[fact.id] = fact
        self._alerts = {
            name: one
            for name, one in self._alerts.items()
            if one.state != "end" or shot.at - one.at.timestamp() <= ENDED_S
        }
        for name, one in self._alerts.items():
            box = _box_of(one, self._line.tracks) or (None if one.tracks else one.place.box)
            if box:
                self._where[name] = shot.at, box

    def _draw_line(self, sketch: Sketch, line: Line, at: float) -> None:
        zones, tracks = line.scene.zones, sorted(line.tracks, key=lambda seen: -_height(seen.box))
        for zone in zones:
            _draw_zone(sketch, zone, line.scene)
        for seen in tracks:
            sketch.box(seen.box, TRACK)
        for number, alert in enumerate(self._alerts.values()):
            sketch.label(_told(alert), 0, (number + 1) * 1.4 * sketch.letter, SEVERITIES[alert.severity], must=True)
            if alert.state != "end" and alert.id in self._where:
                seen_at, box = self._where[alert.id]
                sketch.box(box, SEVERITIES[alert.severity], thick=at - seen_at < UNSEEN_S)
                sketch.label(" · ".join(INCIDENT_KIND_NAMES[alert.kind]), box[0], box[1], SEVERITIES[alert.severity])
        for zone in zones:
            _name_zone(sketch, zone, line.scene)
        for seen in tracks:
            sketch.label(_label(seen, sketch.letter), seen.box[0], seen.box[1], TRACK)

    def _draw_boxes(self, sketch: Sketch, boxes: Boxes | Array) -> None:
        for x1, y1, x2, y2, score, kind in boxes[boxes[:, 4] >= WEAK].tolist():
            name = self._classes[int(kind)] if int(kind) < len(self._classes) else str(int(kind))
            sketch.box((x1, y1, x2, y2), TRACK)
            sketch.label(f"{name} {score:.2f}", x1, y1, TRACK)


def _draw_zone(sketch: Sketch, zone: Zone, scene: Scene) -> None:
    colour = ZONES.get(zone.kind, INK)
    if zone.kind in LINES:
        sketch.line(zone.image[0], zone.image[1], colour)
        return
    sketch.area(zone.image, colour)
    if zone.direction is not None:
        middle = _middle(zone, scene)
        half = ARROW / 2 * scene.height * _ahead(middle, zone.direction, scene)
        sketch.line(middle - half, middle + half, colour, arrow=True)


def _ahead(pixel: Array, direction: Array, scene: Scene) -> Array:
    """(2,) unit vector in the picture of a direction on the scene's plane."""
    if scene.ground is not None:
        here = scene.ground.to_world(pixel[None])
        direction = scene.ground.to_image(here + direction)[0] - pixel
    unit: Array = direction / max(float(np.hypot(*direction)), 1e-9)
    return unit


def _name_zone(sketch: Sketch, zone: Zone, scene: Scene) -> None:
    x, y = _middle(zone, scene)
    sketch.label(f"{zone.name} · {zone.kind.replace('_', ' ')}", x, y, ZONES.get(zone.kind, INK))


def _middle(zone: Zone, scene: Scene) -> Array:
    """(2,) the middle of what the picture shows of a zone."""
    seen = zone.image if zone.kind in LINES else clip_to_picture(zone.image, scene.width, scene.height)
    middle: Array = (seen.min(axis=0) + seen.max(axis=0)) / 2
    return middle


def _box_of(alert: Incident, tracks: tuple[Seen, ...]) -> Side | None:
    """What holds all of its vehicles, where they are seen."""
    boxes = [seen.box for seen in tracks if seen.number in alert.tracks]
    if not boxes:
        return None
    corners = np.array(boxes)
    x1, y1, x2, y2 = (float(side) for side in (*corners[:, :2].min(axis=0), *corners[:, 2:].max(axis=0)))
    return x1, y1, x2, y2


def _told(alert: Incident) -> str:
    names = " · ".join(INCIDENT_KIND_NAMES[alert.kind])
    why = ", ".join(_fact(key, value) for key, value in alert.why.items())
    ended = " · đã kết thúc · ended" if alert.state == "end" else ""
    return f"{names} ({alert.confidence:.0%}): {why}{ended}"


def _fact(key: str, value: float | str) -> str:
    if isinstance(value, str):
        return value
    if key.endswith("_mps"):
        return f"{key.removesuffix('_mps').replace('_', ' ')} {3.6 * value:.0f} km/h"
    return f"{key.replace('_', ' ')} {value:g}"


def _label(seen: Seen, letter: int) -> str:
    """All that is known of a near one; of a small box its speed alone, or its number."""
    speed = "" if seen.speed_mps is None else f"{3.6 * seen.speed_mps:.0f} km/h"
    if _height(seen.box) > 3 * letter or not speed:
        return f"{seen.number} {seen.klass} {speed}".rstrip()
    return speed.removesuffix(" km/h")


def _height(box: Side) -> float:
    return box[3] - box[1]
