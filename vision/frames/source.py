"""Where pictures come from: a file, a folder of pictures, a network stream, a device, or whoever pushes them.

Live sources never give up: what ends or breaks is opened again, later and later, and said once. Recordings are read
as fast as they are asked for, and an error is an error.
"""

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Full, Queue
from threading import Event
from typing import Final, Protocol

import cv2
import numpy as np

from vision.errors import SourceError
from vision.frames.frame import Frame
from vision.frames.video import read_video, shown

log = logging.getLogger(__name__)

PICTURES: Final = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".webp"})
FOLDER_RATE: Final = 10.0  # pictures a second of a folder, which says nothing about time
FIRST_WAIT: Final = 1.0  # seconds until a broken source is opened again
LONGEST_WAIT: Final = 30.0
PUSHED_AHEAD: Final = 2  # frames that wait for whoever takes them
SILENT: Final = 10.0  # seconds without a pushed frame after which its sender counts as gone
CLOCK_SECONDS: Final = 5.0  # between capture and arrival: a network's delay is less, or one of the clocks is wrong
JPEG_BEGINS: Final = b"\xff\xd8\xff"
WINDOW: Final = 15.0  # seconds
WAKE: Final = 0.2  # seconds between two looks at `stop`
HEALTHY: Final = 10.0  # seconds of pictures after which a break counts as the first again


class Source(Protocol):
    """Gives frames until `stop` is set; `state` says how it fares: opening, open, or broken and why."""

    state: str

    def frames(self, stop: Event) -> Iterator[Frame]:
        """Frames in the order of their `at`, which always grows."""


def open_source(address: str, *, live: bool, loop: bool = True, start: float = 0.0) -> Source:
    """The source that `address` names; nothing is opened yet.

    Args:
        address: a video file, a folder of pictures, rtsp://, http(s)://, /dev/video0 or a device's number.
        live: True: at its own speed, now, again and again. False: as fast as it goes, once.
        loop: whether a live file begins again at its end.
        start: of a recording that is not live: the `at` of its first frame.
    """
    read = read_folder if Path(address).is_dir() else read_video
    if not live:
        return Recording(address, read, start)
    return Live(address, read, loop=loop)


@dataclass(slots=True)
class Recording:
    """A file or folder, read once as fast as it goes; `at` counts from `start`."""

    address: str
    read: "Reader"
    start: float = 0.0
    state: str = "opening"

    def frames(self, stop: Event) -> Iterator[Frame]:
        """See `Source.frames`.

        Raises:
            SourceError: it does not open, or breaks off.
        """
        for frame in self.read(self.address):
            if stop.is_set():
                return
            self.state = "open"
            yield Frame(index=frame.index, at=self.start + frame.at, picture=frame.picture, fresh=frame.index == 0)


@dataclass(slots=True)
class Live:
    """A stream, or a recording that plays the part of one."""

    address: str
    read: "Reader"
    loop: bool = True
    state: str = "opening"
    _failures: int = 0
    _index: int = 0
    _last: float = 0.0
    _random: random.Random = field(default_factory=random.Random)

    def frames(self, stop: Event) -> Iterator[Frame]:
        """See `Source.frames`. Never raises SourceError: it says so in `state` and in the log, and tries again."""
        while not stop.is_set():
            opened = time.monotonic()
            try:
                yield from self._once(stop)
            except SourceError as error:
                self._say(f"broken: {error}")
            else:
                if is_recording(self.address) and self.loop:
                    continue
                self._say("broken: ended")
                if is_recording(self.address):
                    return
            self._failures = 1 if time.monotonic() - opened > HEALTHY else self._failures + 1
            stop.wait(self._wait())

    def _once(self, stop: Event) -> Iterator[Frame]:
        """From one opening to its end."""
        clock: Clock = Pace(time.time) if is_recording(self.address) else Arrival(time.time)
        fresh = True
        for frame in self.read(self.address):
            now = clock.when(frame.at, stop)
            if stop.is_set():
                return
            self._say("open")
            self._last = at = max(now, self._last + 0.001)  # a clock that was set back is not followed
            yield Frame(index=self._index, at=at, picture=frame.picture, clock_off=now - at, fresh=fresh)
            self._index += 1
            fresh = False

    def _say(self, state: str) -> None:
        if state != self.state:
            level = logging.WARNING if state.startswith("broken") else logging.INFO
            log.log(level, "source=%s state=%s", shown(self.address), state)
            self.state = state

    def _wait(self) -> float:
        """Seconds: twice as long each time, up to LONGEST_WAIT, a random part of it so that cameras spread out."""
        longest = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self._failures - 1, 10))
        return longest * self._random.uniform(0.5, 1.0)


