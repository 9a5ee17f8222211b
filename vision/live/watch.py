"""One camera's frames with their boxes → incidents, counts, evidence, health. No threads and no clock."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from msgspec.structs import replace
from numpy.typing import NDArray

from events.health import Health
from events.incident import Incident
from events.traffic import TrafficMinute
from vision.evidence import Ring, Wanted, asks_for_evidence, still
from vision.frames.frame import Frame
from vision.frames.letterbox import Boxes, Image
from vision.health import HealthWatch
from vision.line import Line
from vision.live.facts import Fact
from vision.recorded.recording import BoxWriter
from vision.road.scene import Scene

HELD_SECONDS: Final = 0.2  # where nothing moves, the line need not be told at every frame
MINUTE: Final = 60.0
NOTHING: Boxes = np.empty((0, 6), np.float32)


class Watch:
    """Follows one camera. `clips` that are complete wait in it until they are taken."""

    def __init__(
        self,
        scene: Scene,
        model: str,
        *,
        live: bool = False,
        blur: bool = True,
        clips: bool = True,
        record: Path | None = None,
    ) -> None:
        self.scene = scene
        self.clips: list[Wanted] = []
        self.line = Line(scene, model=model)
        self._health = HealthWatch(scene.name, live=live)
        self._blur = blur
        self._ring = Ring(camera=scene.name, blur=blur) if clips else None
        self._boxes = NOTHING
        self._stepped = -math.inf
        self._kinds: dict[str, str] = {}  # of the incidents that are open
        self._minutes: list[TrafficMinute] = []  # that wait until it is clear whether the camera was well
        self._writer = BoxWriter(record) if record else None

    def see(self, frame: Frame, boxes: Boxes | None) -> list[Fact]:
        """What `frame` brings. `boxes`: (n, 6) in the frame's pixels; None: those of the frame before still hold."""
        if boxes is not None:
            self._boxes = boxes
        if self._ring:
            self.clips += self._ring.add(frame, self._boxes)
        unwell = self._trust(self._health.see(frame))
        if boxes is None and frame.at - self._stepped < HELD_SECONDS:
            return [*unwell, *self._settled()]
        self._stepped = frame.at
        scaled = self._in_scene(self._boxes, frame)
        if self._writer:
            self._writer.write(frame.at, scaled)
        image = None if boxes is None else self._scene_image(frame)
        told = self.line.step(frame.at, None if boxes is None else scaled, image)
        return [*unwell, *self._with_evidence(told, frame), *self._settled()]

    def wait(self, now: float) -> list[Fact]:
        """Time passed, perhaps without a frame; `now` in POSIX seconds."""
        return [*self._trust(self._health.silence(now)), *self._settled()]

    def _trust(self, health: list[Health]) -> list[Fact]:
        if health:
            self.line.trust(ok=self._health.well)
        return list(health)

    def finish(self) -> list[Fact]:
        """The end: the part minute. Clips that cannot grow any more are complete too."""
        if self._ring:
            self.clips += self._ring.rest()
        if self._writer:
            self._writer.__exit__(None, None, None)
        self._minutes += [fact for fact in self.line.finish() if isinstance(fact, TrafficMinute)]
        return self._settled(at_once=True)

    def take_clips(self) -> list[Wanted]:
        """The clips that are complete since the last time."""
        taken, self.clips = self.clips, []
        return taken

    def _with_evidence(self, found: Iterable[Incident | TrafficMinute], frame: Frame) -> list[Fact]:
        facts: list[Fact] = []
        for fact in found:
            if isinstance(fact, TrafficMinute):
                self._minutes.append(fact)
                continue
            facts.append(fact)
            if asks_for_evidence(fact, self._kinds.get(fact.id)):
                facts.append(still(fact, frame, self._boxes, blur=self._blur))
                if self._ring:
                    self._ring.film(fact, frame.at)
            self._kinds[fact.id] = fact.kind
            if fact.state == "end":
                del self._kinds[fact.id]
        return facts

    def _settled(self, *, at_once: bool = False) -> list[Fact]:
        """The minutes that are over, once it is clear whether what looked wrong in them was an ailment."""
        if not self._minutes or (self._health.in_doubt and not at_once):
            return []
        minutes, self._minutes = self._minutes, []
        ill = self._health.unwell_since
        return [m if ill is None or m.start.timestamp() + MINUTE <= ill else replace(m, trusted=False) for m in minutes]

    def _in_scene(self, boxes: Boxes, frame: Frame) -> NDArray[np.float64]:
        """Boxes in the pixels that the scene was drawn in, whatever size the stream has today."""
        width, height = frame.size
        if (width, height) == (self.scene.width, self.scene.height):
            return boxes.astype(np.float64)
        sx, sy = self.scene.width / width, self.scene.height / height
        scaled: NDArray[np.float64] = boxes.astype(np.float64) * np.array([sx, sy, sx, sy, 1, 1])
        return scaled

    def _scene_image(self, frame: Frame) -> Image:
        size = (self.scene.width, self.scene.height)
        return frame.image if frame.size == size else np.asarray(cv2.resize(frame.image, size), np.uint8)
