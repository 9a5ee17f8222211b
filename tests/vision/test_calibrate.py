import json
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from ngatu.cli import build
from tests.vision.street import camera
from vision.road.calibrate import BadPoints, calibrate, from_markings, read_points
from vision.road.ground import Array, Ground

WORLD = np.array([[-4, 12], [4, 12], [-4, 25], [4, 25], [-4, 45], [4, 45], [0, 30]], float)[:, ::-1]


def seen(world: Array) -> Array:
    """Where the pinhole camera of the drawn street sees places on the road."""
    k, rt = camera()
    return Ground(np.asarray(np.linalg.inv(k @ rt[:, [0, 1, 3]]), np.float64)).to_image(world)


def test_exact_points_give_the_camera_back() -> None:
    made = calibrate(seen(WORLD), WORLD)
    assert made.good
    assert made.rms_m < 1e-6
    elsewhere = np.array([[20.0, 1.0], [38.0, -2.0]])
    np.testing.assert_allclose(made.ground.to_world(seen(elsewhere)), elsewhere, atol=1e-5)


@settings(deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_error_told_is_what_an_unmeasured_place_is_off_by(seed: int) -> None:
    """Within a factor of three, for points clicked with an error of half a pixel or two."""
    rng = np.random.default_rng(seed)
    world = np.column_stack((rng.uniform(12, 40, 12), rng.uniform(-6, 6, 12)))
    made = calibrate(seen(world) + rng.normal(0, 1.0, world.shape), world)
    others = np.column_stack((rng.uniform(15, 35, 200), rng.uniform(-4, 4, 200)))
    clicked = seen(others) + rng.normal(0, 1.0, others.shape)
    off = float(np.sqrt(np.mean(np.sum((made.ground.to_world(clicked) - others) ** 2, axis=1))))
    assert made.left_out_m is not None
    assert off < 3 * made.left_out_m + 0.05


def test_a_point_that_was_mixed_up_is_named() -> None:
    world = WORLD.copy()
    world[3] += [6.0, 0.0]
    made = calibrate(seen(WORLD), world)
    assert made.worst == 3
    assert not made.good


def test_four_points_leave_the_error_unknown() -> None:
    made = calibrate(seen(WORLD[:4]), WORLD[:4])
    assert made.left_out_m is None
    assert not made.good


def test_lane_markings_of_known_length_will_do() -> None:
    along = 14.0 + 6.0 * np.arange(5)
    left, right = (np.column_stack((along, np.full(5, side))) for side in (1.75, -1.75))
    image, world = from_markings(seen(left), seen(right), width_m=3.5, spacing_m=6.0)
    made = calibrate(image, world)
    assert made.good
    ends = made.ground.to_world(seen(np.array([[17.0, 0.0], [29.0, 0.0]])))
    assert np.linalg.norm(ends[1] - ends[0]) == pytest.approx(12.0, abs=1e-3)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("points: [{image: [1, 2], world: [0, 0]}]", "four or more"),
        ("points: [{image: [1, 2], place: [0, 0]}]", "place"),
        ("{}", "either points"),
        ("markings: {left: [], right: [], width_m: 0, spacing_m: 1}", "width_m"),
        ("points: [", "flow sequence|flow node"),
        ("points: [" + "{image: [1, 2], world: [0, 0]}, " * 5 + "]", "same"),
    ],
)
def test_points_that_fix_no_plane_are_one_clear_line(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "points.yaml"
    path.write_text(content)
    with pytest.raises(BadPoints, match=said) as caught:
        calibrate(*read_points(path))
    assert "\n" not in str(caught.value)


def test_the_verb_prints_what_a_camera_file_wants(tmp_path: Path) -> None:
    pairs = [{"image": i.tolist(), "world": w.tolist()} for i, w in zip(seen(WORLD), WORLD, strict=True)]
    path = tmp_path / "points.yaml"
    path.write_text(yaml.safe_dump({"points": pairs}))
    done = CliRunner().invoke(build(), ["vision", "calibrate", str(path), "--json"])
    assert done.exit_code == 0
    said = json.loads(done.stdout)
    ground = Ground(np.array(said["H_image_to_world"]))
    np.testing.assert_allclose(ground.to_world(seen(WORLD)), WORLD, atol=0.02)
    assert said["left_out_m"] < 0.01
    path.write_text(yaml.safe_dump({"points": pairs[:4]}))
    assert CliRunner().invoke(build(), ["vision", "calibrate", str(path)]).exit_code == 1
