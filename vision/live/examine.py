"""Frames in, frames with their boxes out, in the same order: the gate and the detector work ahead of whoever asks."""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Final, Literal

from vision.detection.detect import Detector
from vision.frames.frame import Frame
from vision.frames.letterbox import Boxes
from vision.frames.motion import Gate

SPARE: Final = 1  # frames beyond those in the network: one is prepared, or its boxes are sorted out, meanwhile
WAKE: Final = 0.2  # seconds between two looks at `stop`


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """A frame of a camera, and what was found in it."""

    camera: int
    frame: Frame
    boxes: Boxes | None  # (n, 6); None: nothing changed since the frame before
    seconds: float  # from asking the detector to its answer; 0 where it was not asked


_Answer = Future[tuple[Boxes, float]]
_Item = tuple[int, Frame, _Answer | None] | BaseException | Literal["passed", "over"]


def examine(
    frames: Iterable[tuple[int, Frame] | None], detector: Detector, gates: Sequence[Gate], stop: Event
) -> Iterator[Examined | None]:
    """The boxes of each (camera, frame), in order; None where `frames` said None: time passed without a frame.

    Raises:
        Exception: whatever `frames` or the detector raised.
    """
    ahead = detector.info.lanes + SPARE
    queue: Queue[_Item] = Queue(ahead)
    abandoned = Event()
    with ThreadPoolExecutor(ahead, "detect") as pool:
        feeder = Thread(target=_feed, args=(frames, detector, gates, pool, queue, abandoned), name="gate")
        feeder.start()
        try:
            while not stop.is_set() or feeder.is_alive() or not queue.empty():
                try:
                    item = queue.get(timeout=WAKE)
                except Empty:
                    continue
                if item == "over":
                    return
                if isinstance(item, BaseException):
                    raise item
                yield None if item == "passed" else _examined(*item)
        finally:
            abandoned.set()
            feeder.join()


def _feed(
    frames: Iterable[tuple[int, Frame] | None],
    detector: Detector,
    gates: Sequence[Gate],
    pool: ThreadPoolExecutor,
    queue: Queue[_Item],
    abandoned: Event,
) -> None:
    def hand_over(item: _Item) -> None:
        while not abandoned.is_set():
            with suppress(Full):
                queue.put(item, timeout=WAKE)
                return

    try:
        for arrived in frames:
            if abandoned.is_set():
                return
            if arrived is None:
                hand_over("passed")
                continue
            camera, frame = arrived
            answer = None
            if gates[camera].changed(frame):
                answer = pool.submit(_ask, detector, frame)
            hand_over((camera, frame, answer))
    except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody waits
        hand_over(error)
    else:
        hand_over("over")


def _ask(detector: Detector, frame: Frame) -> tuple[Boxes, float]:
    began = time.perf_counter()
    return detector.detect([frame.image])[0], time.perf_counter() - began


def _examined(camera: int, frame: Frame, answer: _Answer | None) -> Examined:
    boxes, seconds = (None, 0.0) if answer is None else answer.result()
    return Examined(camera=camera, frame=frame, boxes=boxes, seconds=seconds)
