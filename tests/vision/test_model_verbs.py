"""`ngatu models`: what needs no torch here, the rest with `make test-ultralytics`."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from typer.testing import CliRunner

from ngatu.cli import build
from tests.vision.pictures import car, noisy, street
from vision.detection.model_verbs import check, export, get, listed, train, validate
from vision.detection.models import HINT, ModelFile, find_model
from vision.detection.runtimes import installed
from vision.errors import ModelError
from vision.frames.letterbox import Image

stack = pytest.mark.skipif(installed("ultralytics"), reason="says what is missing where ultralytics is missing")


def test_runtimes_agree_on_real_pictures(tiny: ModelFile, vtest_pictures: list[Image]) -> None:
    (openvino, *_) = check(tiny.path, vtest_pictures[:5])
    assert (openvino.reference, openvino.runtime) == ("onnxruntime", "openvino")
    assert openvino.boxes > 10
    assert openvino.found >= 0.95 * openvino.boxes
    assert openvino.overlap > 0.95
    assert openvino.score_difference < 0.02


def test_pictures_without_traffic_prove_nothing(tiny: ModelFile) -> None:
    with pytest.raises(ModelError, match="name pictures with traffic"):
        check(tiny.path, [np.zeros((64, 64, 3), np.uint8)])


def test_the_verb_prints_one_object_and_judges(vtest: Path, tiny: ModelFile) -> None:
    done = CliRunner().invoke(
        build(), ["models", "check", str(vtest), "--model", str(tiny.path), "--most", "2", "--json"]
    )
    assert done.exit_code == 0
    (runtime,) = [one for one in json.loads(done.stdout)["runtimes"] if one["runtime"] == "openvino"]
    assert runtime["found"] >= 0.98 * runtime["boxes"] > 0


def test_the_list_says_which_runs_and_which_is_weak(tmp_path: Path) -> None:
    assert listed(tmp_path) == []
    (tmp_path / "yolov3-tiny.onnx").write_bytes(bytes(1000))
    assert [(one.chosen, one.hint) for one in listed(tmp_path)] == [(True, HINT)]
    (tmp_path / "fetched" / "yolo11n_openvino_model").mkdir(parents=True)
    (tmp_path / "fetched" / "yolo11n_openvino_model" / "yolo11n.bin").write_bytes(bytes(2000))
    assert [(one.path.name, one.chosen) for one in listed(tmp_path)] == [
        ("yolo11n_openvino_model", True),
        ("yolov3-tiny.onnx", False),
    ]
    assert find_model(None, tmp_path).path == listed(tmp_path)[0].path


@stack
def test_without_the_stack_one_line_says_how_to_get_it(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="venv-ultralytics"):
        get("yolo11n", tmp_path, size=640)


def test_weights_that_are_not_there_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.pt: no such file"):
        export(tmp_path / "none.pt", tmp_path, size=64, kind="onnx")


@pytest.fixture
def data_set(tmp_path: Path) -> Path:
    """Drawn streets with one car each, labelled in YOLO's format."""
    rng = np.random.default_rng(1)
    for part, count in (("train", 8), ("val", 4)):
        for kind in ("images", "labels"):
            (tmp_path / kind / part).mkdir(parents=True)
        for number in range(count):
            x = int(rng.integers(0, 300))
            picture = noisy(car(street(), x), rng)
            cv2.imwrite(str(tmp_path / "images" / part / f"{number}.png"), picture)
            label = f"0 {(x + 30) / 384:.4f} {175 / 288:.4f} {60 / 384:.4f} {30 / 288:.4f}\n"
            (tmp_path / "labels" / part / f"{number}.txt").write_text(label)
    file = tmp_path / "street.yaml"
    file.write_text(f"path: {tmp_path}\ntrain: images/train\nval: images/val\nnames: {{0: car}}\n")
    return file


@pytest.mark.ultralytics
@pytest.mark.timeout(600)
@pytest.mark.filterwarnings("default")
def test_a_model_is_trained_exported_and_measured_on_ones_own_pictures(data_set: Path, tmp_path: Path) -> None:
    weights = train(data_set, weights="yolo11n.yaml", epochs=1, size=96, to=tmp_path / "runs")
    assert weights.exists()
    for kind, name in (("onnx", "best.onnx"), ("openvino", "best_openvino_model")):
        made = export(weights, tmp_path / "made", size=96, kind=kind)  # type: ignore[arg-type]
        assert made == tmp_path / "made" / name
        figures = validate(made, data_set, size=96, to=tmp_path / "runs")
        assert 0 <= figures["map50_95"] <= figures["map50"] <= 1


@pytest.mark.ultralytics
@pytest.mark.timeout(300)
@pytest.mark.filterwarnings("default")
def test_what_ultralytics_cannot_do_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "broken.pt").write_bytes(b"no weights")
    with pytest.raises(ModelError, match="ultralytics: ") as caught:
        export(tmp_path / "broken.pt", tmp_path, size=64, kind="onnx")
    assert "\n" not in str(caught.value)
    with pytest.raises(ModelError, match="ultralytics: "):
        train(tmp_path / "none.yaml", weights="yolo11n.yaml", epochs=1, size=64, to=tmp_path)
