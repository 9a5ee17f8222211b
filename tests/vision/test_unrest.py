"""A camera's shaking is told from what the traffic does."""

import numpy as np
import pytest

from vision.tracking.unrest import LEAST_PX, Unrest

RANDOM = np.random.default_rng(4)


def test_boxes_that_all_jump_alike_are_a_shaking_camera() -> None:
    unrest = Unrest()
    assert unrest.watch(1.0, np.array([3.0, -2.0]) + RANDOM.normal(0, 0.5, (8, 2)))
    assert unrest.pixels == pytest.approx(np.hypot(3, 2), rel=0.3)


def test_boxes_that_wander_each_by_itself_are_none() -> None:
    unrest = Unrest()
    shaken = sum(unrest.watch(n / 10, RANDOM.normal(0, 3, (8, 2))) for n in range(200))
    assert shaken < 30
    assert unrest.pixels < 5


def test_one_or_two_that_brake_are_none() -> None:
    unrest = Unrest()
    assert not unrest.watch(1.0, np.array([[0.0, 6.0], [0.0, 7.0]]))
    assert unrest.pixels == LEAST_PX


def test_it_is_forgotten_when_it_is_over() -> None:
    unrest = Unrest()
    unrest.watch(1.0, np.full((6, 2), 4.0))
    unrest.watch(9.0, np.zeros((6, 2)))
    assert unrest.pixels == LEAST_PX
