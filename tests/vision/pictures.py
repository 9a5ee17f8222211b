"""Drawn street pictures: a road with texture, cars and people in it, noise over all."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from threading import Event

import cv2
import numpy as np

from vision.frames.frame import Frame
from vision.frames.letterbox import Image

WIDTH, HEIGHT = 384, 288
NOISE = 2.0  # grey levels, standard deviation: a sensor's by day
FIELD = np.random.default_rng(0).normal(0, 1, (HEIGHT * 3, WIDTH * 3)).astype(np.float32)


def street(*, seed: int = 1) -> Image:
    """An empty street: walls with windows, a road with markings, leaves."""
    rng = np.random.default_rng(seed)
    image = np.full((HEIGHT, WIDTH, 3), (120, 130, 125), np.uint8)
    leaves = rng.integers(40, 160, (HEIGHT // 4, WIDTH // 4, 3)).astype(np.uint8)
    image[:120] = cv2.resize(leaves, (WIDTH, HEIGHT))[:120]
    for x in range(10, WIDTH, 60):
        cv2.rectangle(image, (x, 30), (x + 40, 100), (90, 110, 150), -1)
        cv2.rectangle(image, (x + 8, 40), (x + 32, 70), (200, 190, 180), -1)
    for x in range(0, WIDTH, 50):
        cv2.line(image, (x, 205), (x + 24, 205), (240, 240, 240), 3)
    cv2.line(image, (0, 130), (WIDTH, 125), (60, 60, 60), 2)
    return image


def car(image: Image, x: int, y: int = 160, *, length: int = 60) -> Image:
    """A copy of `image` with a car whose left upper corner is at (x, y)."""
    image = image.copy()
    cv2.rectangle(image, (x, y), (x + length, y + length // 2), (30, 30, 190), -1)
    cv2.rectangle(image, (x + 8, y + 3), (x + length - 8, y + 12), (220, 220, 210), -1)
    return image


def noisy(image: Image, rng: np.random.Generator, sigma: float = NOISE) -> Image:
    """`image` as a sensor gives it."""
    shift = rng.integers(0, [FIELD.shape[0] - image.shape[0], FIELD.shape[1] - image.shape[1]])
    field = FIELD[shift[0] : shift[0] + image.shape[0], shift[1] : shift[1] + image.shape[1], None]
    return np.clip(image + np.round(sigma * field).astype(np.int16), 0, 255).astype(np.uint8)


def frames(pictures: Iterable[Image], *, rate: float = 10.0, start: float = 1000.0) -> Iterator[Frame]:
    """`pictures` as a camera's frames."""
    for index, picture in enumerate(pictures):
        yield Frame(index=index, at=start + index / rate, picture=picture, fresh=index == 0)


class Given:
    """A source of given pictures, `rate` a second of event time."""

    def __init__(self, pictures: Iterable[Image], *, rate: float = 10.0, start: float = 1000.0) -> None:
        self.state = "opening"
        self._frames = list(frames(pictures, rate=rate, start=start))

    def frames(self, stop: Event) -> Iterator[Frame]:
        self.state = "open"
        for frame in self._frames:
            if stop.is_set():
                return
            yield frame


Change = Callable[[Image], Image]


def write_film(path: Path, pictures: Iterable[Image], *, rate: int = 10) -> Path:
    """A real film of `pictures`."""
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate, {"preset": "ultrafast", "g": str(rate)})
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="bgr24")))
        container.mux(stream.encode(None))
    return path
