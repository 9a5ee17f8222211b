"""Recorded pictures through the live code, for the command line."""

import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from threading import Event

from events.evidence import Evidence
from events.incident import Incident
from events.traffic import TrafficMinute
from ngatu.home import find_home
from vision.detection.detect import Detector, open_detector
from vision.detection.models import find_model
from vision.errors import SourceError
from vision.frames.frame import Frame
from vision.frames.source import open_source
from vision.line import Told
from vision.live.loop import LiveCamera, replay
from vision.recorded.preview import Preview, write_preview
from vision.road.scene import Scene, load_scene


def model_folder() -> Path:
    """Where models are kept on this machine."""
    return find_home(os.environ) / "models"


def detector_for(model: str | None, threads: int) -> Detector:
    """Open the model that was named, or the best there is."""
    found = find_model(model, model_folder())
    return open_detector(found.path, threads=threads, runtime=found.runtime, hint=found.hint)


def watch_video(
    scene: Scene,
    video: Path,
    *,
    model: str | None = None,
    threads: int = 2,
    start: float = 0.0,
    evidence: Path | None = None,
    record: Path | None = None,
) -> Iterator[Told]:
    """What the camera's line tells about `video`; stills and clips go into the folder `evidence`.

    Raises:
        VisionError: the model or the video cannot be used; of a video that breaks off, after what it told.
    """
    if evidence is not None:
        evidence.mkdir(parents=True, exist_ok=True)
    camera = LiveCamera(scene=scene, source=str(video), clips=evidence is not None, record=record)
    for fact in replay(camera, detector_for(model, threads), start=start):
        if isinstance(fact, Incident | TrafficMinute):
            yield fact
        elif isinstance(fact, Evidence) and evidence is not None:
            ending = "jpg" if fact.role == "still" else "mp4"
            (evidence / f"{fact.incident}.{ending}").write_bytes(fact.data)


def film_preview(
    video: str, out: Path, *, camera: Path | None, model: str | None, threads: int, at: float, seconds: float
) -> int:
    """Draw what the line sees into `out`; return how many frames it has.

    Raises:
        VisionError: the model, the video or the camera file cannot be used; nothing lies at `at`.
    """
    stop = Event()
    drawer = Preview(load_scene(camera) if camera else None, detector_for(model, threads))
    wanted = 0.0 if out.suffix.lower() in {".jpg", ".jpeg", ".png"} else seconds

    def until(frame: Frame) -> bool:
        return frame.at <= at + wanted

    frames = takewhile(until, open_source(video, live=False).frames(stop))
    drawn = ((frame.at, image) for frame, image in drawer.draw(frames) if frame.at >= at or not wanted)
    written = write_preview(drawn, out, last_only=wanted == 0)
    if not written:
        raise SourceError(f"{video}: nothing lies {at:g} s into it")
    return written
