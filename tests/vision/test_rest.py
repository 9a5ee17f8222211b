"""When a vehicle came to rest, told from places that wander: never longer ago than it truly is, beyond their error."""

import numpy as np
import pytest

from vision.road.ground import Array
from vision.tracking.rest import came_to_rest, is_away, unnoticed_s
from vision.tracking.trail import ERROR_S, Track

FPS = 10.0
WANDERING = (0.1, 0.4, 1.0, 2.0)  # metres, standard deviation of a box's place: near by day to far in rain


def braking(t: Array, mps2: float) -> Array:
    """Metres along the road of who comes to rest at 0 at time 0."""
    return -0.5 * mps2 * np.minimum(t, 0.0) ** 2


def creeping(t: Array) -> Array:
    """The same of who rolls the last five metres at walking pace."""
    return np.where(t > -5, np.minimum(t, 0.0), -5 + 6 * (t + 5))


def seen(times: Array, along: Array, wander: float, seed: int) -> Track:
    """A track through these places, as boxes show it whose error lives ERROR_S."""
    random, stays = np.random.default_rng(seed), np.exp(-1 / FPS / ERROR_S)
    track = Track(1, float(times[0]))
    error = random.normal(0, 1, 2)
    for at, x in zip(times, along, strict=True):
        error = stays * error + np.sqrt(1 - stays**2) * random.normal(0, 1, 2)
        track.see(float(at), np.array([0.0, 0, 40, 30, 0.8, 2]), np.array([x, 0.0]) + wander * error * (1.0, 0.3))
    track.place_error = wander
    return track


def stretch(start: float, end: float) -> Array:
    return np.arange(round(start * FPS), round(end * FPS) + 1) / FPS


@pytest.mark.parametrize("wander", WANDERING)
@pytest.mark.parametrize("mps2", [1.0, 2.5, 5.0])
def test_it_came_to_rest_when_it_did_within_its_error(wander: float, mps2: float) -> None:
    times = stretch(-10, 6)
    found = [came_to_rest(seen(times, braking(times, mps2), wander, seed), np.zeros(2), 6.0) for seed in range(20)]
    since, latest = (np.array([getattr(rest, name) for rest in found]) for name in ("since", "latest"))
    assert abs(float(np.median(since))) < 0.3 + 0.6 * wander
    assert float(np.mean(latest > -0.3)) >= 0.9
    assert np.median(latest) < 1.0 + 3.0 * wander


@pytest.mark.parametrize("wander", WANDERING[:2])
def test_rolling_the_last_metres_at_walking_pace_is_no_standing(wander: float) -> None:
    times = stretch(-10, 6)
    found = [came_to_rest(seen(times, creeping(times), wander, seed), np.zeros(2), 6.0) for seed in range(20)]
    assert min(rest.latest for rest in found if rest) > -0.7


def test_a_box_that_is_cut_for_a_second_does_not_restart_its_rest() -> None:
    times = stretch(-10, 8)
    cut = braking(times, 2.5) + np.where((times > 3) & (times < 4.2), 6.0, 0.0)
    rest = came_to_rest(seen(times, cut, 0.1, 1), np.zeros(2), 6.0)
    assert rest is not None
    assert rest.latest < 0.5


def test_what_was_never_away_did_not_come() -> None:
    times = stretch(0, 8)
    assert came_to_rest(seen(times, np.zeros(len(times)), 0.4, 1), np.zeros(2), 6.0) is None


@pytest.mark.parametrize("wander", WANDERING)
def test_setting_off_is_noticed_within_the_time_that_it_says(wander: float) -> None:
    for seed in range(10):
        still = seen(stretch(0, 8), np.zeros(81), wander, seed)
        late = unnoticed_s(still, 8.0)
        times = stretch(0, 8 + late + 0.7)
        leaving = seen(times, np.maximum(times - 8, 0.0) ** 2, wander, seed)
        assert is_away(leaving, np.zeros(2), 8.0)
