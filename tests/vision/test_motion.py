import numpy as np

from tests.vision.pictures import car, frames, noisy, street
from vision.frames.letterbox import Image
from vision.frames.motion import LONGEST, Gate


def opened(pictures: list[Image], rate: float = 10.0) -> list[bool]:
    gate = Gate()
    return [gate.changed(frame) for frame in frames(pictures, rate=rate)]


def test_an_empty_street_keeps_the_gate_shut_but_for_a_look_now_and_then() -> None:
    rng = np.random.default_rng(1)
    seen = opened([noisy(street(), rng) for _ in range(300)])
    assert seen[0]
    assert sum(seen) <= 2 + 30 / LONGEST


def test_whatever_drives_opens_it_at_once() -> None:
    rng = np.random.default_rng(1)
    empty = [noisy(street(), rng) for _ in range(50)]
    passing = [noisy(car(street(), 4 * n, length=24), rng) for n in range(60)]
    seen = opened(empty + passing)
    assert all(seen[50:])


def test_what_creeps_is_seen_within_a_few_pixels() -> None:
    rng = np.random.default_rng(1)
    creeping = [noisy(car(street(), 100 + n // 10), rng) for n in range(200)]  # a pixel a second
    seen = opened(creeping)
    last = 0
    for number, is_open in enumerate(seen):
        if is_open:
            last = number
        assert number - last <= 10 * LONGEST


def test_a_flickering_lamp_is_learnt_and_a_car_beside_it_seen() -> None:
    rng = np.random.default_rng(1)

    def lit(image: Image, n: int) -> Image:
        image = image.copy()
        image[20:40, 300:330] = 255 if n % 2 else 200
        return image

    seen = opened([noisy(lit(street(), n), rng) for n in range(400)])
    assert sum(seen[200:]) < 40
    both = [noisy(lit(street() if n < 400 else car(street(), 4 * (n - 400)), n), rng) for n in range(430)]
    assert all(opened(both)[402:])


def test_forced_open_it_never_shuts() -> None:
    gate = Gate(forced_open=True)
    assert all(gate.changed(frame) for frame in frames([street()] * 20))


def test_a_stream_that_begins_again_or_changes_size_is_looked_at() -> None:
    gate = Gate()
    small = street()[:200]
    assert gate.changed(next(frames([street()])))
    assert gate.changed(next(frames([street()], start=1000.5)))  # fresh
    later = list(frames([street(), small], start=1001.0))
    assert gate.changed(later[1])