class Pushed:
    """Frames that somebody pushes as JPEG: a thin camera's, over MQTT."""

    def __init__(self, name: str = "pushed") -> None:
        self.state = "opening"
        self._name = name
        self._waiting: Queue[_Jpeg] = Queue(PUSHED_AHEAD)
        self._last = -1.0

    def push(self, jpeg: bytes, at: float) -> None:
        """Add a picture captured at `at` (POSIX seconds). Where nobody keeps up, the oldest goes.

        A time that is off by more than CLOCK_SECONDS is replaced by this machine's, and the frame says so.

        Raises:
            SourceError: it is no JPEG, or not later than the one before.
        """
        if not jpeg.startswith(JPEG_BEGINS):
            raise SourceError(f"{self._name}: {len(jpeg)} bytes that are not a picture")
        now = time.time()
        off = now - at
        at = at if abs(off) <= CLOCK_SECONDS else now
        if at <= self._last:
            raise SourceError(f"{self._name}: a frame at {at:.3f} after one at {self._last:.3f}")
        self._last = at
        pushed = _Jpeg(jpeg, at, off)
        while True:
            try:
                return self._waiting.put_nowait(pushed)
            except Full:
                with suppress(Empty):
                    self._waiting.get_nowait()

    def frames(self, stop: Event) -> Iterator[Frame]:
        """See `Source.frames`. A picture that is damaged is passed over."""
        index, heard = 0, time.monotonic()
        while not stop.is_set():
            try:
                pushed = self._waiting.get(timeout=WAKE)
            except Empty:
                if time.monotonic() - heard > SILENT:
                    self.state = f"broken: {self._name}: no frame for {SILENT:g} s"
                continue
            heard = time.monotonic()
            image = cv2.imdecode(np.frombuffer(pushed.data, np.uint8), cv2.IMREAD_COLOR)
            if image is None:
                log.warning("source=%s bytes=%d at=%.3f error=damaged", self._name, len(pushed.data), pushed.at)
                continue
            fresh, self.state = self.state != "open", "open"
            picture = np.asarray(image, np.uint8)
            yield Frame(index=index, at=pushed.at, picture=picture, clock_off=pushed.clock_off, fresh=fresh)
            index += 1


@dataclass(frozen=True, slots=True)
class _Jpeg:
    data: bytes
    at: float
    clock_off: float


Reader = Callable[[str], Iterator[Frame]]


class Clock(Protocol):
    """Says when a frame was captured that lies `pts` seconds into its source."""

    def when(self, pts: float, stop: Event) -> float:
        """POSIX seconds."""


@dataclass(slots=True)
class Pace:
    """A recording plays at its own speed: waits until a frame is due."""

    now: Callable[[], float]
    _base: float | None = None
    _late: float = 1.0  # seconds behind after which the time lost is not caught up

    def when(self, pts: float, stop: Event) -> float:
        """POSIX seconds at which the frame was due."""
        now = self.now()
        if self._base is None or self._base + pts < now - self._late:
            self._base = now - pts
        due = self._base + pts
        if due > now:
            stop.wait(due - now)
        return due


@dataclass(slots=True)
class Arrival:
    """A stream's frames come late and in bursts; their own time stamps do not.

    The frame that came with the least delay of the last WINDOW to 2 * WINDOW seconds tells how the two clocks differ.
    """

    now: Callable[[], float]
    jump: float = 5.0  # seconds: a time stamp further off than this is another clock's
    _least: tuple[float, float] | None = None  # delay: of the window before, of this one
    _began: float = 0.0
    _pts: float = 0.0

    def when(self, pts: float, stop: Event) -> float:  # noqa: ARG002 - a stream sets its own pace
        """POSIX seconds at which the frame was captured, as far as can be told from here."""
        delay = self.now() - pts
        if self._least is None or not 0 <= pts - self._pts < self.jump or abs(delay - min(self._least)) > self.jump:
            self._least, self._began = (delay, delay), pts
        elif pts - self._began > WINDOW:
            self._least, self._began = (self._least[1], delay), pts
        else:
            self._least = (self._least[0], min(self._least[1], delay))
        self._pts = pts
        return pts + min(self._least)


def read_folder(address: str) -> Iterator[Frame]:
    """The pictures of a folder by name, FOLDER_RATE a second.

    Raises:
        SourceError: there is none, or one cannot be read.
    """
    files = sorted(file for file in Path(address).iterdir() if file.suffix.lower() in PICTURES)
    if not files:
        raise SourceError(f"{address}: no pictures ({', '.join(sorted(PICTURES))}) in this folder")
    for index, file in enumerate(files):
        image = cv2.imread(str(file), cv2.IMREAD_COLOR)
        if image is None:
            raise SourceError(f"{file}: not a picture")
        yield Frame(index=index, at=index / FOLDER_RATE, picture=image)


def is_recording(address: str) -> bool:
    """Whether `address` is a file or folder, which ends, and not a stream or device, which should not."""
    path = Path(address)
    return path.is_dir() or path.is_file()
