"""The runtime `ultralytics`, against ONNX Runtime on the same weights. `make test-ultralytics`."""

from pathlib import Path

import numpy as np
import pytest

from vision.detection.detect import open_detector
from vision.errors import ModelError

pytestmark = [
    pytest.mark.ultralytics,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("default"),  # torch's exporter warns of its own deprecations
]

LOW = 0.01  # weights that nobody trained are sure of little


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A YOLO11n with seeded weights: as real a network as a trained one, and nobody's download."""
    import torch
    from ultralytics import YOLO

    torch.manual_seed(7)
    file = tmp_path_factory.mktemp("weights") / "seeded.pt"
    model = YOLO("yolo11n.yaml")
    network = model.model
    for layer in network.modules():
        if isinstance(layer, torch.nn.BatchNorm2d):
            layer.momentum = None  # learns from all batches alike
    with torch.no_grad():  # what normalises must have seen something, else every score is the same, next to nothing
        for _ in range(3):
            network.train()(torch.rand(4, 3, 320, 320))
    network.eval()
    for head in network.model[-1].cv3:
        torch.nn.init.normal_(head[-1].weight, std=0.5)
    model.save(file)
    return file


@pytest.fixture(scope="module")
def exported(weights: Path) -> Path:
    from ultralytics import YOLO

    return Path(YOLO(weights).export(format="onnx", imgsz=320))


def test_both_runtimes_see_the_same(exported: Path) -> None:
    frame = np.random.default_rng(7).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    ours = open_detector(exported, runtime="onnxruntime", min_score=LOW).detect([frame])[0]
    theirs = open_detector(exported, runtime="ultralytics", min_score=LOW).detect([frame])[0]
    assert min(len(ours), len(theirs)) > 10
    best, same = ours[np.argsort(-ours[:, 4])][:10], theirs[np.argsort(-theirs[:, 4])][:10]
    np.testing.assert_allclose(best[:, :5], same[:, :5], atol=0.5)


def test_a_pt_file_is_opened_and_named(weights: Path) -> None:
    detector = open_detector(weights, min_score=LOW)
    assert (detector.info.name, detector.info.runtime) == ("seeded", "ultralytics")
    assert len(detector.info.classes) == 80
    frame = np.zeros((240, 320, 3), np.uint8)
    assert detector.detect([frame, frame])[1].shape[1] == 6


def test_a_file_that_is_no_model_is_one_clear_line(tmp_path: Path) -> None:
    bad = tmp_path / "bad.pt"
    bad.write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"bad\.pt: not a model that ultralytics can open"):
        open_detector(bad, runtime="ultralytics")
