"""The agent's cameras: one detector, a vision line each, their facts into the outbox.

Imported only where there are cameras: an agent without one stays small.
"""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from threading import Event
from typing import Any, Final

import yaml
from msgspec.structs import replace

from edge import ongoing
from edge.frames import SCHEME, Frames, whose
from edge.outbox import Outbox
from edge.outgoing import of_readings
from edge.settings import Agent, Camera
from edge.thin import Thin
from edge.yamlfile import BadSettings
from events import about
from events.reading import Reading
from vision.blur import blurred
from vision.detection.detect import Detector, open_detector
from vision.detection.models import find_model
from vision.errors import VisionError
from vision.evidence import to_jpeg
from vision.frames.frame import Frame
from vision.frames.source import Pushed, Source, open_source
from vision.live.facts import CameraStatus, Fact
from vision.live.loop import LiveCamera, run_live
from vision.road.scene import Scene, parse_scene

log = logging.getLogger(__name__)

RETRY_S: Final = 60.0  # between two tries to open a model
UNKNOWN_SIZE: Final = (1280, 720)  # of a camera without zones: whatever the picture turns out to be


class Latest:
    """A source that remembers its last frame, for snapshots."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.frame: Frame | None = None

    @property
    def state(self) -> str:
        """How the source fares."""
        return self._source.state

    @state.setter
    def state(self, value: str) -> None:
        self._source.state = value

    def frames(self, stop: Event) -> Iterator[Frame]:
        """The source's frames."""
        for frame in self._source.frames(stop):
            self.frame = frame
            yield frame


def scene_of(camera: Camera, folder: Path) -> Scene:
    """What `camera` looks at, out of its scene file and its own keys.

    Raises:
        BadSettings: something in it can't be.
    """
    where = f"camera {camera.name}"
    raw: dict[str, Any] = {}
    if camera.scene is not None:
        raw = dict(_scene_file(folder / camera.scene, where))
    raw |= camera.entry()
    if not raw.get("zones"):
        raw.setdefault("size", UNKNOWN_SIZE)
    try:
        return parse_scene(raw, source=where)
    except VisionError as error:
        raise BadSettings(str(error)) from error


