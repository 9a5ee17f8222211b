"""What is drawn for people: readable, where things are now, for as long as they last."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ngatu.cli import build
from tests.vision.street import Actor, drive, flow, frames, road_scene
from vision.frames.letterbox import Image
from vision.recorded.preview import SEVERITIES, TRACK, Preview, Shot, without_pictures
from vision.recorded.recording import BoxWriter
from vision.recorded.sketch import Sketch, _font
from vision.road.scene import Scene
from vision.tracking.boxes import CAR, MOTORCYCLE


def wrong_way_rider() -> list[Actor]:
    return [
        Actor(klass=MOTORCYCLE, rider=True, way=drive(80, -5, -6, start=1)),
        *flow(12, y=2.5, speed=-9, x=110),
    ]


def drawn(scene: Scene, actors: list[Actor], seconds: float) -> list[tuple[float, Image]]:
    return list(Preview(scene).draw(without_pictures(scene, frames(actors, seconds))))


def has(image: Image, colour: tuple[int, int, int]) -> np.ndarray:
    """(n, 2) x, y of the pixels in that very colour."""
    return np.argwhere((image == colour).all(axis=2))[:, ::-1]


@pytest.mark.parametrize(("one", "other"), ["ờớ", "ỡõ", "ừứ", "đd", "ạa", "ẫẩ"])
def test_vietnamese_letters_are_told_apart(one: str, other: str) -> None:
    pictures = [np.zeros((60, 60, 3), np.uint8) for _ in range(2)]
    for picture, letter in zip(pictures, (one, other), strict=True):
        cv2.putText(picture, letter, (5, 45), (255, 255, 255), _font(), 32, 400)
        assert picture.any()
    assert (pictures[0] != pictures[1]).any()


def test_labels_never_cover_one_another() -> None:
    sketch, empty = Sketch(np.zeros((200, 300, 3), np.uint8)), np.zeros((200, 300, 3), np.uint8)
    assert sketch.label("12 motorcycle 45 km/h", 20, 100)
    once = sketch.image.copy()
    assert sketch.label("13 motorcycle 44 km/h", 25, 104)
    kept = (once != empty).any(axis=2)
    assert (sketch.image[kept] == once[kept]).all()
    room = [sketch.label(f"{n} motorcycle 40 km/h", 22, 102) for n in range(14, 24)]
    assert not all(room)


def test_a_label_at_the_edge_is_moved_into_the_picture() -> None:
    for x, y in ((-40.0, -10.0), (290.0, 5.0), (280.0, 230.0)):
        sketch = Sketch(np.full((200, 300, 3), 90, np.uint8))
        assert sketch.label("Người đi bộ", x, y)
        there = np.argwhere((sketch.image != 90).any(axis=2))
        assert np.ptp(there[:, 1]) > 4 * sketch.letter


def test_an_open_incident_is_drawn_where_its_vehicle_is_now() -> None:
    scene = road_scene()
    shots = list(without_pictures(scene, frames(wrong_way_rider(), 9)))
    preview = Preview(scene)
    seen: list[tuple[float, float]] = []
    for at, image in preview.draw(shots):
        marked = has(image, SEVERITIES["critical"])
        marked = marked[marked[:, 1] > 60]  # below the words
        if len(marked):
            seen.append((at, float(np.median(marked[:, 1]))))
    assert seen
    times, heights = np.array(seen).T
    assert times[-1] == pytest.approx(8.9)  # as long as it lasts, not only when it is told
    assert np.ptp(times) > 4
    assert heights[-1] > heights[0] + 100  # it comes nearer


def test_a_vehicle_that_is_not_seen_any_more_is_drawn_thinly() -> None:
    rider = Actor(klass=MOTORCYCLE, rider=True, way=drive(80, -5, -6, start=1, end=8))
    ink = {round(at, 1): len(has(image[60:], SEVERITIES["critical"])) for at, image in drawn(road_scene(), [rider], 11)}
    assert 0 < ink[10.5] < ink[7.9] / 2


def test_tracks_and_their_speeds_are_drawn() -> None:
    at, image = drawn(road_scene(), flow(6, y=-3, klass=CAR), 6)[-1]
    assert at == pytest.approx(5.9)
    assert len(has(image, TRACK)) > 100


def test_a_camera_without_calibration_is_drawn_and_says_so() -> None:
    plain, known = (drawn(road_scene(calibrated=calibrated), flow(3, y=-3), 2)[-1][1] for calibrated in (False, True))
    footer = slice(-30, None)
    assert (plain[footer] != known[footer]).any()


def test_without_a_camera_file_the_boxes_are_drawn() -> None:
    picture = np.zeros((200, 300, 3), np.uint8)
    boxes = np.array([[50, 60, 120, 150, 0.8, 0], [150, 60, 220, 150, 0.1, 0], [200, 20, 240, 60, 0.9, 7]])
    ((_, image),) = Preview(None, classes=("person",)).draw([Shot(at=1.0, picture=picture, boxes=boxes)])
    assert image[60:150, 50].any()
    assert not image[70:140, 220].any()  # too weak
    assert not picture.any()  # the given picture is left as it was


def test_recorded_boxes_can_be_looked_at_without_their_pictures(tmp_path: Path) -> None:
    with BoxWriter(tmp_path / "dets.jsonl.gz") as writer:
        for at, boxes in frames(wrong_way_rider(), 4):
            writer.write(at, boxes)
    camera = tmp_path / "camera.json"
    camera.write_text(
        '{"name": "cam", "size": [1280, 720], "zones": [{"name": "road", "kind": "road", '
        '"image": [[100, 700], [1200, 700], [700, 280], [600, 280]]}]}'
    )
    words = ["vision", "preview", "--boxes", str(tmp_path / "dets.jsonl.gz"), "--out", str(tmp_path / "still.png")]
    done = CliRunner().invoke(build(), [*words, "--camera", str(camera), "--at", "3"])
    assert done.exit_code == 0, done.output
    image = cv2.imread(str(tmp_path / "still.png"))
    assert image is not None
    assert image.shape == (720, 1280, 3)
    assert len(has(np.asarray(image, np.uint8), TRACK)) > 50
    done = CliRunner().invoke(build(), words)
    assert done.exit_code == 1
    assert "name the camera" in f"{done.output}{done.exception}"
