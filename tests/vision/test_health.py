"""Each condition from pictures made by changing real ones: those of vtest.avi, one a second."""

from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np
import pytest

from events.health import Health
from events.traffic import TrafficMinute
from tests.vision.pictures import Change, Given, frames, noisy, street
from tests.vision.redness import Redness
from tests.vision.watching import scene
from vision.frames.letterbox import Image
from vision.health import HealthWatch
from vision.live.loop import LiveCamera
from vision.live.loop import replay as watch_film


def blurred(image: Image) -> Image:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), 4), np.uint8)


def dark(image: Image) -> Image:
    return (image * 0.1).astype(np.uint8)


def half_covered(image: Image) -> Image:
    image = image.copy()
    image[:, : image.shape[1] * 6 // 10] = 70
    return image


def a_hand(image: Image) -> Image:
    rng = np.random.default_rng(int(image[::7].sum()))
    coarse = cv2.resize(rng.normal(90, 6, (4, 6)), image.shape[1::-1])[..., None]
    return np.asarray(np.clip(coarse + rng.normal(0, 2, image.shape), 0, 255), np.uint8)


def pushed(image: Image) -> Image:
    """The mast was hit: everything lies 3 % of the width further left, and turned by a degree."""
    height, width = image.shape[:2]
    matrix = cv2.getRotationMatrix2D((width / 2, height / 2), 1.0, 1.0)
    matrix[0, 2] -= 0.03 * width
    return np.asarray(cv2.warpAffine(image, matrix, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)


def turned_away(image: Image) -> Image:
    return np.ascontiguousarray(image[:, ::-1])


CHANGES: dict[str, tuple[Change, str]] = {
    "blurred": (blurred, "blurred"),
    "dark": (dark, "dark"),
    "half covered": (half_covered, "covered"),
    "a hand": (a_hand, "covered"),
    "pushed": (pushed, "moved"),
    "turned away": (turned_away, "moved"),
}


def watch(pictures: Iterable[Image], *, live: bool = True) -> list[Health]:
    health = HealthWatch("cam", live=live)
    return [fact for frame in frames(pictures, rate=1.0) for fact in health.see(frame)]


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_camera_is_noticed_and_cleared(vtest_pictures: list[Image], name: str) -> None:
    change, condition = CHANGES[name]
    pictures = [change(image) if 20 <= second < 45 else image for second, image in enumerate(vtest_pictures)]
    raised, cleared = watch(pictures)
    assert (raised.condition, raised.state, raised.rev) == (condition, "raised", 1)
    assert (cleared.condition, cleared.state, cleared.rev) == (condition, "cleared", 2)
    assert raised.id == cleared.id
    assert raised.since.timestamp() == 1020
    assert cleared.until is not None
    assert 1045 <= cleared.until.timestamp() <= 1055
    assert raised.why


@pytest.mark.parametrize(
    "change",
    [
        lambda image: image,
        lambda image: (image * 0.6).astype(np.uint8),  # a cloud
        lambda image: np.clip(image * 1.3, 0, 255).astype(np.uint8),  # the sun
        lambda image: np.clip(image + np.random.default_rng(1).normal(0, 8, image.shape), 0, 255).astype(
            np.uint8
        ),  # gain, at dusk
        lambda image: np.roll(image, 2, axis=1),  # wind at the mast
        lambda image: np.asarray(cv2.GaussianBlur(image, (0, 0), 1.0), np.uint8),  # drizzle
    ],
    ids=["as it is", "cloud", "sun", "noise", "wind", "drizzle"],
)
def test_weather_and_traffic_are_no_ailment(vtest_pictures: list[Image], change: Change) -> None:
    assert watch(change(image) if second >= 20 else image for second, image in enumerate(vtest_pictures)) == []


def test_a_bus_before_the_lens_is_no_ailment(vtest_pictures: list[Image]) -> None:
    assert watch(half_covered(image) if 20 <= s < 28 else image for s, image in enumerate(vtest_pictures)) == []


def test_a_frozen_picture_is_noticed_where_it_is_live(vtest_pictures: list[Image]) -> None:
    pictures = [vtest_pictures[20] if 20 <= second < 45 else image for second, image in enumerate(vtest_pictures)]
    assert [fact.condition for fact in watch(pictures)] == ["frozen", "frozen"]
    assert watch(pictures, live=False) == []


def test_silence_is_raised_once_and_cleared_by_a_frame(vtest_pictures: list[Image]) -> None:
    health = HealthWatch("cam", live=True)
    first, second = list(frames(vtest_pictures[:2], rate=0.01))
    assert health.see(first) == []
    assert health.silence(first.at + 9) == []
    (raised,) = health.silence(first.at + 11)
    assert raised.condition == "no_signal"
    assert health.silence(first.at + 30) == []
    assert not health.well
    (cleared,) = health.see(second)
    assert (cleared.condition, cleared.state, cleared.id) == ("no_signal", "cleared", raised.id)
    assert health.well


def test_a_camera_that_never_opens_is_silent_too() -> None:
    health = HealthWatch("cam", live=True)
    assert health.silence(100.0) == []
    assert [fact.condition for fact in health.silence(111.0)] == ["no_signal"]
    assert HealthWatch("cam", live=False).silence(111.0) == []


def test_night_from_the_start_is_dark(vtest_pictures: list[Image]) -> None:
    assert [fact.condition for fact in watch(dark(image) for image in vtest_pictures[:15])] == ["dark"]


def test_a_wrong_clock_is_noticed_and_cleared_when_it_is_set(vtest_pictures: list[Image]) -> None:
    health = HealthWatch("cam", live=True)
    off = [
        replace(frame, clock_off=-90.0 if 20 <= n < 45 else 0.2)
        for n, frame in enumerate(frames(vtest_pictures, rate=1.0))
    ]
    raised, cleared = [fact for frame in off for fact in health.see(frame)]
    assert (raised.condition, raised.state, cleared.state) == ("wrong_clock", "raised", "cleared")
    assert raised.why == {"seconds_behind": -90.0}
    assert health.well


@pytest.mark.parametrize(
    ("dark_from", "until", "trusted"),
    [
        (70, 100, [True, False, True]),
        (55, 90, [False, False, True]),  # it was said in the second minute, and began in the first
        (55, 62, [True, True, True]),  # a lorry went by
        (130, 178, [True, True, False]),
    ],
)
def test_counts_of_the_time_in_which_a_camera_was_unwell_are_not_trusted(
    dark_from: int, until: int, trusted: list[bool]
) -> None:
    rng = np.random.default_rng(4)
    pictures = [noisy(street(), rng) for _ in range(180)]
    shown = [dark(image) if dark_from <= second < until else image for second, image in enumerate(pictures)]
    source = Given(shown, rate=1.0, start=960.0)
    facts = watch_film(LiveCamera(scene=scene(), source=source, clips=False, gate=False), Redness())
    minutes = [fact for fact in facts if isinstance(fact, TrafficMinute) and fact.zone == "road"]
    assert [minute.start.timestamp() for minute in minutes] == [960, 1020, 1080]
    assert [minute.trusted for minute in minutes] == trusted
