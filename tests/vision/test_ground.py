"""The road plane, and geometry on it."""

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from tests.vision.street import camera
from vision.road.ground import Ground, fit_ground
from vision.road.zones import Depths, area, clip_to_picture, convex_hull, depth, distance_to_path, inside

HEIGHTS = st.floats(3, 20)
PITCHES = st.floats(5, 60)


def plane(height: float, pitch: float) -> Ground:
    k, pose = camera(height=height, pitch=pitch)
    return Ground(np.asarray(np.linalg.inv(k @ pose[:, (0, 1, 3)]), np.float64))


@settings(deadline=None)
@given(HEIGHTS, PITCHES, st.floats(0, 1280), st.floats(0.3, 1))
def test_there_and_back_is_where_it_was(height: float, pitch: float, u: float, low: float) -> None:
    ground = plane(height, pitch)
    pixel = np.array([[u, 360 + 360 * low]])
    assert np.allclose(ground.to_image(ground.to_world(pixel)), pixel, atol=1e-6)


@settings(deadline=None)
@given(HEIGHTS, PITCHES, st.floats(0, 1280), st.floats(0.3, 1))
def test_the_error_of_a_place_is_what_a_small_step_makes(height: float, pitch: float, u: float, low: float) -> None:
    ground = plane(height, pitch)
    pixel = np.array([u, 360 + 360 * low])
    turn = np.linspace(0, np.pi, 60)
    steps = pixel + 1e-3 * np.column_stack((np.cos(turn), np.sin(turn)))
    moved = np.linalg.norm(ground.to_world(steps) - ground.to_world(pixel[None]), axis=1).max() / 1e-3
    assert ground.sigma(pixel[None], 1.0)[0] == pytest.approx(moved, rel=0.01)


@settings(deadline=None)
@given(HEIGHTS, PITCHES, st.floats(0, 1280), st.floats(0.3, 1), st.floats(0, 6.3))
def test_a_small_step_on_the_road_is_carried_back_to_pixels(
    height: float, pitch: float, u: float, low: float, turn: float
) -> None:
    ground = plane(height, pitch)
    pixel = np.array([u, 360 + 360 * low])
    step = 1e-3 * np.array([np.cos(turn), np.sin(turn)])
    before, after = ground.to_world(np.array([pixel, pixel + step]))
    assert ground.pixels_down(*pixel, *(after - before)) == pytest.approx(step[1], abs=1e-5)


def test_the_sky_is_nowhere() -> None:
    assert np.isnan(plane(8, 14).to_world(np.array([[640.0, 1.0]]))).all()
    assert np.isnan(plane(8, 14).to_image(np.array([[-50.0, 0.0]]))).all()


@settings(deadline=None)
@given(HEIGHTS, PITCHES, st.integers(0, 2**32 - 1))
def test_a_plane_is_found_again_from_point_pairs(height: float, pitch: float, seed: int) -> None:
    ground = plane(height, pitch)
    random = np.random.default_rng(seed)
    corners = np.array([[100.0, 700], [1200, 700], [1000, 500], [200, 500]])
    image = np.vstack((corners, random.uniform((0, 480), (1280, 720), (3, 2))))
    found, error = fit_ground(image, ground.to_world(image))
    assert error < 1e-6
    assert np.allclose(found.to_world(image), ground.to_world(image), atol=1e-5)


def test_the_error_of_a_calibration_is_told_in_metres() -> None:
    ground = plane(8, 14)
    image = np.array([[100.0, 700], [1200, 700], [1000, 450], [200, 450], [600, 600], [700, 500]])
    world = ground.to_world(image) + np.random.default_rng(1).normal(0, 0.2, (6, 2))
    _, error = fit_ground(image, world)
    assert 0.02 < error < 0.4


def test_points_on_one_line_fix_no_plane() -> None:
    line = np.column_stack((np.arange(5.0), np.arange(5.0)))
    with pytest.raises(ValueError, match="fix no plane"):
        fit_ground(line, line)


POLYGONS = st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100)), min_size=3, max_size=8).map(np.array)


@settings(deadline=None)
@given(POLYGONS)
@example(np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 5e-324)]))  # an edge all but level: nothing overflows
def test_a_hull_holds_its_points_and_is_no_smaller(points: np.ndarray) -> None:
    hull = convex_hull(points)
    if len(hull) < 3 or area(hull) < 1e-3:
        return
    assert depth(points, hull).min() > -1e-6
    assert area(hull) >= area(convex_hull(hull)) - 1e-9


@settings(deadline=None)
@given(POLYGONS, st.floats(0, 100), st.floats(0, 100))
def test_depth_is_the_distance_to_the_edge_with_a_sign(points: np.ndarray, x: float, y: float) -> None:
    assume(area(convex_hull(points)) > 1e-3)  # a polygon without area has no inside to speak of
    point = np.array([[x, y]])
    edge = distance_to_path(point, np.vstack((points, points[:1])))
    assert abs(depth(point, points)[0]) == pytest.approx(edge[0])
    assert (depth(point, points)[0] > 0) == (bool(inside(point, points)[0]) and edge[0] > 0)


@settings(deadline=None)
@given(st.lists(POLYGONS, min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_depths_in_many_polygons_are_those_in_each(polygons: list[np.ndarray], seed: int) -> None:
    points = np.random.default_rng(seed).uniform(-10, 110, (7, 2))
    each = np.column_stack([depth(points, polygon) for polygon in polygons])
    assert np.allclose(Depths(polygons).of(points), each, rtol=1e-12, atol=1e-12)


def test_a_street_without_polygons_has_no_depths() -> None:
    assert Depths([]).of(np.zeros((3, 2))).shape == (3, 0)


def test_the_part_of_a_polygon_in_the_picture() -> None:
    square = np.array([[-50.0, -50], [50, -50], [50, 50], [-50, 50]])
    assert area(clip_to_picture(square, 100, 100)) == pytest.approx(2500)
    assert len(clip_to_picture(square - 100, 100, 100)) == 0
