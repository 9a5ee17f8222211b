"""Recorded pictures through the live code, for the command line."""

import os
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from events.evidence import Evidence
from events.incident import Incident
from events.traffic import TrafficMinute
from ngatu.home import find_home
from vision.detection.detect import Detector, open_detector
from vision.detection.models import find_model
from vision.errors import SourceError
from vision.frames.source import open_source
from vision.line import Told
from vision.live.loop import LiveCamera, replay
from vision.recorded.film import write_preview
from vision.recorded.preview import Preview, Shot, without_pictures
from vision.recorded.recording import read_boxes
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
    source: str,
    out: Path,
    *,
    camera: Path | None,
    recorded: bool = False,
    model: str | None,
    threads: int,
    at: float,
    seconds: float,
) -> int:
    """Draw what the line sees of a video, or of `recorded` boxes, into `out`; return how many frames it has.

    Raises:
        VisionError: the model, the video, the boxes or the camera file cannot be used; nothing lies at `at`.
    """
    scene = load_scene(camera) if camera else None
    wanted = 0.0 if out.suffix.lower() in {".jpg", ".jpeg", ".png"} else seconds
    if recorded:
        if scene is None:
            raise SourceError(f"{source}: boxes have no picture of their own: name the camera that they come from")
        drawer, shots = Preview(scene), without_pictures(scene, read_boxes(Path(source)))
    else:
        detector = detector_for(model, threads)
        drawer = Preview(scene, model=detector.info.name, classes=detector.info.classes)
        shots = _detected(source, detector, scene)
    until = takewhile(lambda shot: shot.at <= at + wanted, shots)
    written = write_preview(drawer.draw(until, since=at if wanted else 0.0), out, last_only=wanted == 0)
    if not written:
        raise SourceError(f"{source}: nothing lies {at:g} s into it")
    return written


def _detected(video: str, detector: Detector, scene: Scene | None) -> Iterator[Shot]:
    """Each picture of a video, in the scene's size, and its boxes."""
    for frame in open_source(video, live=False).frames(Event()):
        image = frame.image
        if scene and frame.size != (scene.width, scene.height):
            image = np.asarray(cv2.resize(image, (scene.width, scene.height)), np.uint8)
        yield Shot(at=frame.at, picture=image, boxes=detector.detect([image])[0])
