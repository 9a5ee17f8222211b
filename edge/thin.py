"""A thin camera: its frames go out as JPEG, to be looked at elsewhere. No model runs here."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from edge.frames import Frames
from edge.settings import Camera
from events.reading import Reading
from vision.errors import VisionError
from vision.evidence import shrunk, to_jpeg
from vision.frames.frame import Frame
from vision.frames.source import Source
from vision.live.loop import thinned

log = logging.getLogger(__name__)

RATE: Final = 5.0  # frames a second where none is given: what rules need, and half of what a 10 Mbit/s uplink carries
QUALITY: Final = 80  # JPEG: a detector finds the same as at 95, in half the bytes
REPORT_S: Final = 10.0
JOIN_S: Final = 15.0  # longer than the longest time limit of a source


class Thin:
    """Sends one camera's frames."""

    def __init__(self, camera: Camera, source: Source, frames: Frames, report: Callable[[list[Reading]], None]) -> None:
        self._camera, self._source, self._frames, self._report = camera, source, frames, report
        self._sent = self._bytes = 0
        self._since = time.time()

    @contextmanager
    def sending(self, stop: Event) -> Iterator[None]:
        """Send in a thread until `stop` is set, which must be before the end of this context."""
        thread = Thread(target=self._send_all, args=(stop,), name=f"thin-{self._camera.name}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            thread.join(JOIN_S)

    def _send_all(self, stop: Event) -> None:
        for frame in thinned(self._source.frames(stop), self._camera.rate or RATE):
            try:
                self._send(frame)
            except VisionError as error:
                log.warning("camera=%s at=%.3f error=%s", self._camera.name, frame.at, error)

    def _send(self, frame: Frame) -> None:
        jpeg = to_jpeg(shrunk(frame.image, self._camera.send_width), QUALITY)
        self._frames.send(self._camera.name, jpeg, frame.at)
        self._sent, self._bytes = self._sent + 1, self._bytes + len(jpeg)
        seconds = time.time() - self._since
        if not 0 <= seconds < REPORT_S:
            self._report(self._readings(max(seconds, 1.0)))
            self._sent, self._bytes, self._since = 0, 0, time.time()

    def _readings(self, seconds: float) -> list[Reading]:
        values = {"fps": (self._sent / seconds, "Hz"), "sent": (self._bytes / seconds, "By/s")}
        name = self._camera.name
        return [Reading(f"camera/{name}/{what}", time.time(), *value) for what, value in values.items()]
