"""What one camera costs, and whether its motion gate costs alerts."""

import ctypes
import gc
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event

import numpy as np
import psutil

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
SAME_S = 2.0  # seconds between two alerts of one kind that are the same
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
    """Processor time of a frame in which nothing moves, of that of one in which much does. Decoding is in neither."""
    pictures = [frame for frame, _ in zip(Loop(video, frames).frames(Event()), range(frames), strict=False)]
    if not pictures:
        raise VisionError(f"{video}: no frames to measure on")
    rng = np.random.default_rng(1)
    still = pictures[0].image.astype(np.int16)
    noise = [np.round(rng.normal(0, QUIET_NOISE, still.shape)).astype(np.int16) for _ in range(8)]
    noisy = [np.clip(still + noise[n % 8], 0, 255).astype(np.uint8) for n in range(16)]
    quiet = [Frame(index=f.index, at=f.at, picture=noisy[n % 16], fresh=n == 0) for n, f in enumerate(pictures)]
    return _processor_time(detector, scene, quiet, forced=False) / _processor_time(
        detector, scene, pictures, forced=True
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Gated:
    """What the motion gate does to a clip, beside a detection on every frame."""

    shut: float  # share of the frames on which it saves the detection
    lost: float  # share of the boxes there that those held from before do not stand for
    alerts: int  # without it
    differing: int  # alerts of either that the other has not


def gate_proof(detector: NetworkDetector, scene: Scene, video: Path) -> Gated:
    """Detect on every frame, and see what the gate would have held instead, and what the line makes of both."""
    gate, held = Gate(), np.empty((0, 6), np.float32)
    every, gated = Watch(scene, "every", clips=False), Watch(scene, "gated", clips=False)
    of_every: list[tuple[str, float]] = []
    of_gated: list[tuple[str, float]] = []
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
    return Gated(
        shut=shut / max(1, frames),
        lost=lost / max(1, boxes),
        alerts=len(of_every),
        differing=differing(of_gated, of_every),
    )


def _alerts(facts: list[Fact]) -> list[tuple[str, float]]:
    """Kind and time of the incidents that begin."""
    begun = (fact for fact in facts if isinstance(fact, Incident) and fact.rev == 1)
    return [(incident.kind, incident.decided_at.timestamp()) for incident in begun]


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


def differing(some: list[tuple[str, float]], others: list[tuple[str, float]]) -> int:
    """How many alerts of either have no counterpart among the other's: the same kind within SAME_S seconds."""
    left = list(others)
    alone = 0
    for kind, at in some:
        same = [other for other in left if other[0] == kind and abs(other[1] - at) <= SAME_S]
        if same:
            left.remove(min(same, key=lambda other: abs(other[1] - at)))
        else:
            alone += 1
    return alone + len(left)