def _scene_file(path: Path, where: str) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8")
        raw = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise BadSettings(f"{where}: scene {path}: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise BadSettings(f"{where}: scene {path}: expected keys and values")
    return raw


def far_sources(cameras: Sequence[Camera]) -> list[tuple[str, str]]:
    """Device and camera of each source `mqtt:DEVICE/CAMERA`.

    Raises:
        BadSettings: one that is none, or is named twice: frames go to one taker.
    """
    found: list[tuple[str, str]] = []
    for camera in cameras:
        far = whose(camera.source)
        if far is None and str(camera.source).startswith(SCHEME):
            raise BadSettings(f"camera {camera.name}: source {camera.source}: write {SCHEME}DEVICE/CAMERA")
        if far in found:
            raise BadSettings(f"camera {camera.name}: source {camera.source} is another camera's already")
        found += [far] if far else []
    return found


class Cameras:
    """All cameras of an agent."""

    def __init__(self, settings: Agent, folder: Path, data: Path, outbox: Outbox) -> None:
        """Check the scenes; nothing is opened yet.

        Args:
            settings: the agent's.
            folder: where relative paths begin.
            data: the agent's own folder.
            outbox: where facts go.

        Raises:
            BadSettings: a scene can't be.
        """
        self._settings = settings
        self._folder = folder
        self._models = folder / settings.vision.models if settings.vision.models else data / "models"
        self._outbox = outbox
        self._scenes = {camera.name: scene_of(camera, folder) for camera in settings.cameras}
        self._heard = {far: Pushed("/".join(far)) for far in far_sources(settings.cameras)}
        self._sources = {camera.name: Latest(self._open(camera)) for camera in settings.cameras}
        self._here = [camera for camera in settings.cameras if camera.detect == "here"]
        self._detector: Detector | None = None

    def _open(self, camera: Camera) -> Source:
        from_afar = whose(camera.source)
        if from_afar is not None:
            return self._heard[from_afar]
        address = str(camera.source)
        local = self._folder / address
        return open_source(str(local) if local.exists() else address, live=True, loop=camera.loop)

    def describe(self) -> tuple[about.Camera, ...]:
        """The cameras for `about`; the model once it is open."""
        return tuple(replace(scene.about(), model=self._model()) for scene in self._scenes.values())

    def _model(self) -> about.Model | None:
        if self._detector is None:
            return None
        info = self._detector.info
        return about.Model(
            name=info.name, runtime=info.runtime, sha256=info.sha256, weak=info.hint is not None, hint=info.hint
        )

    def run(self, stop: Event, opened: Callable[[], None], frames: Frames) -> None:
        """Watch until `stop` is set. A model that can't be opened is tried again; `opened` is called either way."""
        thin = [camera for camera in self._settings.cameras if camera.detect == "elsewhere"]
        with ExitStack() as open_now:
            if self._heard:
                open_now.enter_context(frames.heard(self._heard))
            for camera in thin:
                sender = Thin(camera, self._sources[camera.name], frames, self._report)
                open_now.enter_context(sender.sending(stop))
            if self._here:
                self._detect(stop, opened)
            else:
                opened()
                stop.wait()

    def _detect(self, stop: Event, opened: Callable[[], None]) -> None:
        while not stop.is_set():
            try:
                detector = self._open_detector()
            except VisionError as error:
                log.error("model error=%s: tried again in %d s", error, RETRY_S)  # noqa: TRY400 - a line, not a trace
                opened()
                stop.wait(RETRY_S)
                continue
            self._detector = detector
            opened()
            run_live([self._live(camera) for camera in self._here], detector, self._take, stop)

    def _open_detector(self) -> Detector:
        vision = self._settings.vision
        named = vision.model and str(self._folder / vision.model)
        model = find_model(named, self._models, vision.runtime)
        return open_detector(
            model.path,
            threads=vision.threads,
            at_once=len(self._here),  # a lone camera gets the soonest answer, several the most
            runtime=vision.runtime,
            hint=model.hint,
        )

    def _live(self, camera: Camera) -> LiveCamera:
        return LiveCamera(
            scene=self._scenes[camera.name],
            source=self._sources[camera.name],
            rate=camera.rate,
            blur=camera.blur,
            clips=camera.clips,
            loop=camera.loop,
        )

    def _take(self, fact: Fact) -> None:
        if isinstance(fact, CameraStatus):
            self._report(_readings(fact))
        else:
            ongoing.put(self._outbox, fact)

    def _report(self, readings: list[Reading]) -> None:
        self._outbox.put(of_readings(readings, self._settings.device))

    def snapshot(self, name: str) -> tuple[bytes, float] | None:
        """The last picture of a camera as JPEG, blurred where the camera's is, and when it was captured.

        None: there is no such camera, or no picture yet, or (where it must be blurred) no model to find heads with.
        """
        source = self._sources.get(name)
        camera = next((camera for camera in self._settings.cameras if camera.name == name), None)
        if source is None or camera is None or source.frame is None:
            return None
        frame = source.frame
        if not camera.blur:
            return to_jpeg(frame.image), frame.at
        if self._detector is None:
            return None
        return to_jpeg(blurred(frame.image, self._detector.detect([frame.image])[0])), frame.at


def _readings(status: CameraStatus) -> list[Reading]:
    values = {
        "fps": (status.fps, "Hz"),
        "delay": (status.delay_s, "s"),
        "dropped": (float(status.dropped), "1"),
        "detect": (status.detect_ms, "ms"),
        "open": (float(status.state == "open"), "1"),
    }
    return [Reading(f"camera/{status.camera}/{name}", status.at, *value) for name, value in values.items()]
