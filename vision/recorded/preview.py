"""What a camera's line sees, drawn on its pictures: for people who set a camera up."""

import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np

from events.incident import Incident
from vision.detection.detect import Detector
from vision.errors import VisionError
from vision.frames.frame import Frame
from vision.frames.letterbox import Boxes, Image
from vision.line import Line, Seen
from vision.road.scene import Scene

WEAK: Final = 0.25  # boxes with a lower score are left out of the picture
LINES: Final = frozenset({"gate", "stop_line"})
WHITE: Final = (255, 255, 255)
ALERT: Final = (60, 60, 255)  # BGR
TRACK: Final = (80, 220, 80)
ZONES: Final = {
    "lane_direction": (220, 170, 60), "road": (220, 170, 60), "no_pedestrian": (60, 160, 240), "gate": (240, 80, 220),
    "no_parking": (60, 60, 220), "no_stopping": (60, 60, 220), "stop_line": WHITE, "ignore": (90, 90, 90),
}  # fmt: skip
ALERT_SECONDS: Final = 4.0  # for how long an alert stays written after its last revision
MILLISECOND: Final = Fraction(1, 1000)


class Preview:
    """Follows one camera and draws it. Without a scene, what was detected is drawn."""

    def __init__(self, scene: Scene | None, detector: Detector) -> None:
        self._detector = detector
        self._scene = scene
        self._line = Line(scene, model=detector.info.name) if scene else None
        self._alerts: dict[str, Incident] = {}

    def draw(self, frames: Iterable[Frame]) -> Iterator[tuple[Frame, Image]]:
        """Each frame with a drawn copy of its picture, in the scene's size."""
        for frame in frames:
            image = np.ascontiguousarray(frame.image).copy()
            if self._scene and frame.size != (self._scene.width, self._scene.height):
                image = np.asarray(cv2.resize(image, (self._scene.width, self._scene.height)), np.uint8)
            boxes = self._detector.detect([image])[0]
            if self._line:
                for fact in self._line.step(frame.at, boxes.astype(np.float64), image):
                    if isinstance(fact, Incident):
                        self._alerts[fact.id] = fact
                self._draw_line(image, frame.at)
            else:
                _draw_boxes(image, boxes, self._detector.info.classes)
            _write(image, f"{frame.at:.1f} s", (8, 18), WHITE)
            yield frame, image

    def _draw_line(self, image: Image, at: float) -> None:
        assert self._line is not None
        for zone in self._line.scene.zones:
            points = zone.image.round().astype(np.int32)
            colour = ZONES.get(zone.kind, WHITE)
            cv2.polylines(image, [points], zone.kind not in LINES, colour, 1, cv2.LINE_AA)
            _write(image, zone.name, (int(points[:, 0].mean()), int(points[:, 1].mean())), colour)
        for seen in self._line.tracks:
            _draw_box(image, seen.box, _label(seen), TRACK)
        row = 36
        for alert in self._alerts.values():
            if at - alert.at.timestamp() > ALERT_SECONDS:
                continue
            if alert.place.box and alert.state != "end":
                _draw_box(image, alert.place.box, alert.kind, ALERT, 2)
            _write(image, f"{alert.kind} {alert.state} {alert.confidence:.2f}", (8, row), ALERT)
            row += 18


def _label(seen: Seen) -> str:
    speed = "" if seen.speed_mps is None else f" {3.6 * seen.speed_mps:.0f} km/h"
    return f"{seen.number} {seen.klass}{speed}"


def _draw_boxes(image: Image, boxes: Boxes, names: tuple[str, ...]) -> None:
    for x1, y1, x2, y2, score, kind in boxes[boxes[:, 4] >= WEAK].tolist():
        _draw_box(image, (x1, y1, x2, y2), f"{names[int(kind)]} {score:.2f}", TRACK)


def _draw_box(
    image: Image, box: tuple[float, float, float, float], text: str, colour: tuple[int, int, int], width: int = 1
) -> None:
    x1, y1, x2, y2 = (round(side) for side in box)
    cv2.rectangle(image, (x1, y1), (x2, y2), colour, width)
    _write(image, text, (x1, max(10, y1 - 3)), colour)


def _write(image: Image, text: str, at: tuple[int, int], colour: tuple[int, int, int]) -> None:
    for ink, width in (((0, 0, 0), 3), (colour, 1)):
        cv2.putText(image, text, at, cv2.FONT_HERSHEY_SIMPLEX, 0.42, ink, width, cv2.LINE_AA)


def write_preview(drawn: Iterable[tuple[float, Image]], out: Path, *, last_only: bool) -> int:
    """Write (seconds, image) as a film, or the last as a picture; return how many frames went in.

    Raises:
        VisionError: the file cannot be written.
    """
    if last_only:
        last: Image | None = None
        for _, image in drawn:
            last = image
        if last is None:
            return 0
        if not cv2.imwrite(str(out), last):
            raise VisionError(f"{out}: cannot be written")
        return 1
    with tempfile.NamedTemporaryFile(dir=out.parent, suffix=".mp4") as part:
        written = _write_film(drawn, part.name)
        out.write_bytes(Path(part.name).read_bytes())
    return written


def _write_film(drawn: Iterable[tuple[float, Image]], name: str) -> int:
    written, first = 0, 0.0
    with av.open(name, "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", 25, {"crf": "23", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECOND
        for at, image in drawn:
            even = image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
            if not written:
                first, stream.width, stream.height = at, even.shape[1], even.shape[0]
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="bgr24")
            picture.pts, picture.time_base = round((at - first) * 1000), MILLISECOND
            container.mux(stream.encode(picture))
            written += 1
        if written:
            container.mux(stream.encode(None))
    return written
