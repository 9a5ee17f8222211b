"""Where cameras leave their latest frame, and the one detector takes them in turn."""

from collections.abc import Iterator
from dataclasses import replace
from threading import Condition, Event
from typing import Final

from vision.frames.frame import Frame

PATIENCE: Final = 0.5  # seconds without any frame after which the taker is told that time passes


class Slots:
    """One place a camera: a new frame pushes out one that nobody took, so delay stays bounded."""

    def __init__(self, cameras: int) -> None:
        self.dropped = [0] * cameras
        self._latest: list[Frame | None] = [None] * cameras
        self._next = 0
        self._arrived = Condition()

    def put(self, camera: int, frame: Frame) -> None:
        """Leave `frame` for the detector."""
        with self._arrived:
            before = self._latest[camera]
            if before is not None:
                self.dropped[camera] += 1
                if before.fresh and not frame.fresh:
                    frame = replace(frame, fresh=True)
            self._latest[camera] = frame
            self._arrived.notify()

    def taken(self, stop: Event) -> Iterator[tuple[int, Frame] | None]:
        """Camera and frame, each camera in its turn; None when nothing came for PATIENCE seconds."""
        while not stop.is_set():
            yield self._take()

    def _take(self) -> tuple[int, Frame] | None:
        with self._arrived:
            if not any(self._latest):
                self._arrived.wait(PATIENCE)
            for step in range(len(self._latest)):
                camera = (self._next + step) % len(self._latest)
                frame = self._latest[camera]
                if frame is not None:
                    self._latest[camera] = None
                    self._next = camera + 1
                    return camera, frame
        return None
