"""A network without its last layers and without grey bars says what all of it says of all of its input."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import openvino
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vision.networks import with_anchors, with_distances
from tests.vision.pictures import street
from vision.detection.decode import Layout
from vision.detection.detect import NetworkDetector, open_detector
from vision.detection.heads import AnchorHead, Array, DistanceHead, Growth
from vision.detection.learn import UnknownHeadError, learn_head
from vision.detection.model_verbs import check
from vision.detection.models import ModelFile
from vision.detection.runtimes import Runtime
from vision.frames.letterbox import Image, letterbox, trimmed


def opened(path: Path, *, runtime: Runtime = "openvino", whole: bool = False, threads: int = 1) -> NetworkDetector:
    detector = open_detector(path, runtime=runtime, as_exported=whole, threads=threads, min_score=0.2, kindred=False)
    assert isinstance(detector, NetworkDetector)
    return detector


def drawn_size(detector: NetworkDetector, picture: Image) -> tuple[int, ...]:
    return detector.prepare(picture)[0].shape[:2]


@pytest.fixture(scope="module")
def fixed(tiny: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The official YOLOv3-tiny as a folder whose input's size is baked in."""
    folder = tmp_path_factory.mktemp("fixed") / "tiny_openvino_model"
    model = openvino.Core().read_model(tiny.path)
    model.reshape([1, 3, 640, 640])
    folder.mkdir()
    openvino.save_model(model, folder / "tiny.xml", compress_to_fp16=False)
    return folder


def test_a_real_network_without_bars_sees_what_all_of_it_sees(fixed: Path, vtest_pictures: list[Image]) -> None:
    pictures = vtest_pictures[:20]
    assert drawn_size(opened(fixed), pictures[0]) == (576, 640)
    assert drawn_size(opened(fixed, whole=True), pictures[0]) == (640, 640)
    (same,) = [one for one in check(fixed, pictures) if one.runtime == "openvino"]
    assert same.reference == "openvino as exported"
    assert same.found >= 0.98 * same.boxes > 20
    assert same.overlap > 0.95
    assert same.score_difference < 0.02


@pytest.mark.parametrize("write", [with_anchors, with_distances])
@pytest.mark.parametrize("size", [(320, 320), (320, 192), (256, 384)])
def test_the_last_layers_are_left_out_and_nothing_else_changes(
    write: object, size: tuple[int, int], tmp_path: Path
) -> None:
    path = write(tmp_path / "drawn.onnx", size)  # type: ignore[operator]
    ours, theirs = opened(path), opened(path, runtime="onnxruntime")
    picture = np.random.default_rng(5).integers(0, 256, (size[1], size[0], 3), np.uint8)  # leaves no bars
    said = ours.infer(ours.prepare(picture)[0])
    assert len(said) > 1  # convolutions, not boxes
    wanted = theirs.infer(picture)
    got, all_of_it = ours._head.boxes(said, 0.0), theirs._head.boxes(wanted, 0.0)
    assert len(got) == len(all_of_it) > 500
    np.testing.assert_allclose(got[:, 4], all_of_it[:, 4], atol=0.04)  # OpenVINO may take bfloat16
    np.testing.assert_allclose(got[:, :4], all_of_it[:, :4], atol=0.04 * max(size))


@pytest.mark.parametrize("write", [with_anchors, with_distances])
def test_no_bars_are_computed_and_each_cell_sees_what_it_saw(write: object, tmp_path: Path) -> None:
    path = write(tmp_path / "drawn.onnx")  # type: ignore[operator]
    ours, theirs = opened(path), opened(path, whole=True)
    wide = np.repeat(street()[:150], 2, axis=1)
    assert drawn_size(ours, wide)[0] < drawn_size(theirs, wide)[0]
    (canvas, fit), (whole, all_fit) = ours.prepare(wide), theirs.prepare(wide)
    assert (fit.scale, fit.left) == (all_fit.scale, all_fit.left)
    cut = all_fit.top - fit.top
    assert cut > 0
    assert cut % 32 == 0
    np.testing.assert_array_equal(canvas, whole[cut : whole.shape[0] - cut])
    assert sum(grid.size for grid in ours.infer(canvas)) < sum(grid.size for grid in ours.infer(whole))


