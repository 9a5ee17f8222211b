"""What one camera costs, and whether its motion gate costs alerts."""

import ctypes
import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event
from typing import NamedTuple

import numpy as np
import psutil
from av import VideoFrame

from events.incident import Incident
from vision.detection.detect import Detector, NetworkDetector
from vision.errors import VisionError
from vision.frames.frame import Frame
from vision.frames.motion import Gate
from vision.frames.video import read_video
from vision.live.examine import examine
from vision.live.facts import Fact
from vision.live.watch import Watch
from vision.road.scene import Scene
from vision.tracking.boxes import overlap

QUIET_NOISE = 1.5  # grey levels: a camera's on an empty street
SURE = 0.4  # score of a box that should not be lost
SAME = 0.5  # intersection over union
SAME_S = 3.0  # seconds between the beginnings of one event as it was told twice
HELD = 200  # frames that are played again and again
MOST = 6000  # frames of a clip
SOAK = 6000  # frames: ten minutes of a camera at 10 a second


class Loop:
    """A recording as a source: the first frames of a clip, decoded anew each time."""

    def __init__(self, video: Path, frames: int) -> None:
        self.state = "open"
        self._video, self._frames = video, frames

    def frames(self, stop: Event) -> Iterator[Frame]:
        """See `vision.frames.source.Source`."""
        number, start = count(), 0.0
        while True:
            last = start
            for frame in read_video(str(self._video)):
                index = next(number)
                if index >= self._frames or stop.is_set():
                    return
                last = start + frame.at
                yield Frame(index=index, at=last, picture=frame.picture, fresh=index == 0)
            start = last + 0.1


def memory(scene: Scene, video: Path, cameras: int = 4, frames: int = 120) -> float:
    """Megabytes that one more camera takes: its decoder, ring, tracks and reference view."""
    process = psutil.Process()
    nothing = np.empty((0, 6), np.float32)
    kept = []
    before = process.memory_info().rss
    for _ in range(cameras):
        watch, source = Watch(scene, "bench", live=True), Loop(video, frames + 1).frames(Event())
        for frame, _ in zip(source, range(frames), strict=False):
            watch.see(frame, nothing)
        kept.append((watch, source))
    return (process.memory_info().rss - before) / cameras / 2**20


def quiet_share(detector: NetworkDetector, scene: Scene, video: Path, frames: int) -> float:
    """Processor time of a frame in which nothing moves, of that of one in which much does. Decoding is in neither.

    Both come as a decoder leaves them: the gate looks at their brightness alone.
    """
    pictures = [frame for frame, _ in zip(Loop(video, frames).frames(Event()), range(frames), strict=False)]
    if not pictures:
        raise VisionError(f"{video}: no frames to measure on")
    rng = np.random.default_rng(1)
    still = pictures[0].image.astype(np.int16)
    noise = [np.round(rng.normal(0, QUIET_NOISE, still.shape)).astype(np.int16) for _ in range(8)]
    noisy = [np.clip(still + noise[n % 8], 0, 255).astype(np.uint8) for n in range(8)]
    decoded = [VideoFrame.from_ndarray(picture, format="bgr24").reformat(format="yuv420p") for picture in noisy]
    quiet = [Frame(index=f.index, at=f.at, picture=decoded[n % 8], fresh=n == 0) for n, f in enumerate(pictures)]
    return _processor_time(detector, scene, quiet, forced=False) / _processor_time(
        detector, scene, pictures, forced=True
    )


