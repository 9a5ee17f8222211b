import time
from itertools import pairwise
from pathlib import Path
from threading import Event, Thread

import cv2
import numpy as np
import pytest

from tests.servers import WaitFor
from tests.vision.pictures import car, street, write_film
from vision.errors import SourceError
from vision.frames.source import Arrival, Live, Pace, Pushed, open_source
from vision.frames.video import read_video
from vision.live.loop import thinned


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


class Waiting(Event):
    """An event whose waiting moves the clock instead of passing time."""

    def __init__(self, hands: Hands) -> None:
        super().__init__()
        self._hands = hands

    def wait(self, timeout: float | None = None) -> bool:
        self._hands.now += timeout or 0.0
        return self.is_set()


def test_a_recording_is_read_once_and_its_time_is_the_films(film: Path) -> None:
    frames = list(open_source(str(film), live=False, start=100.0).frames(Event()))
    assert [frame.index for frame in frames] == list(range(30))
    assert [frame.at for frame in frames] == pytest.approx([100 + n / 10 for n in range(30)])
    assert [frame.fresh for frame in frames] == [True] + [False] * 29
    assert frames[0].image.shape == (288, 384, 3)
    assert frames[0].luma.shape == (120, 160)


def test_the_small_grey_copy_is_the_picture(film: Path) -> None:
    frame = next(open_source(str(film), live=False).frames(Event()))
    grey = cv2.cvtColor(frame.image, cv2.COLOR_BGR2GRAY)
    small = cv2.resize(grey, (160, 120), interpolation=cv2.INTER_AREA)
    assert np.abs(small.astype(float) - frame.luma).mean() < 4


def test_a_folder_of_pictures_is_a_recording(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), car(street(), 40 * number))
    (tmp_path / "notes.txt").write_text("no picture")
    frames = list(open_source(str(tmp_path), live=False).frames(Event()))
    assert [frame.at for frame in frames] == pytest.approx([0.0, 0.1, 0.2])
    assert np.array_equal(frames[2].image, car(street(), 80))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("none.mp4", None, "No such file"),
        ("text.mp4", b"not a film at all", "Invalid data"),
        ("folder", "folder", "no pictures"),
    ],
)
def test_what_never_opens_is_one_clear_error(tmp_path: Path, name: str, content: bytes | str | None, said: str) -> None:
    path = tmp_path / name
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content:
        path.mkdir()
    with pytest.raises(SourceError, match=said) as caught:
        list(open_source(str(path), live=False).frames(Event()))
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SourceError) as caught:
        list(read_video("rtsp://viewer:secret@127.0.0.1:9/live"))
    assert "secret" not in str(caught.value)
    assert "viewer:***@" in str(caught.value)


