"""How much of a bare model's rate the whole camera line keeps, and what each stage and camera costs.

Two rates stand for the model. `fps_model` is the file as it was exported, at the size that it was exported for. The
line runs less than that: no grey bars, no last layers where it knows them. `fps_network` is what it does run, alone.
"""

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from threading import Event

from ngatu.bench.bare_model import open_bare
from ngatu.bench.camera import Loop, gate_proof, growth, memory, quiet_share
from vision.detection.detect import NetworkDetector, open_detector
from vision.frames.letterbox import Image, letterbox
from vision.frames.source import open_source
from vision.frames.video import read_video
from vision.live.loop import LiveCamera, replay
from vision.recorded.stages import median, rate, time_stages
from vision.road.scene import Scene, parse_scene

ROUNDS = 5
CAMERA_RATE = 5.0  # frames a second that a camera is looked at, for `cameras_at_5fps`
GOAL = 0.9
LOST = 0.001
GROWTH = 5.0  # megabytes an hour that chance and the allocator may add
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
    fps_model: float  # the file as exported, at its own size, one picture at a time on all threads
    ratio_to_model: float
    fps_network: float  # what the line runs of it, alone, likewise
    ratio_to_network: float
    ratio_to_streams: float  # to that, with as many pictures at once as threads, its best rate
    ms_beside_network: float  # of the processor, a frame: what the line costs more than that network alone
    fps_ultralytics: float | None
    ratio_to_ultralytics: float | None
    ms_by_stage: dict[str, float]
    cameras_at_5fps: int
    mb_per_camera: float
    mb_growth_per_hour: float  # of one camera, over an hour of its time
    quiet_share: float  # processor time of a quiet street's frame, of a busy one's
    gate_shut: float  # share of this clip's frames on which the motion gate saves the detection
    gate_lost: float  # share of the boxes there that those held from before do not stand for
    alerts: int  # in the whole clip, detected on every frame
    gate_alerts_differ: int  # missed or more, with the gate
    gate_later_s: float  # by how much an alert is decided later with the gate, at most

    @property
    def good(self) -> bool:
        """Whether the goals are met."""
        return (
            self.ratio_to_model >= GOAL
            and self.quiet_share < 0.1
            and self.gate_lost < LOST
            and self.flat
            and not self.gate_alerts_differ
        )

    @property
    def flat(self) -> bool:
        """Whether memory stays as it is."""
        return self.mb_growth_per_hour < GROWTH


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
    whole, _ = letterbox(first.image, detector.info.size or canvas.shape[1::-1])
    bare = open_bare(Path(detector.info.file), detector.info.runtime, whole, threads)
    alone = open_detector(detector.info.file, threads=threads, at_once=1, runtime=detector.info.runtime)
    assert isinstance(alone, NetworkDetector)
    ratios, own_ratios, streams, beside, ours, bares, owns = [], [], [], [], [], [], []
    _pipeline(detector, scene, video, 20)
    for _ in range(ROUNDS):
        bares.append(rate(lambda: _bare(bare, frames)))
        line, line_ms = _pace(lambda: _pipeline(detector, scene, video, frames))
        ours.append(line)
        bares.append(rate(lambda: _bare(bare, frames)))
        owns.append(rate(lambda: _one_by_one(alone, canvas, frames)))
        own_ratios.append(line / owns[-1])
        network, network_ms = _pace(lambda: _at_once(detector, canvas, frames))
        ratios.append(2 * line / (bares[-1] + bares[-2]))
        streams.append(line / network)
        beside.append(line_ms - network_ms)
    theirs = _ultralytics(python, detector.info.file, video, frames, threads) if python else None
    stages = time_stages(scene, detector, open_source(str(video), live=False).frames(Event()), frames)
    fps = median(ours)
    gate = gate_proof(detector, scene, video)
    return Figures(
        model=detector.info.name,
        runtime=detector.info.runtime,
        threads=threads,
        fps=fps,
        fps_model=median(bares),
        ratio_to_model=median(ratios),
        fps_network=median(owns),
        ratio_to_network=median(own_ratios),
        fps_ultralytics=theirs,
        ratio_to_ultralytics=fps / theirs if theirs else None,
        ms_by_stage=stages.ms(),
        cameras_at_5fps=int(fps / CAMERA_RATE),
        ratio_to_streams=median(streams),
        ms_beside_network=median(beside),
        mb_per_camera=memory(scene, video),
        mb_growth_per_hour=growth(scene, detector, video),
        quiet_share=quiet_share(detector, scene, video, frames),
        gate_shut=gate.shut,
        gate_lost=gate.lost,
        alerts=gate.alerts,
        gate_alerts_differ=gate.differing,
        gate_later_s=gate.later_s,
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


def _pace(run: Callable[[], int]) -> tuple[float, float]:
    """Frames a second that `run` does, and milliseconds of the processor that each takes, on all threads."""
    began, spent = time.perf_counter(), time.process_time()
    frames = run()
    return frames / (time.perf_counter() - began), 1000 * (time.process_time() - spent) / frames


def _bare(infer: Iterator[None], frames: int) -> int:
    for _ in range(frames):
        next(infer)
    return frames


def _one_by_one(detector: NetworkDetector, canvas: Image, frames: int) -> int:
    """The network alone on a prepared picture, on one of its lanes."""
    for _ in range(frames):
        detector.infer(canvas)
    return frames


def _at_once(detector: NetworkDetector, canvas: Image, frames: int) -> int:
    """The network alone on a prepared picture, on all of its lanes."""
    with ThreadPoolExecutor(detector.info.lanes) as pool:
        for _ in pool.map(lambda _: len(detector.infer(canvas)), range(frames)):
            pass
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
