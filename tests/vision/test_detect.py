import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.pictures import street
from vision.detection.darknet import read_cfg
from vision.detection.decode import candidates, groups_of, layout_of, suppress
from vision.detection.detect import Detector, open_detector
from vision.detection.models import HINT, ModelFile, find_model, tiny_model
from vision.errors import ModelError
from vision.frames.letterbox import GREY, Image, draw, letterbox, snug

PEOPLE = [(563, 237, 601, 330), (471, 165, 502, 245), (308, 207, 337, 296)]  # of vtest.avi's tenth frame, by eye


def overlap(a: np.ndarray, b: tuple[int, ...]) -> float:
    inner = max(0.0, min(a[2], b[2]) - max(a[0], b[0])) * max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    return float(inner / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inner))


@pytest.fixture(scope="module")
def tenth(vtest: Path) -> Image:
    import cv2

    film = cv2.VideoCapture(str(vtest))
    for _ in range(10):
        film.grab()
    return np.asarray(film.retrieve()[1], np.uint8)


@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_the_official_tiny_model_finds_the_people_in_the_street(tiny: ModelFile, tenth: Image, runtime: str) -> None:
    detector = open_detector(tiny.path, runtime=runtime, min_score=0.3)  # type: ignore[arg-type]
    found = detector.detect([tenth])[0]
    assert found.dtype == np.float32
    people = found[found[:, 5] == 0]
    for person in PEOPLE:
        assert max(overlap(box, person) for box in people) > 0.6
    assert any(detector.info.classes[int(kind)] in {"car", "truck", "bus"} for kind in found[:, 5])


def test_both_runtimes_see_the_same(tiny: ModelFile, tenth: Image) -> None:
    one, other = (
        open_detector(tiny.path, runtime=r, min_score=0.5).detect([tenth])[0] for r in ("openvino", "onnxruntime")
    )
    assert len(one) == len(other) > 2
    np.testing.assert_allclose(one[:, 4], other[:, 4], atol=0.06)  # OpenVINO may take bfloat16
    for box in one:
        assert max(overlap(box, tuple(b[:4])) for b in other[other[:, 5] == box[5]]) > 0.85


def test_a_model_tells_its_name_hash_classes_and_weakness(tiny: ModelFile) -> None:
    info = open_detector(tiny.path).info
    assert info.name == "yolov3-tiny"
    assert len(info.sha256) == 64
    assert info.classes[:4] == ("person", "bicycle", "car", "motorcycle")
    assert info.hint == HINT
    assert info.runtime == "openvino"


def test_a_picture_of_another_shape_and_size_is_fine(detector: Detector, tenth: Image) -> None:
    wide = np.full((576, 1400, 3), 90, np.uint8)
    wide[:, 300:1068] = tenth
    people = [box for box in detector.detect([wide])[0] if box[5] == 0]
    moved = tuple(side + 300 * (n % 2 == 0) for n, side in enumerate(PEOPLE[0]))
    assert max(overlap(box, moved) for box in people) > 0.5


@pytest.mark.parametrize("runtime", [None, "openvino", "onnxruntime"])
@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x07hello" * 50])
def test_a_file_that_is_no_model_is_one_clear_line(
    tmp_path: Path, content: bytes, runtime: str | None, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        open_detector(path, runtime=runtime)  # type: ignore[arg-type]
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(capfd.readouterr().err) < 400


def test_a_download_that_broke_off_is_one_clear_line(tiny: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "half.onnx").write_bytes(tiny.path.read_bytes()[:1_000_000])
    with pytest.raises(ModelError, match="not a whole one"):
        open_detector(tmp_path / "half.onnx")


def test_a_model_that_is_no_detector_says_so(tmp_path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(n, TensorProto.FLOAT, [1, 3, 8, 8]) for n in ("a", "b")]
    graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", ends[:1], ends[1:])
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), tmp_path / "relu.onnx"
    )
    with pytest.raises(ModelError, match="no box layout for 80 classes"):
        open_detector(tmp_path / "relu.onnx")


def test_a_missing_model_and_an_unknown_kind_say_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no such model"):
        open_detector(tmp_path / "none.onnx")
    (tmp_path / "weights.pt").write_bytes(b"x")
    with pytest.raises(ModelError, match="ultralytics"):
        open_detector(tmp_path / "weights.pt")


def test_an_openvino_folder_runs_as_the_onnx_file_does(tiny: ModelFile, tenth: Image, tmp_path: Path) -> None:
    import openvino

    model = openvino.Core().read_model(tiny.path)
    model.reshape([1, 3, 480, 640])
    folder = tmp_path / "tiny_openvino_model"
    folder.mkdir()
    openvino.save_model(model, folder / "tiny.xml", compress_to_fp16=False)
    (folder / "metadata.yaml").write_text("names: {0: person, 1: bicycle}\n")
    with pytest.raises(ModelError, match="2 classes"):
        open_detector(folder)
    (folder / "metadata.yaml").unlink()
    detector = open_detector(folder, min_score=0.5)
    assert detector.info.size == (640, 480)
    found, same = detector.detect([tenth])[0], open_detector(tiny.path, min_score=0.5).detect([tenth])[0]
    np.testing.assert_allclose(found[:, :4], same[:, :4], atol=1.0)


