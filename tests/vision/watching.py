"""The live loop in a thread, on a street that is all road."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from threading import Event, Thread

from vision.detection.detect import Detector
from vision.live.facts import Fact
from vision.live.loop import LiveCamera, run_live
from vision.road.scene import Scene, parse_scene


def scene(name: str = "cam", size: tuple[int, int] = (384, 288)) -> Scene:
    width, height = size
    whole = [[0, 0], [width, 0], [width, height], [0, height]]
    zones = [
        {"name": "road", "kind": "road", "image": whole},
        {"name": "walk", "kind": "no_pedestrian", "image": whole},
    ]
    return parse_scene({"name": name, "size": [width, height], "zones": zones})


@contextmanager
def running(cameras: Sequence[LiveCamera], detector: Detector) -> Iterator[list[Fact]]:
    facts: list[Fact] = []
    stop, failed = Event(), []

    def run() -> None:
        try:
            run_live(cameras, detector, facts.append, stop)
        except BaseException as error:  # noqa: BLE001 - shown below
            failed.append(error)

    thread = Thread(target=run)
    thread.start()
    try:
        yield facts
    finally:
        stop.set()
        thread.join(30)
    assert not thread.is_alive()
    assert not failed, failed
