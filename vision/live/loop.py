"""The live loop: capture ∥ detect ∥ judge, several cameras on one detector; and the same on a recording.

A thread a camera captures and leaves its latest frame; one takes them in turn and asks the gate; a pool detects; the
caller's thread follows tracks, applies rules and gives what happened to `sink`; one of low priority films clips.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from threading import Event, Thread
from typing import Final

from vision.detection.detect import Detector
from vision.frames.frame import Frame
from vision.frames.motion import Gate
from vision.frames.source import Source, open_source
from vision.live.clips import Filmer
from vision.live.examine import Examined, examine
from vision.live.facts import Fact
from vision.live.pulse import Pulse
from vision.live.slot import Slots
from vision.live.watch import Watch
from vision.road.scene import Scene
from vision.rules import limits

log = logging.getLogger(__name__)

JOIN_SECONDS: Final = 15.0  # longer than the longest time limit of a source


@dataclass(frozen=True, kw_only=True)
class LiveCamera:
    """One camera of the loop."""

    scene: Scene
    source: str | Source  # an address, or whatever gives frames
    rate: float | None = None  # frames a second that are looked at; None: as many as time allows
    blur: bool = True
    clips: bool = True
    loop: bool = True
    gate: bool = True
    record: Path | None = None  # where to note the boxes of each frame that was processed, for a replay


def run_live(cameras: Sequence[LiveCamera], detector: Detector, sink: Callable[[Fact], None], stop: Event) -> None:
    """Watch `cameras` until `stop` is set; `sink` gets each fact, never two at a time.

    Raises:
        Exception: what `sink`, the detector or a rule raised. A source that breaks raises nothing: it is opened again.
    """
    slots = Slots(len(cameras))
    sources = [_source(camera) for camera in cameras]
    failures: list[BaseException] = []
    captures = [
        Thread(target=_capture, args=(number, source, camera.rate, slots, stop, failures), name=f"capture-{number}")
        for number, (camera, source) in enumerate(zip(cameras, sources, strict=True))
    ]
    watches = [_watch(camera, detector, live=True) for camera in cameras]
    for camera in cameras:
        if limits(camera.scene):
            log.warning("camera=%s never_tells=%s", camera.scene.name, limits(camera.scene))
    pulse = Pulse([camera.scene.name for camera in cameras], sources, slots)
    gates = [Gate(forced_open=not camera.gate) for camera in cameras]
    for thread in captures:
        thread.start()
    try:
        with Filmer(sink) as filmer:
            for seen in examine(slots.taken(stop), detector, gates, stop):
                if failures:
                    break
                _judge(seen, watches, pulse, filmer)
            for watch in watches:
                filmer.give(watch.finish())
                filmer.film(watch.take_clips())
    finally:
        stop.set()
        for thread in captures:
            thread.join(JOIN_SECONDS)
    if failures:
        raise failures[0]


def replay(camera: LiveCamera, detector: Detector, *, start: float = 0.0, stop: Event | None = None) -> Iterator[Fact]:
    """What `camera` would have said of a recording: the same code, event time, as fast as it goes.

    The recording's first frame lies at `start` (POSIX seconds).

    Raises:
        SourceError: the recording does not open, or breaks off: after the facts until there.
    """
    stop = stop or Event()
    source = open_source(camera.source, live=False, start=start) if isinstance(camera.source, str) else camera.source
    watch = _watch(camera, detector, live=False)
    facts: list[Fact] = []
    frames = ((0, frame) for frame in thinned(source.frames(stop), camera.rate))
    with Filmer(facts.append) as filmer:
        for seen in examine(frames, detector, [Gate(forced_open=not camera.gate)], stop):
            if seen is not None:
                filmer.give(watch.see(seen.frame, seen.boxes))
                filmer.film(watch.take_clips())
                yield from _taken(facts)
        filmer.give(watch.finish())
        filmer.film(watch.take_clips())
    yield from _taken(facts)


def thinned(frames: Iterator[Frame], rate: float | None) -> Iterator[Frame]:
    """At most `rate` frames a second of `frames`, evenly spread; the others are not even looked at."""
    period = 1.0 / rate if rate else 0.0
    due = -math.inf
    for frame in frames:
        if frame.fresh or frame.at >= due - period / 4:
            yield frame
            due = due + period if not frame.fresh and frame.at - due < period else frame.at + period


def _taken(facts: list[Fact]) -> list[Fact]:
    """Everything in `facts`, which is empty then. Safe while another thread appends."""
    return [facts.pop(0) for _ in range(len(facts))]


def _source(camera: LiveCamera) -> Source:
    if isinstance(camera.source, str):
        return open_source(camera.source, live=True, loop=camera.loop)
    return camera.source


def _watch(camera: LiveCamera, detector: Detector, *, live: bool) -> Watch:
    return Watch(
        camera.scene, detector.info.name, live=live, blur=camera.blur, clips=camera.clips, record=camera.record
    )


def _capture(
    number: int, source: Source, rate: float | None, slots: Slots, stop: Event, failures: list[BaseException]
) -> None:
    try:
        for frame in thinned(source.frames(stop), rate):
            slots.put(number, frame)
    except BaseException as error:  # noqa: BLE001 - it is raised again by run_live
        failures.append(error)
        stop.set()


def _judge(seen: Examined | None, watches: Sequence[Watch], pulse: Pulse, filmer: Filmer) -> None:
    if seen is not None:
        watch = watches[seen.camera]
        filmer.give(watch.see(seen.frame, seen.boxes))
        filmer.film(watch.take_clips())
    now = time.time()
    for watch in watches:
        filmer.give(watch.wait(now))
    filmer.give(pulse.beat(seen, now))