def test_a_film_cut_in_the_middle_of_its_bytes_gives_what_it_has(film: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole.ts"
    write_film(whole, [car(street(), 8 * n) for n in range(30)])
    (tmp_path / "cut.ts").write_bytes(whole.read_bytes()[: whole.stat().st_size * 6 // 10])
    frames = list(read_video(str(tmp_path / "cut.ts")))
    assert 5 < len(frames) < 30
    (tmp_path / "cut.mp4").write_bytes(film.read_bytes()[: film.stat().st_size // 2])  # its index stands at the end
    with pytest.raises(SourceError, match=r"cut\.mp4"):
        list(read_video(str(tmp_path / "cut.mp4")))


def test_broken_bytes_in_a_stream_cost_pictures_not_the_stream(tmp_path: Path) -> None:
    path = write_film(tmp_path / "whole.ts", [car(street(), 8 * n) for n in range(60)])
    data = bytearray(path.read_bytes())
    rng = np.random.default_rng(5)
    for at in rng.integers(len(data) // 4, len(data) // 2, 200):
        data[at] ^= 0xFF
    path.write_bytes(data)
    frames = list(read_video(str(path)))
    assert len(frames) > 30
    assert frames[-1].at > 5
    assert all(a.at < b.at for a, b in pairwise(frames))


def test_a_live_file_plays_at_its_own_speed_again_and_again(film: Path) -> None:
    hands = Hands()
    stop = Waiting(hands)
    live = Live(str(film), read_video)
    pace = Pace(hands)
    dues = [pace.when(frame.at, stop) for frame in read_video(str(film))]
    assert dues == pytest.approx([5000 + n / 10 for n in range(30)])
    assert hands.now == pytest.approx(5002.9)
    frames = []
    for frame in live.frames(stop):
        frames.append(frame)
        if len(frames) == 35:
            stop.set()
    assert [frame.fresh for frame in frames].count(True) == 2
    assert [frame.index for frame in frames] == list(range(35))
    assert all(a.at < b.at for a, b in pairwise(frames))


def test_a_machine_that_stood_still_does_not_hurry_after_the_film() -> None:
    hands = Hands()
    stop, pace = Waiting(hands), Pace(hands)
    assert pace.when(0.0, stop) == 5000
    hands.now += 60
    assert pace.when(0.1, stop) == pytest.approx(5060)
    assert pace.when(0.2, stop) == pytest.approx(5060.1)


def test_bursts_of_a_network_do_not_disturb_a_streams_time() -> None:
    rng = np.random.default_rng(11)
    hands = Hands()
    arrival = Arrival(hands)
    seen = []
    for number in range(2000):
        captured = number / 25
        hands.now = max(hands.now, 5000 + captured + 0.05 + rng.exponential(0.1))  # TCP: late ones hold up the next
        seen.append(arrival.when(captured, Event()))
    steps = np.diff(seen[100:])
    assert np.abs(steps - 0.04).max() < 0.05
    assert np.abs(steps - 0.04).mean() < 0.001
    assert 0 <= seen[-1] - (5000 + 1999 / 25) < 0.2


def test_a_streams_clock_that_jumps_is_another_clock() -> None:
    hands = Hands()
    arrival = Arrival(hands)
    assert arrival.when(3.0, Event()) == 5000
    hands.now += 1
    assert arrival.when(90_000.0, Event()) == pytest.approx(5001)
    hands.now += 1
    assert arrival.when(2.0, Event()) == pytest.approx(5002)


def test_a_broken_live_source_waits_longer_each_time_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    hands = Hands()
    stop = Waiting(hands)
    tries: list[float] = []

    def broken(address: str) -> object:
        tries.append(hands.now)
        if len(tries) == 9:
            stop.set()
        raise SourceError(f"{address}: cannot be opened")

    assert list(Live("rtsp://camera/1", broken).frames(stop)) == []  # type: ignore[arg-type]
    waits = np.diff(tries)
    assert 0.5 <= waits[0] <= 1.0
    assert waits.max() > 10
    assert waits.max() <= 30
    assert len([record for record in caplog.records if "broken" in record.getMessage()]) == 1


def test_frames_are_thinned_evenly(film: Path) -> None:
    kept = [frame.index for frame in thinned(read_video(str(film)), 5.0)]
    assert kept == list(range(0, 30, 2))
    assert len(list(thinned(read_video(str(film)), None))) == 30
    assert len(list(thinned(read_video(str(film)), 3.0))) in {9, 10}


def test_pushed_frames_come_out_newest_first_where_nobody_keeps_up() -> None:
    pushed = Pushed()
    done, jpeg = cv2.imencode(".jpg", street())
    assert done
    began = time.time()
    for n in range(5):
        pushed.push(jpeg.tobytes(), began + n / 100)
    taken, stop = [], Event()
    for frame in pushed.frames(stop):
        taken.append(frame.at)
        if len(taken) == 2:
            stop.set()
    assert taken == [began + 0.03, began + 0.04]
    with pytest.raises(SourceError, match="not a picture"):
        pushed.push(b"GIF89a", began + 0.05)
    with pytest.raises(SourceError, match="after one at"):
        pushed.push(jpeg.tobytes(), began + 0.04)


def test_a_damaged_pushed_picture_is_passed_over_and_a_wrong_clock_is_not_believed() -> None:
    pushed, stop = Pushed("thin/north"), Event()
    jpeg = cv2.imencode(".jpg", street())[1].tobytes()
    before = time.time()
    pushed.push(b"\xff\xd8\xff and then nothing", before)
    pushed.push(jpeg, before - 3600)
    frame = next(pushed.frames(stop))
    assert before <= frame.at <= time.time()
    assert frame.clock_off == pytest.approx(3600, abs=5)
    assert frame.fresh
    assert pushed.state == "open"


def test_a_sender_that_falls_silent_is_told(monkeypatch: pytest.MonkeyPatch, wait_for: WaitFor) -> None:
    monkeypatch.setattr("vision.frames.source.SILENT", 0.3)
    pushed, stop = Pushed("thin/north"), Event()
    fresh: list[bool] = []
    thread = Thread(target=lambda: fresh.extend(frame.fresh for frame in pushed.frames(stop)))
    thread.start()
    try:
        wait_for(lambda: pushed.state.startswith("broken: thin/north: no frame"))
        pushed.push(cv2.imencode(".jpg", street())[1].tobytes(), time.time())
        wait_for(lambda: pushed.state == "open")
    finally:
        stop.set()
        thread.join()
    assert fresh == [True]
