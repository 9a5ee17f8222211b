"""The live loop on real streams, real films and the real model."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import numpy as np
import pytest

from events.evidence import Evidence
from events.health import Health
from events.incident import Incident
from events.traffic import TrafficMinute
from ngatu.process.ports import free_port
from tests.servers import WaitFor
from tests.vision.pictures import Given, car, noisy, street
from tests.vision.redness import Redness
from tests.vision.streaming import Camera
from tests.vision.watching import running, scene
from vision.detection.detect import Detector
from vision.errors import SourceError
from vision.frames.frame import Frame
from vision.frames.letterbox import Boxes, Image
from vision.frames.source import Live
from vision.frames.video import read_video
from vision.live.facts import CameraStatus, Fact
from vision.live.loop import LiveCamera, replay, run_live
from vision.live.slot import Slots
from vision.recorded.recording import read_boxes
from vision.recorded.replay import replay as replay_boxes


@pytest.fixture(autouse=True)
def _status_each_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vision.live.pulse.STATUS_SECONDS", 1.0)


@contextmanager
def viewing(source: Live) -> Iterator[list[Frame]]:
    frames: list[Frame] = []
    stop = Event()
    thread = Thread(target=lambda: frames.extend(source.frames(stop)))
    thread.start()
    yield frames
    stop.set()
    thread.join(15)
    assert not thread.is_alive()


def test_a_stream_that_drops_and_comes_back_in_another_size_goes_on(wait_for: WaitFor) -> None:
    port = free_port()
    source = Live(f"http://127.0.0.1:{port}/live.ts", read_video)
    with viewing(source) as frames:
        wait_for(lambda: source.state.startswith("broken"))  # nobody serves yet
        with Camera(port):
            wait_for(lambda: len(frames) > 10, 30)
            assert source.state == "open"
        wait_for(lambda: source.state.startswith("broken"), 30)
        seen = len(frames)
        with Camera(port, width=640, height=360):
            wait_for(lambda: len(frames) > seen + 10, 60)
    assert [frame.fresh for frame in frames].count(True) == 2
    assert {frame.size for frame in frames} == {(384, 288), (640, 360)}
    assert all(later.at > earlier.at for earlier, later in pairwise(frames))


def test_a_stream_that_stalls_is_given_up_and_opened_again(wait_for: WaitFor) -> None:
    port = free_port()
    source = Live(f"http://127.0.0.1:{port}/live.ts", read_video)
    with viewing(source) as frames:
        with Camera(port) as camera:
            wait_for(lambda: len(frames) > 5, 30)
            camera.stall()
            wait_for(lambda: source.state.startswith("broken"), 30)
        seen = len(frames)
        with Camera(port):
            wait_for(lambda: len(frames) > seen, 60)


def test_a_slow_detector_sees_the_latest_frame_and_its_delay_is_bounded(wait_for: WaitFor) -> None:
    port = free_port()
    with Camera(port) as stream, running([LiveCamera(scene=scene(), source=stream.address)], Redness(0.35)) as facts:
        wait_for(lambda: any(isinstance(fact, CameraStatus) and fact.dropped > 3 for fact in facts), 60)
    status = next(fact for fact in reversed(facts) if isinstance(fact, CameraStatus))
    assert status.state == "open"
    assert status.fps < 7  # of ten
    assert status.delay_s < 2.5


def test_cameras_share_one_detector_fairly(wait_for: WaitFor) -> None:
    rng = np.random.default_rng(1)
    pictures = [noisy(car(street(), 4 * n), rng) for n in range(40)]

    class Endless(Given):
        def __init__(self, seconds: float) -> None:
            super().__init__(pictures)
            self._seconds = seconds

        def frames(self, stop: Event) -> Iterator[Frame]:
            number = 0
            while not stop.wait(self._seconds):
                yield Frame(index=number, at=time.time(), picture=pictures[number % 40])
                number += 1

    detector = Redness(0.05)
    cameras = [
        LiveCamera(scene=scene(name), source=Endless(seconds), gate=False, clips=False)
        for name, seconds in (("fast", 0.005), ("slow", 0.1), ("other", 0.005))
    ]
    with running(cameras, detector) as facts:
        wait_for(lambda: sum(isinstance(fact, CameraStatus) for fact in facts) >= 9, 30)
    rates = {fact.camera: fact.fps for fact in facts if isinstance(fact, CameraStatus)}
    assert rates["slow"] > 0.7 * rates["fast"]  # the two that push do not starve it
    assert rates["fast"] == pytest.approx(rates["other"], rel=0.2)


def test_a_quiet_camera_leaves_the_detector_alone() -> None:
    rng = np.random.default_rng(1)
    pictures = [noisy(street(), rng) for _ in range(100)]
    detector = Redness()
    list(replay(LiveCamera(scene=scene(), source=Given(pictures)), detector))
    assert detector.asked <= 10
    forced = Redness()
    list(replay(LiveCamera(scene=scene(), source=Given(pictures), gate=False), forced))
    assert forced.asked == 100


def test_a_source_that_never_opens_raises_its_silence_and_stops_nobody(
    wait_for: WaitFor, monkeypatch: pytest.MonkeyPatch, film: Path
) -> None:
    monkeypatch.setattr("vision.health.SILENT_SECONDS", 1.0)
    cameras = [
        LiveCamera(scene=scene("dead"), source=f"rtsp://127.0.0.1:{free_port()}/x"),
        LiveCamera(scene=scene("alive"), source=str(film)),
    ]
    with running(cameras, Redness()) as facts:
        wait_for(lambda: any(isinstance(f, CameraStatus) and f.camera == "alive" and f.fps > 5 for f in facts), 30)
    health = [fact for fact in facts if isinstance(fact, Health)]
    assert [(fact.name, fact.condition, fact.state) for fact in health] == [("dead", "no_signal", "raised")]
    dead = next(fact for fact in facts if isinstance(fact, CameraStatus) and fact.camera == "dead")
    assert dead.state.startswith("broken: rtsp://127.0.0.1")


def test_an_incident_comes_with_its_still_then_its_clip(vtest: Path, detector: Detector) -> None:
    camera = LiveCamera(scene=scene(size=(768, 576)), source=str(vtest), rate=5.0)
    facts: list[Fact] = []
    for fact in replay(camera, detector, start=1000.0):
        facts.append(fact)
        if isinstance(fact, Evidence) and fact.role == "clip":
            break
    first = next(n for n, fact in enumerate(facts) if isinstance(fact, Incident))
    incident, still = facts[first], facts[first + 1]
    assert isinstance(incident, Incident)
    assert isinstance(still, Evidence)
    assert (incident.kind, incident.model) == ("pedestrian_on_road", "yolov3-tiny")
    assert (still.role, still.incident, still.at) == ("still", incident.id, incident.decided_at)
    clip = facts[-1]
    assert isinstance(clip, Evidence)
    assert clip.incident in {fact.id for fact in facts if isinstance(fact, Incident)}


def test_replay_says_the_same_again_and_so_do_its_recorded_boxes(
    vtest: Path, detector: Detector, tmp_path: Path
) -> None:
    record = tmp_path / "boxes.jsonl.gz"
    where = scene(size=(768, 576))

    def run(record: Path | None) -> list[Fact]:
        camera = LiveCamera(scene=where, source=Head(vtest, 60), clips=False, record=record)
        return list(replay(camera, detector))

    once, again = run(record), run(None)
    assert once == again
    told = [fact for fact in once if isinstance(fact, Incident | TrafficMinute)]
    assert any(isinstance(fact, Incident) for fact in told)
    assert list(replay_boxes(where, read_boxes(record), model=detector.info.name)) == told


class Head:
    """The first frames of a film."""

    def __init__(self, path: Path, frames: int) -> None:
        self.state = "open"
        self._path, self._frames = path, frames

    def frames(self, stop: Event) -> Iterator[Frame]:
        for frame in read_video(str(self._path)):
            if frame.index == self._frames or stop.is_set():
                return
            yield Frame(index=frame.index, at=round(1000 + frame.at, 3), picture=frame.picture, fresh=frame.index == 0)


def test_a_film_that_breaks_off_tells_what_it_told() -> None:
    class Breaking(Given):
        def frames(self, stop: Event) -> Iterator[Frame]:
            yield from super().frames(stop)
            raise SourceError("film: broke off")

    facts: list[Fact] = []
    with pytest.raises(SourceError, match="broke off"):
        facts.extend(replay(LiveCamera(scene=scene(), source=Breaking([street()] * 700), clips=False), Redness()))
    assert any(isinstance(fact, TrafficMinute) for fact in facts)


@pytest.mark.parametrize("broken", ["sink", "detector"])
def test_what_breaks_inside_ends_the_loop_with_its_error_and_leaves_no_thread(film: Path, broken: str) -> None:
    class Failing(Redness):
        def _one(self, frame: Image) -> Boxes:
            raise RuntimeError(f"detector: {frame.shape}")

    def sink(fact: Fact) -> None:
        raise RuntimeError(f"sink: {fact}")

    before = threading.active_count()
    detector: Detector = Failing() if broken == "detector" else Redness()
    accept: Callable[[Fact], None] = sink if broken == "sink" else lambda _: None
    with pytest.raises(RuntimeError, match=broken):
        run_live([LiveCamera(scene=scene(), source=str(film))], detector, accept, Event())
    assert threading.active_count() == before


def test_a_stream_of_another_size_is_judged_in_the_scenes_pixels() -> None:
    large = [np.repeat(np.repeat(car(street(), 100 + n), 2, axis=0), 2, axis=1) for n in range(30)]
    small = [car(street(), 100 + n) for n in range(30)]
    told = [
        list(replay(LiveCamera(scene=scene(), source=Given(pictures), clips=False), Redness()))
        for pictures in (large, small)
    ]
    assert told[0] == told[1]


def test_slots_give_each_camera_its_turn_and_remember_a_new_beginning() -> None:
    slots, stop = Slots(2), Event()
    for index in range(3):
        slots.put(0, Frame(index=index, at=float(index), picture=street(), fresh=index == 1))
    slots.put(1, Frame(index=9, at=9.0, picture=street()))
    taken = slots.taken(stop)
    first, second = next(taken), next(taken)
    assert first is not None
    assert second is not None
    assert (first[0], first[1].index, first[1].fresh) == (0, 2, True)
    assert (second[0], second[1].index) == (1, 9)
    assert next(taken) is None
    assert slots.dropped == [2, 0]
