"""Frames in, frames with their boxes out, in the same order: the gate and the detector work ahead of whoever asks.

As many frames are under way as the detector has lanes: some more than the network works on at once, so that the next is
ready when one is done. No frame is taken before there is room for it: it waits where a newer one replaces it.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import Final, Literal

from vision.detection.detect import Detector
from vision.frames.frame import Frame
from vision.frames.letterbox import Boxes
from vision.frames.motion import Gate

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
    lanes = detector.info.lanes
    queue: SimpleQueue[_Item] = SimpleQueue()
    room, abandoned = Semaphore(lanes), Event()
    with ThreadPoolExecutor(lanes, "detect") as pool:
        answers = _answers(frames, detector, gates, pool, room, abandoned)
        feeder = Thread(target=_feed, args=(answers, queue), name="gate")
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
                seen = None if item == "passed" else _examined(*item)
                room.release()
                yield seen
        finally:
            abandoned.set()
            room.release()
            feeder.join()


def _answers(
    frames: Iterable[tuple[int, Frame] | None],
    detector: Detector,
    gates: Sequence[Gate],
    pool: ThreadPoolExecutor,
    room: Semaphore,
    abandoned: Event,
) -> Iterator[_Item]:
    """Each frame with what the detector will say of it, as soon as there is room for one more."""
    taken = iter(frames)
    while True:
        room.acquire()
        if abandoned.is_set():
            return
        try:
            arrived = next(taken)
        except StopIteration:
            return
        if arrived is None:
            yield "passed"
            continue
        camera, frame = arrived
        yield camera, frame, pool.submit(_ask, detector, frame) if gates[camera].changed(frame) else None


def _feed(items: Iterator[_Item], queue: SimpleQueue[_Item]) -> None:
    try:
        for item in items:
            queue.put(item)
    except BaseException as error:  # noqa: BLE001 - it is raised again, where somebody waits
        queue.put(error)
    else:
        queue.put("over")


def _ask(detector: Detector, frame: Frame) -> tuple[Boxes, float]:
    began = time.perf_counter()
    return detector.detect([frame.image])[0], time.perf_counter() - began


def _examined(camera: int, frame: Frame, answer: _Answer | None) -> Examined:
    boxes, seconds = (None, 0.0) if answer is None else answer.result()
    return Examined(camera=camera, frame=frame, boxes=boxes, seconds=seconds)
