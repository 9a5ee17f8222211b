"""How much of a bare model's rate the whole camera line keeps, and what each stage and camera costs."""

import os
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from threading import Event

import numpy as np
import psutil

from ngatu.bare_model import open_bare
from vision.detection.detect import NetworkDetector
from vision.errors import VisionError
from vision.frames.frame import Frame
from vision.frames.motion import Gate
from vision.frames.source import open_source
from vision.frames.video import read_video
from vision.live.examine import examine
from vision.live.loop import LiveCamera, replay
from vision.live.watch import Watch
from vision.recorded.stages import median, rate, time_stages
from vision.road.scene import Scene, parse_scene
from vision.tracking.boxes import overlap

ROUNDS = 5
CAMERA_RATE = 5.0  # frames a second that a camera is looked at, for `cameras_at_5fps`
QUIET_NOISE = 1.5  # grey levels: a camera's on an empty street
GOAL = 0.9
LOST = 0.001
SURE = 0.4  # score of a box that should not be lost
SAME = 0.5  # intersection over union
ULTRALYTICS = """
import sys, time, logging
from ultralytics import YOLO
import torch
torch.set_num_threads(int(sys.argv[4]))
model = YOLO(sys.argv[1], task="detect")
results = model.track(sys.argv[2], stream=True, verbose=False, tracker="bytetrack.yaml", conf=0.1)
next(results)
began, frames = time.perf_counter(), 0
for _ in results:
    frames += 1
    if frames >= int(sys.argv[3]):
        break
print("fps", frames / (time.perf_counter() - began))
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What was measured. Rates are frames a second; ratios are medians of rounds in which both sides took turns."""

    model: str
    runtime: str
    threads: int
    fps: float
    fps_model: float
    ratio_to_model: float
    fps_ultralytics: float | None
    ratio_to_ultralytics: float | None
    ms_by_stage: dict[str, float]
    cameras_at_5fps: int
    mb_per_camera: float
    quiet_share: float  # processor time of a quiet street's frame, of a busy one's
    gate_shut: float  # share of this clip's frames on which the motion gate saves the detection
    gate_lost: float  # share of the boxes there that those held from before do not stand for

    @property
    def good(self) -> bool:
        """Whether the goals are met."""
        return self.ratio_to_model >= GOAL and self.quiet_share < 0.1 and self.gate_lost < LOST


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


def measure(
    detector: NetworkDetector, video: Path, *, scene: Scene | None, threads: int, frames: int, python: Path | None
) -> Figures:
    """Measure `detector` with the whole line round it on `video`.

    Args:
        detector: opened with `threads` threads.
        video: the clip; it is played again where it is shorter than `frames`.
        scene: the camera's; None judges the whole picture as a road.
        threads: of the model.
        frames: a round.
        python: an interpreter that has `ultralytics`, if there is one.
    """
    first = next(read_video(str(video)))
    scene = scene or whole_picture(*first.size)
    canvas, _ = detector.prepare(first.image)
    bare = open_bare(Path(detector.info.file), detector.info.runtime, canvas, threads)
    ratios, ours, bares = [], [], []
    _pipeline(detector, scene, video, 20)
    for _ in range(ROUNDS):
        bares.append(rate(lambda: _bare(bare, frames)))
        ours.append(rate(lambda: _pipeline(detector, scene, video, frames)))
        bares.append(rate(lambda: _bare(bare, frames)))
        ratios.append(2 * ours[-1] / (bares[-1] + bares[-2]))
    theirs = _ultralytics(python, detector.info.file, video, frames, threads) if python else None
    stages = time_stages(scene, detector, open_source(str(video), live=False).frames(Event()), frames)
    fps = median(ours)
    shut, lost = _gate(detector, video, frames * ROUNDS)
    return Figures(
        model=detector.info.name,
        runtime=detector.info.runtime,
        threads=threads,
        fps=fps,
        fps_model=median(bares),
        ratio_to_model=median(ratios),
        fps_ultralytics=theirs,
        ratio_to_ultralytics=fps / theirs if theirs else None,
        ms_by_stage=stages.ms(),
        cameras_at_5fps=int(fps / CAMERA_RATE),
        mb_per_camera=_memory(scene, video),
        quiet_share=_quiet_share(detector, scene, video, frames),
        gate_shut=shut,
        gate_lost=lost,
    )


def whole_picture(width: int, height: int) -> Scene:
    """A scene whose road is the whole picture, with a gate across it."""
    whole = [[0, 0], [width, 0], [width, height], [0, height]]
    return parse_scene(
        {
            "name": "bench",
            "size": [width, height],
            "zones": [
                {"name": "road", "kind": "road", "image": whole},
                {"name": "walk", "kind": "no_pedestrian", "image": whole},
                {"name": "middle", "kind": "gate", "image": [[0, height / 2], [width, height / 2]]},
            ],
        }
    )


def _bare(infer: Iterator[None], frames: int) -> int:
    for _ in range(frames):
        next(infer)
    return frames


def _pipeline(detector: NetworkDetector, scene: Scene, video: Path, frames: int) -> int:
    """Decode to incidents, evidence included, with the gate forced open."""
    camera = LiveCamera(scene=scene, source=Loop(video, frames), gate=False)
    for _ in replay(camera, detector):
        pass
    return frames


def _ultralytics(python: Path, model: str, video: Path, frames: int, threads: int) -> float | None:
    """Frames a second of ultralytics' own `track`; None where it cannot run this model."""
    command = [str(python), "-c", ULTRALYTICS, model, str(video), str(frames), str(threads)]
    environ = {**os.environ, "OMP_NUM_THREADS": str(threads), "YOLO_OFFLINE": "true"}
    done = subprocess.run(command, capture_output=True, text=True, env=environ, check=False, timeout=600)
    said = [line.split() for line in done.stdout.splitlines() if line.startswith("fps ")]
    return float(said[-1][1]) if said else None


def _memory(scene: Scene, video: Path, cameras: int = 4, frames: int = 120) -> float:
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


def _quiet_share(detector: NetworkDetector, scene: Scene, video: Path, frames: int) -> float:
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


def _gate(detector: NetworkDetector, video: Path, most: int) -> tuple[float, float]:
    """Detect on every frame, and see what the gate would have held instead: shares of frames shut and of boxes lost."""
    gate, held = Gate(), np.empty((0, 6), np.float32)
    frames = shut = boxes = lost = 0
    for frame, _ in zip(read_video(str(video)), range(most), strict=False):
        found = detector.detect([frame.image])[0]
        frames += 1
        if gate.changed(frame):
            held = found
        else:
            shut += 1
        sure = found[found[:, 4] >= SURE].astype(np.float64)
        boxes += len(sure)
        if len(sure):
            lost += int((overlap(sure, held.astype(np.float64)).max(axis=1, initial=0.0) < SAME).sum())
    return shut / max(1, frames), lost / max(1, boxes)


def _processor_time(detector: NetworkDetector, scene: Scene, frames: list[Frame], *, forced: bool) -> float:
    watch, began = Watch(scene, "bench"), time.process_time()
    for seen in examine(((0, frame) for frame in frames), detector, [Gate(forced_open=forced)], Event()):
        if seen is not None:
            watch.see(seen.frame, seen.boxes)
    return time.process_time() - began