def test_the_fallback_is_not_downloaded_twice_and_a_named_model_comes_first(tiny: ModelFile, tmp_path: Path) -> None:
    (tmp_path / "yolov3-tiny.onnx").write_bytes(b"kept")
    assert tiny_model(tmp_path).read_bytes() == b"kept"
    assert find_model(str(tiny.path), tmp_path).path == tiny.path
    assert find_model(None, tmp_path).hint == HINT
    (tmp_path / "fetched").mkdir()
    (tmp_path / "fetched" / "yolo11n.onnx").write_bytes(b"better")
    assert find_model(None, tmp_path).path.name == "yolo11n.onnx"
    assert find_model(None, tmp_path).hint is None
    with pytest.raises(ModelError, match="no such model"):
        find_model("nowhere.onnx", tmp_path)


def test_a_registry_out_of_reach_is_one_clear_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PIP_INDEX_URL", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", "")
    monkeypatch.setenv("PIP_FIND_LINKS", "")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(ModelError, match="pip could not download"):
        tiny_model(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_layouts_are_told_apart_by_shape() -> None:
    assert layout_of((1, 25200, 85), 80) == "v5"
    assert layout_of((1, 84, 8400), 80) == "v8"
    assert layout_of((1, 84, None), 80) == "v8"
    assert layout_of((1, 300, 6), 80) == "end2end"
    assert layout_of((1, 6300, 6), 1) == "v5"
    with pytest.raises(ModelError):
        layout_of((1, 1000), 80)


def test_all_layouts_say_the_same() -> None:
    v5 = np.array([[100, 80, 20, 10, 0.9, 0.1, 0.8], [50, 50, 4, 4, 0.05, 0.9, 0.9]], np.float32)
    v8 = np.array([[100, 80, 20, 10, 0.09, 0.72], [50, 50, 4, 4, 0.045, 0.045]], np.float32).T
    done = np.array([[90, 75, 110, 85, 0.72, 1], [48, 48, 52, 52, 0.045, 0]], np.float32)
    wanted = [[90, 75, 110, 85, 0.72, 1]]
    np.testing.assert_allclose(candidates(v5, "v5", 0.1), wanted, rtol=1e-5)
    np.testing.assert_allclose(candidates(v8, "v8", 0.1), wanted, rtol=1e-5)
    np.testing.assert_allclose(candidates(done, "end2end", 0.1), wanted, rtol=1e-5)


def test_suppression_keeps_the_strongest_of_kin_and_leaves_others() -> None:
    names = ("person", "bicycle", "car", "motorcycle", "bus", "truck")
    boxes = np.array(
        [[0, 0, 10, 10, 0.6, 2], [1, 0, 11, 10, 0.8, 5], [0, 0, 10, 10, 0.5, 0], [50, 50, 60, 60, 0.4, 2]], np.float32
    )
    kept = suppress(boxes, groups_of(names))
    assert kept[:, 4].tolist() == pytest.approx([0.8, 0.5, 0.4])
    assert len(suppress(boxes, groups_of(names, kindred=False))) == 4


@settings(deadline=None)  # pictures of 48 megabytes, on a busy machine
@given(
    width=st.integers(16, 4000),
    height=st.integers(16, 4000),
    target=st.tuples(st.integers(64, 800), st.integers(64, 800)),
)
def test_a_letterbox_is_undone(width: int, height: int, target: tuple[int, int]) -> None:
    _, fit = letterbox(np.zeros((height, width, 3), np.uint8), target)
    corners = np.array([[0, 0, width, height, 0.5, 2]], np.float32)
    inside = corners.copy()
    inside[:, :4] = inside[:, :4] * fit.scale + [fit.left, fit.top, fit.left, fit.top]
    assert inside[0, 2] <= target[0] + 1
    assert inside[0, 3] <= target[1] + 1
    np.testing.assert_allclose(fit.undo(inside), corners, atol=0.05 / fit.scale + 0.01)


@pytest.mark.parametrize("size", [(640, 640), (384, 288), (320, 64), (64, 320), (384, 640)])
def test_what_was_drawn_before_is_covered(size: tuple[int, int]) -> None:
    picture, canvas = street(), np.random.default_rng(3).integers(0, 256, (size[1], size[0], 3), np.uint8)
    fresh, fit = letterbox(picture, size)
    assert draw(picture, canvas) == fit
    np.testing.assert_array_equal(canvas, fresh)
    assert (canvas[: fit.top] == GREY).all()
    assert (canvas[:, : fit.left] == GREY).all()


def test_an_open_input_is_as_small_as_the_picture_allows() -> None:
    assert snug(1920, 1080, 640, 32) == (640, 384)
    canvas, _ = letterbox(street(), snug(384, 288, 640, 32))
    assert canvas.shape == (480, 640, 3)


def test_a_cfg_is_read_and_a_strange_layer_named(tmp_path: Path) -> None:
    from vision.detection.darknet import convert

    assert read_cfg("[net]\nwidth=4 # pixels\n\n[shortcut]\nfrom=-3\n") == [
        {"kind": "net", "width": "4"},
        {"kind": "shortcut", "from": "-3"},
    ]
    with pytest.raises(ModelError, match="'shortcut'"):
        convert("[net]\n[shortcut]\nfrom=-3\n", bytes(20), tmp_path / "x.onnx", {})


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    from vision.detection.darknet import convert

    cfg = "[net]\nchannels=3\n[convolutional]\nfilters=2\nsize=1\nstride=1\nactivation=linear\n"
    with pytest.raises(ModelError, match="end too early"):
        convert(cfg, bytes(20 + 4), tmp_path / "x.onnx", {})
    with pytest.raises(ModelError, match="left over"):
        convert(cfg, bytes(20 + 4 * 20), tmp_path / "x.onnx", {})


def test_what_runs_is_told_in_the_log(tiny: ModelFile, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        open_detector(tiny.path, threads=1)
    assert "runtime=openvino" in caplog.text