def test_where_cells_look_at_all_others_grey_counts_and_stays(tmp_path: Path) -> None:
    path = with_distances(tmp_path / "drawn.onnx", attention=True)
    ours, theirs = opened(path), opened(path, whole=True)
    wide = np.repeat(street()[:150], 2, axis=1)
    assert drawn_size(ours, wide) == drawn_size(theirs, wide) == (320, 320)
    canvas = ours.prepare(wide)[0]
    assert len(ours.infer(canvas)) > 1  # but the last layers are left out
    got, wanted = ours._head.boxes(ours.infer(canvas), 0.0), theirs._head.boxes(theirs.infer(canvas), 0.0)
    np.testing.assert_allclose(got[:, 4], wanted[:, 4], atol=0.04)


@given(
    width=st.integers(16, 4000),
    height=st.integers(16, 4000),
    columns=st.integers(1, 20),
    rows=st.integers(1, 20),
    stride=st.sampled_from([32, 64]),
)
def test_trimming_keeps_the_scale_and_the_place_among_the_cells(
    width: int, height: int, columns: int, rows: int, stride: int
) -> None:
    picture, size = np.zeros((height, width, 3), np.uint8), (columns * stride, rows * stride)
    smaller = trimmed(width, height, size, stride)
    (canvas, fit), (whole, before) = letterbox(picture, smaller), letterbox(picture, size)
    assert fit.scale == before.scale
    assert canvas.shape[0] % stride == canvas.shape[1] % stride == 0
    assert (before.left - fit.left) % stride == (before.top - fit.top) % stride == 0
    assert min(before.left, stride) <= fit.left < 2 * stride
    assert min(before.top, stride) <= fit.top < 2 * stride
    right, bottom = (before.left - fit.left, before.top - fit.top)
    assert (whole.shape[1] - right, whole.shape[0] - bottom) == (right + smaller[0], bottom + smaller[1])


def test_one_detector_sees_cameras_of_many_sizes_at_once(fixed: Path, vtest_pictures: list[Image]) -> None:
    views = [
        vtest_pictures[0][top : top + height, :width]
        for top, height, width in ((0, 576, 768), (60, 432, 768), (0, 576, 300))
    ]
    detector = opened(fixed, threads=2)
    assert len({drawn_size(detector, view) for view in views}) == 3
    alone = [detector.detect([view])[0] for view in views]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda view: detector.detect([view])[0], views * 5))
    for number, boxes in enumerate(together):
        np.testing.assert_array_equal(boxes, alone[number % 3])


