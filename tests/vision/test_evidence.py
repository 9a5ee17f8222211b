from datetime import UTC, datetime
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events.incident import Incident, Place
from tests.vision.pictures import car, frames, noisy, street
from vision.blur import CELLS, blurred, regions
from vision.evidence import CLIP_SECONDS, Ring, asks_for_evidence, encode, still, to_jpeg
from vision.frames.letterbox import Boxes, Image

ID = "01M80D5ZCGTSR49EVXFV84E6PV"


def incident(*, rev: int = 1, kind: str = "stopped_vehicle", raised_from: str | None = None) -> Incident:
    at = datetime.fromtimestamp(1006, UTC)
    return Incident(
        id=ID, rev=rev, kind=kind, state="open", severity="minor", camera="cam", started_at=at, decided_at=at, at=at,  # type: ignore[arg-type]
        confidence=0.9, place=Place(box=(10, 10, 50, 50)), raised_from=raised_from,  # type: ignore[arg-type]
    )  # fmt: skip


def written(text: str) -> tuple[Image, Boxes]:
    """A street with a van whose plate, and a poster beside it whose lower half, say `text`."""
    image = street()
    image[140:280, 40:200] = 235
    cv2.putText(image, text, (60, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 3)
    cv2.putText(image, text, (230, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (0, 0, 0), 3)
    return image, np.array([[40, 140, 200, 280, 0.9, 2]], np.float32)


def likeness(a: Image, b: Image, sigma: float = 12) -> float:
    """Pearson's correlation of what is finer than `sigma` pixels in both."""
    fine = [p.astype(float) - cv2.GaussianBlur(p.astype(np.float32), (0, 0), sigma) for p in (a, b)]
    one, other = (f - f.mean() for f in fine)
    return float((one * other).sum() / np.sqrt((one**2).sum() * (other**2).sum()))


def test_a_plate_cannot_be_read_any_more_and_the_rest_is_untouched() -> None:
    texts = ["29A12345", "30F98761", "51H44820", "15B70093"]
    pictures = [written(text) for text in texts]
    x1, y1, x2, y2 = regions(pictures[0][1], 384, 288)[0]
    for number, (image, boxes) in enumerate(pictures):
        hidden = blurred(image, boxes)
        inside = hidden[y1:y2, x1:x2]
        # what is left of a plate fits the right text hardly better than the others
        fits = [likeness(inside, other[y1:y2, x1:x2]) for other, _ in pictures]
        assert fits[number] < 0.35
        assert fits[number] - max(f for n, f in enumerate(fits) if n != number) < 0.1
        assert len(np.unique(inside.reshape(-1, 3), axis=0)) <= CELLS * CELLS
        outside = np.ones(image.shape[:2], bool)
        outside[y1:y2, x1:x2] = False
        assert np.array_equal(hidden[outside], image[outside])


def test_the_real_peoples_heads_are_gone(vtest: Path) -> None:
    film = cv2.VideoCapture(str(vtest))
    for _ in range(10):
        film.grab()
    image = np.asarray(film.retrieve()[1], np.uint8)
    boxes = np.array([[563, 237, 601, 330, 0.9, 0]], np.float32)
    hidden = blurred(image, boxes)
    head = (slice(238, 256), slice(570, 588))
    assert likeness(hidden[head], image[head], sigma=2) < 0.4  # nothing as fine as a nose or an eye
    assert len(np.unique(hidden[head].reshape(-1, 3), axis=0)) <= 9
    assert np.array_equal(hidden[275:330], image[275:330])  # his coat and legs are not


@settings(deadline=None, max_examples=50)
@given(
    boxes=st.lists(
        st.tuples(*[st.floats(-500, 900) for _ in range(4)], st.floats(0, 1), st.sampled_from([0, 1, 2, 3, 5, 7, 16])),
        max_size=8,
    )
)
def test_any_box_is_blurred_inside_the_picture_only(boxes: list[tuple[float, ...]]) -> None:
    image = street()
    array = np.array(boxes, np.float32).reshape(-1, 6)
    assert blurred(image, array).shape == image.shape
    for x1, y1, x2, y2 in regions(array, 384, 288):
        assert 0 <= x1 < x2 <= 384
        assert 0 <= y1 < y2 <= 288


def test_a_still_is_a_clean_jpeg_of_bounded_size() -> None:
    rng = np.random.default_rng(1)
    noise = rng.integers(0, 256, (1080, 1920, 3)).astype(np.uint8)  # nothing compresses worse
    data = to_jpeg(noise, most=200_000)
    assert data.startswith(b"\xff\xd8\xff")
    assert len(data) <= 200_000
    frame = next(frames([noisy(street(), rng)]))
    told = still(incident(), frame, np.empty((0, 6), np.float32), blur=True)
    back = cv2.imdecode(np.frombuffer(told.data, np.uint8), cv2.IMREAD_COLOR)
    assert back is not None
    assert back.shape == frame.image.shape
    assert np.abs(back.astype(int) - frame.image.astype(int)).mean() < 6
    assert told.at.timestamp() == frame.at


def test_a_clip_holds_five_seconds_before_and_after_blurred(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    ring, clips = Ring(camera="cam"), []
    for number, frame in enumerate(frames(noisy(car(street(), 3 * n), rng) for n in range(130))):
        clips += ring.add(frame, np.array([[3 * number, 160, 3 * number + 60, 190, 0.9, 2]], np.float32))
        if number == 60:
            ring.film(incident(), frame.at)
    (clip,) = clips
    made = encode(clip)
    assert made is not None
    assert made.data[4:8] == b"ftyp"
    assert made.at.timestamp() == pytest.approx(1006 - CLIP_SECONDS, abs=0.21)
    (tmp_path / "clip.mp4").write_bytes(made.data)
    with av.open(str(tmp_path / "clip.mp4")) as film:
        pictures = list(film.decode(video=0))
        assert film.streams.video[0].codec_context.name == "h264"
    assert 9.5 <= float(pictures[-1].time or 0) <= 10.5
    assert 45 <= len(pictures) <= 55
    first = np.asarray(pictures[0].to_ndarray(format="bgr24"), np.uint8)
    x1, y1, x2, y2 = regions(np.array([[33, 160, 93, 190, 0.9, 2]], np.float32), 384, 288)[0]
    assert likeness(first[y1:y2, x1:x2], car(street(), 33)[y1:y2, x1:x2]) < 0.6


def test_memory_of_a_ring_is_bounded_whatever_happens() -> None:
    ring = Ring(camera="cam")
    for number, frame in enumerate(frames([street()] * 300)):
        ring.add(frame, np.empty((0, 6), np.float32))
        if number < 100:
            ring.film(incident(), frame.at)
    assert len(ring._frames) <= 27
    assert ring._growing == []


def test_a_clip_whose_stream_changes_size_keeps_the_first(tmp_path: Path) -> None:
    ring, clips = Ring(camera="cam"), []
    large = np.asarray(cv2.resize(street(), (768, 576)), np.uint8)
    for number, frame in enumerate(frames([street()] * 60 + [large] * 60)):
        clips += ring.add(frame, np.empty((0, 6), np.float32))
        if number == 50:
            ring.film(incident(), frame.at)
    made = encode(clips[0])
    assert made is not None
    (tmp_path / "clip.mp4").write_bytes(made.data)
    with av.open(str(tmp_path / "clip.mp4")) as film:
        assert {(picture.width, picture.height) for picture in film.decode(video=0)} == {(384, 288)}


def test_only_news_asks_for_a_picture() -> None:
    assert asks_for_evidence(incident(), None)
    assert not asks_for_evidence(incident(rev=2), "stopped_vehicle")
    assert asks_for_evidence(incident(rev=3, kind="collision", raised_from="stopped_vehicle"), "stopped_vehicle")
    assert not asks_for_evidence(incident(rev=4, kind="collision", raised_from="stopped_vehicle"), "collision")
