"""Frames through the gate and the detector: in order, several at once, never more than there is room for."""

import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event

import numpy as np
import pytest

from ngatu.home import CHECKOUT
from tests.vision.pictures import car, frames, street
from tests.vision.redness import Redness
from vision.detection.detect import open_detector
from vision.detection.models import ModelFile
from vision.frames.frame import Frame
from vision.frames.letterbox import Boxes, Image
from vision.frames.motion import Gate
from vision.live.examine import examine

LANES = 3


class Uneven(Redness):
    """The first picture of each three takes longest."""

    def __init__(self) -> None:
        super().__init__()
        self.info = replace(self.info, lanes=LANES)
        self._turn = threading.Lock()
        self._begun = self.at_once = self.most = 0

    def detect(self, frames: Sequence[Image]) -> list[Boxes]:
        with self._turn:
            self._begun += 1
            pause = 0.03 if self._begun % 3 == 1 else 0.005
            self.at_once += 1
            self.most = max(self.most, self.at_once)
        time.sleep(pause)
        with self._turn:
            self.at_once -= 1
        return [self._one(frame) for frame in frames]


def test_what_is_worked_on_at_once_comes_out_in_order_with_its_own_boxes() -> None:
    detector = Uneven()
    film = list(frames(car(street(), 5 * n) for n in range(40)))
    taken = 0

    def counted() -> Iterator[tuple[int, Frame]]:
        nonlocal taken
        for frame in film:
            taken += 1
            yield 0, frame

    seen = []
    for one in examine(counted(), detector, [Gate(forced_open=True)], Event()):
        assert one is not None
        assert one.boxes is not None
        seen.append((one.frame.index, float(one.boxes[0, 0])))
        assert taken - len(seen) <= LANES  # what waits, waits where a newer frame replaces it
    assert seen == [(n, 5.0 * n) for n in range(40)]
    assert detector.most > 1


def test_whoever_leaves_early_leaves_nothing_running() -> None:
    before = threading.active_count()
    found = examine(((0, frame) for frame in frames([street()] * 50)), Uneven(), [Gate(forced_open=True)], Event())
    next(found)
    found.close()  # type: ignore[attr-defined] # a generator
    assert threading.active_count() == before


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
@pytest.mark.parametrize(("at_once", "lanes"), [(None, 6), (1, 2), (8, 6)])
def test_threads_bound_what_is_worked_on_and_all_lanes_see_the_same(
    tiny: ModelFile, vtest_pictures: list[Image], runtime: str, at_once: int | None, lanes: int
) -> None:
    detector = open_detector(tiny.path, threads=2, at_once=at_once, runtime=runtime)  # type: ignore[arg-type]
    assert detector.info.lanes == lanes
    pictures = vtest_pictures[:6]
    alone = [detector.detect([picture])[0] for picture in pictures]
    with ThreadPoolExecutor(6) as pool:
        together = list(pool.map(lambda picture: detector.detect([picture])[0], pictures))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-3)


FIRST = """
import sys, numpy as np
from concurrent.futures import ThreadPoolExecutor
from vision.detection.detect import open_detector
detector = open_detector(sys.argv[1], threads=2)
with ThreadPoolExecutor(3) as pool:
    print(len(list(pool.map(detector.detect, [[np.zeros((64, 64, 3), np.uint8)]] * 6))))
"""


def test_first_pictures_at_once_do_not_wait_for_each_other(tiny: ModelFile) -> None:
    for _ in range(3):  # each in a process of its own: OpenVINO sets itself up once
        done = subprocess.run(
            [sys.executable, "-c", FIRST, str(tiny.path)], cwd=CHECKOUT, capture_output=True, timeout=60, check=True
        )
        assert done.stdout.split() == [b"6"]