@pytest.mark.parametrize(
    ("write", "odd", "reason"),
    [
        (with_anchors, {"power": 3.0}, "none that we know"),
        (with_distances, {"rooted": True}, "pictures of one size only"),
    ],
)
def test_what_is_not_known_runs_as_exported_and_says_so_once(
    write: object, odd: dict[str, object], reason: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = write(tmp_path / "drawn.onnx", **odd)  # type: ignore[operator]
    with caplog.at_level(logging.INFO):
        ours = opened(path)
    picture = street()
    assert drawn_size(ours, picture) == (320, 320)
    canvas = ours.prepare(picture)[0]
    (got,), (wanted,) = ours.infer(canvas), opened(path, runtime="onnxruntime").infer(canvas)
    assert got.shape == wanted.shape
    np.testing.assert_allclose(got, wanted, atol=0.04 * 320)
    ours.detect([picture, picture])
    told = [record.message for record in caplog.records if "as_exported" in record.message]
    assert len(told) == 1
    assert reason in told[0]


def sigmoid(logits: Array) -> Array:
    return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


@settings(deadline=None)
@given(
    scales=st.permutations([8, 16, 32]),
    boxes=st.lists(st.integers(1, 4), min_size=3, max_size=3),
    classes=st.integers(2, 5),
    growth=st.sampled_from(["square", "exponential"]),
    seed=st.integers(0, 1000),
)
def test_anchors_are_learnt_by_asking(
    scales: Sequence[int], boxes: Sequence[int], classes: int, growth: Growth, seed: int
) -> None:
    height, width = 64, 96
    anchors = [np.random.default_rng(seed).uniform(5, 99, (n, 2)).astype(np.float32) for n in boxes]
    shapes = [(len(a) * (5 + classes), height // s, width // s) for a, s in zip(anchors, scales, strict=True)]

    def layers(grids: Sequence[Array]) -> Array:
        rows = []
        for number in (2, 0, 1):  # the output need not be in the order of the input
            stride, of_scale = scales[number], anchors[number]
            for cells, anchor in zip(np.split(grids[number], len(of_scale)), of_scale, strict=True):
                for y, x in np.ndindex(cells.shape[1:]):
                    cell = cells[:, y, x]
                    middle, share = sigmoid(cell[:2]), np.exp(cell[2:4])
                    if growth == "square":
                        middle, share = middle * 2 - 0.5, (2 * sigmoid(cell[2:4])) ** 2
                    corner = np.array([x, y])
                    rows.append([*(middle + corner) * stride, *share * anchor, *sigmoid(cell[4:])])
        return np.array(rows, np.float32)

    head, order = learn_head(layers, shapes, "v5", classes, (width, height))
    assert isinstance(head, AnchorHead)
    assert (head.growth, order) == (growth, (2, 0, 1))
    for got, number in zip(head.anchors, order, strict=True):
        np.testing.assert_allclose(got, anchors[number], rtol=1e-5)


@pytest.mark.parametrize("steps", [1, 8])
@pytest.mark.parametrize("apart", [True, False])
def test_distances_are_learnt_whether_sides_and_classes_come_apart_or_not(steps: int, apart: bool) -> None:  # noqa: FBT001 - pytest gives it
    height, width, classes, strides = 64, 96, 3, (32, 8, 16)
    parts = (4 * steps, classes) if apart else (4 * steps + classes,)
    shapes = [(part, height // stride, width // stride) for part in parts[::-1] for stride in strides]

    def layers(grids: Sequence[Array]) -> Array:
        columns = []
        for number, stride in enumerate(strides):
            told = np.concatenate([grids[number + 3], grids[number]]) if apart else grids[number]
            for y, x in np.ndindex(told.shape[1:]):
                sides, scores = told[: 4 * steps, y, x].reshape(4, steps), sigmoid(told[4 * steps :, y, x])
                weights = np.exp(sides) if steps > 1 else np.ones_like(sides)
                far = (weights * np.arange(steps)).sum(axis=1) / weights.sum(axis=1) if steps > 1 else sides[:, 0]
                x1, y1, x2, y2 = np.array([x + 0.5, y + 0.5, x + 0.5, y + 0.5]) + far * [-1, -1, 1, 1]
                columns.append([*np.array([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1]) * stride, *scores])
        return np.array(columns, np.float32).T

    head, order = learn_head(layers, shapes, "v8", classes, (width, height))
    assert head == DistanceHead(strides=strides, steps=steps)
    assert order == ((3, 0, 4, 1, 5, 2) if apart else (0, 1, 2))
    assert len(head.boxes([np.full(shapes[number], -9, np.float32) for number in order], 0.5)) == 0


@pytest.mark.parametrize(("layout", "channels"), [("v5", 20), ("v8", 12), ("end2end", 21)])
def test_layers_of_another_kind_are_refused(layout: Layout, channels: int) -> None:
    nothing = np.zeros((6, 6), np.float32)
    with pytest.raises(UnknownHeadError):
        learn_head(lambda _: nothing, [(channels, 4, 4)], layout, 3, (32, 32))