class Begun(NamedTuple):
    """An alert: its kind, when it began on the street and when it was decided, in seconds of the film."""

    kind: str
    started: float
    decided: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What the motion gate does to a clip, beside a detection on every frame."""

    shut: float  # share of the frames on which it saves the detection
    lost: float  # share of the boxes there that those held from before do not stand for
    alerts: int  # without it
    differing: int  # alerts of either that the other has not
    later_s: float  # by how much an alert is decided later with the gate, at most


def gate_proof(detector: NetworkDetector, scene: Scene, video: Path) -> Gated:
    """Detect on every frame, and see what the gate would have held instead, and what the line makes of both."""
    gate, held = Gate(), np.empty((0, 6), np.float32)
    every, gated = Watch(scene, "every", clips=False), Watch(scene, "gated", clips=False)
    of_every: list[Begun] = []
    of_gated: list[Begun] = []
    frames = shut = boxes = lost = 0
    film = ((0, frame) for frame, _ in zip(read_video(str(video)), range(MOST), strict=False))
    for seen in examine(film, detector, [Gate(forced_open=True)], Event()):
        if seen is None or seen.boxes is None:
            continue
        frames += 1
        changed = gate.changed(seen.frame)
        held = seen.boxes if changed else held
        shut += not changed
        sure = seen.boxes[seen.boxes[:, 4] >= SURE].astype(np.float64)
        boxes += len(sure)
        if len(sure):
            lost += int((overlap(sure, held.astype(np.float64)).max(axis=1, initial=0.0) < SAME).sum())
        of_every += _alerts(every.see(seen.frame, seen.boxes))
        of_gated += _alerts(gated.see(seen.frame, seen.boxes if changed else None))
    alone, later = compared(of_gated, of_every)
    return Gated(
        shut=shut / max(1, frames),
        lost=lost / max(1, boxes),
        alerts=len(of_every),
        differing=alone,
        later_s=later,
    )


def _alerts(facts: list[Fact]) -> list[Begun]:
    first = (fact for fact in facts if isinstance(fact, Incident) and fact.rev == 1)
    return [Begun(one.kind, one.started_at.timestamp(), one.decided_at.timestamp()) for one in first]


def _processor_time(detector: NetworkDetector, scene: Scene, frames: list[Frame], *, forced: bool) -> float:
    watch, began = Watch(scene, "bench"), time.process_time()
    for seen in examine(((0, frame) for frame in frames), detector, [Gate(forced_open=forced)], Event()):
        if seen is not None:
            watch.see(seen.frame, seen.boxes)
    return time.process_time() - began


def growth(scene: Scene, detector: Detector, video: Path) -> float:
    """Megabytes that a camera's memory grows in an hour of its time, once its ring and background are full."""
    film = [frame for frame, _ in zip(Loop(video, HELD).frames(Event()), range(HELD), strict=False)]
    boxes = [detector.detect([frame.image])[0] for frame in film]
    watch = Watch(scene, "bench", live=True)
    sizes = []
    for number in range(SOAK):
        shown = film[number % len(film)]
        at = 1e9 + number / 10
        watch.see(Frame(index=number, at=at, picture=shown.picture, fresh=not number), boxes[number % len(film)])
        watch.take_clips()
        if number >= SOAK // 3 and not number % (SOAK // 12):
            sizes.append((number / 36_000, _resident()))
    hours, megabytes = np.array(sizes).T
    return float(np.polyfit(hours, megabytes, 1)[0])


def _resident() -> float:
    """Megabytes in use, without what the allocator merely keeps."""
    gc.collect()
    with suppress(OSError, AttributeError):  # glibc's
        ctypes.CDLL(None).malloc_trim(0)
    return psutil.Process().memory_info().rss / 2**20


def compared(some: Sequence[Begun], others: Sequence[Begun]) -> tuple[int, float]:
    """How many alerts of either have no counterpart: one of the same kind that began within SAME_S seconds of it.

    Of those that have one: by how many seconds the first list's is decided later, at most.
    """
    left = list(others)
    alone, later = 0, 0.0
    for one in some:
        same = [other for other in left if other.kind == one.kind and abs(other.started - one.started) <= SAME_S]
        if not same:
            alone += 1
            continue
        nearest = min(same, key=lambda other: abs(other.started - one.started))
        left.remove(nearest)
        later = max(later, one.decided - nearest.decided)
    return alone + len(left), later
