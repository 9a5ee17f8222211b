"""Camera files: what is read, and how what is wrong is told."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
import yaml

from vision.road.scene import BadScene, load_scene, parse_scene

SQUARE = [[100, 100], [300, 100], [300, 300], [100, 300]]
PLAIN: dict[str, object] = {
    "name": "gate-1", "size": [640, 360], "fps": 10,
    "zones": [{"name": "road", "kind": "road", "image": SQUARE}],
}  # fmt: skip
POINTS = [
    {"image": [100, 300], "world": [0, 0]}, {"image": [500, 300], "world": [10, 0]},
    {"image": [400, 150], "world": [10, 30]}, {"image": [200, 150], "world": [0, 30]},
]  # fmt: skip


def test_json_and_yaml_give_the_same_scene(tmp_path: Path) -> None:
    raw = PLAIN | {"points": POINTS, "speed_limit_kmh": 50, "origin": {"latitude": 21.03, "longitude": 105.85}}
    (tmp_path / "a.json").write_text(json.dumps(raw))
    (tmp_path / "a.yaml").write_text(yaml.safe_dump(raw))
    one, other = load_scene(tmp_path / "a.json"), load_scene(tmp_path / "a.yaml")
    assert one.about() == other.about()
    assert one.about().calibrated
    assert one.speed_limit_mps == pytest.approx(13.89, abs=0.01)
    assert one.ground is not None
    assert other.ground is not None
    assert np.allclose(one.ground.matrix, other.ground.matrix)
    assert one.ground_error_m == pytest.approx(0, abs=1e-6)
    msgspec.json.encode(one.about())


def test_zones_given_in_metres_land_in_the_picture() -> None:
    lane = {"name": "lane", "kind": "lane_direction", "world": [[2, 2], [8, 2], [8, 28], [2, 28]], "dir": [0, 2]}
    scene = parse_scene(PLAIN | {"points": POINTS, "zones": [lane]})
    zone = scene.zones[0]
    assert zone.direction is not None
    assert np.allclose(zone.direction, [0, 1])
    assert scene.ground is not None
    assert zone.world is not None
    assert np.allclose(scene.ground.to_world(zone.image), zone.world)


def test_a_scene_for_a_picture_of_another_size_sees_the_same_places() -> None:
    scene = parse_scene(PLAIN | {"points": POINTS})
    half = scene.with_size(320, 180)
    assert scene.ground is not None
    assert half.ground is not None
    pixel = np.array([[210.0, 260.0]])
    assert np.allclose(half.ground.to_world(pixel / 2), scene.ground.to_world(pixel))
    assert np.allclose(half.zones[0].image, scene.zones[0].image / 2)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"zones": [{"name": "kerb", "kind": "no_parkin", "image": SQUARE}]}, 'zones[0] "kerb": unknown kind'),
        ({"zones": [{"name": "far", "kind": "road", "image": [[700, 0], [900, 0], [900, 90]]}]}, "outside the picture"),
        ({"zones": [{"name": "a", "kind": "road", "image": [[1, 1], [2, 2]]}]}, "needs three or more"),
        ({"zones": [{"name": "a", "kind": "gate", "image": SQUARE}]}, "needs two, a line"),
        ({"zones": [{"name": "a", "kind": "road", "image": [[1, 1], [5, 5], [9, 9]]}]}, "enclose no area"),
        ({"zones": [{"name": "a", "kind": "lane_direction", "image": SQUARE}]}, "needs `dir`"),
        ({"zones": [{"name": "a", "kind": "lane_direction", "image": SQUARE, "dir": [0, 0]}]}, "points nowhere"),
        ({"zones": [{"name": "a", "kind": "road", "world": SQUARE}]}, "`world` needs a calibrated camera"),
        ({"zones": [{"name": "a", "kind": "road"}]}, "no points"),
        ({"zones": [{"name": "a", "kind": "road", "image": SQUARE}] * 2}, 'two zones are called "a"'),
        ({"zones": [{"name": "a b", "kind": "road", "image": SQUARE}]}, "letters, digits"),
        ({"zons": []}, "unknown field `zons`"),
        ({"size": [0, 360]}, "size[0]: Expected `int` >= 1"),
        ({"fps": "ten"}, "fps: Expected `float"),
        ({"name": "cổng"}, "use letters, digits"),
        ({"points": POINTS[:3]}, "four or more point pairs"),
        ({"points": [POINTS[0]] * 4}, "all the same"),
        ({"H_image_to_world": [[1, 0, 0], [0, 1, 0], [0, 0, 0]]}, "has no inverse"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(change: dict[str, object], told: str) -> None:
    with pytest.raises(BadScene) as caught:
        parse_scene(PLAIN | change, source="camera.yaml")
    assert str(caught.value).startswith("camera.yaml: ")
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_broken_is_told(tmp_path: Path) -> None:
    with pytest.raises(BadScene, match="No such file"):
        load_scene(tmp_path / "none.yaml")
    (tmp_path / "bad.json").write_text('{"name": ')
    with pytest.raises(BadScene, match="not JSON"):
        load_scene(tmp_path / "bad.json")
    (tmp_path / "bad.yaml").write_text("zones: [")
    with pytest.raises(BadScene, match="not YAML"):
        load_scene(tmp_path / "bad.yaml")


def test_places_on_the_plane_have_latitude_and_longitude() -> None:
    scene = parse_scene(PLAIN | {"points": POINTS, "origin": {"latitude": 21.0, "longitude": 105.0, "bearing": 0}})
    assert scene.origin is not None
    north = scene.origin.locate(111.195, 0.0)  # with bearing 0 the x axis points north: about a thousandth of a degree
    assert north == pytest.approx((21.001, 105.0), abs=1e-6)
    west = scene.origin.locate(0.0, 111.195)
    assert west[1] < 105.0


def test_what_is_left_out_may_be_sky() -> None:
    sky = {"name": "sky", "kind": "ignore", "image": [[0, 0], [640, 0], [640, 60], [0, 60]]}
    scene = parse_scene(PLAIN | {"points": POINTS, "zones": [sky]})
    (zone,) = scene.of_kind("ignore")
    assert scene.ground is not None
    assert zone.world is None
    assert zone.image.tolist() == sky["image"]
