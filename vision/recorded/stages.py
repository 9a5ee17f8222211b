"""Where the time of a frame goes, stage by stage, one after another in one thread."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np

from vision.detection.detect import NetworkDetector
from vision.evidence import Ring
from vision.frames.frame import Frame
from vision.frames.motion import Gate
from vision.health import HealthWatch
from vision.line import Line
from vision.road.scene import Scene

T = TypeVar("T")


@dataclass(slots=True)
class Stages:
    """Seconds spent in each stage so far, by name."""

    seconds: dict[str, float] = field(default_factory=dict)
    frames: int = 0

    @contextmanager
    def timed(self, name: str) -> Iterator[None]:
        """Add what happens inside to the stage `name`."""
        began = time.perf_counter()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.perf_counter() - began

    def ms(self) -> dict[str, float]:
        """Milliseconds a frame."""
        return {name: 1000 * seconds / max(1, self.frames) for name, seconds in self.seconds.items()}


def time_stages(scene: Scene, detector: NetworkDetector, frames: Iterator[Frame], most: int) -> Stages:
    """Take up to `most` frames through every stage."""
    stages, line, gate = Stages(), Line(scene), Gate()
    ring, health = Ring(camera=scene.name), HealthWatch(scene.name, live=True)
    timed = stages.timed
    while stages.frames < most:
        with timed("decode"):
            frame = next(frames, None)
        if frame is None:
            break
        with timed("pixels"):
            image = frame.image
        with timed("gate"):
            gate.changed(frame)
        with timed("letterbox"):
            canvas, fit = detector.prepare(image)
        with timed("detect"):
            said = detector.infer(canvas)
        with timed("boxes"):
            boxes = detector.boxes(said, fit)
        with timed("health"):
            health.see(frame)
        with timed("ring"):
            ring.add(frame, boxes)
        with timed("line"):
            line.step(frame.at, boxes.astype(np.float64), image)
        stages.frames += 1
    return stages


def rate(run: Callable[[], int], *, rounds: int = 1) -> float:
    """Units a second that `run` does, the best of `rounds`: what else runs on the machine only ever takes away."""
    best = 0.0
    for _ in range(rounds):
        began = time.perf_counter()
        best = max(best, run() / (time.perf_counter() - began))
    return best


def median(values: Sequence[float]) -> float:
    """The middle one."""
    return float(np.median(values))
