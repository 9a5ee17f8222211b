"""Small networks with drawn weights, written down as exporters write YOLOs: one input size is baked into each."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

ANCHORS = {8: [(10, 13), (16, 30), (33, 23)], 16: [(30, 61), (62, 45), (59, 119)], 32: [(116, 90), (156, 198)]}
NAMES = ("person", "car")
CHANNELS = 8
STEPS = 4  # of a distance's distribution


class Writer:
    """An ONNX graph as it grows; every method gives the name of its output."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.width, self.height = size
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(11)

    def node(self, kind: str, *inputs: str, outputs: int = 1, **attributes: Any) -> Any:
        """One layer; a list of names where it has several outputs."""
        names = [f"{kind}_{len(self.nodes)}_{number}" for number in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: NDArray[Any] | Sequence[Any] | float, dtype: Any = np.float32) -> str:
        """A tensor that the file holds."""
        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def shaped(self, source: str, shape: Sequence[int]) -> str:
        """`source` in a shape that is written down as numbers."""
        return str(self.node("Reshape", source, self.constant(shape, np.int64)))

    def convolution(self, source: str, before: int, after: int, *, stride: int = 1, size: int = 1) -> str:
        """With weights that neither drown nor blow up what goes in."""
        spread = 1.5 / np.sqrt(before * size * size)
        weights = self.constant(self.rng.normal(0, spread, (after, before, size, size)))
        bias = self.constant(self.rng.normal(0, 0.5, after))
        return str(self.node("Conv", source, weights, bias, strides=[stride] * 2, pads=[size // 2] * 4))

    def grids(self, *, attention: bool = False) -> dict[int, str]:
        """What the trunk says at 8, 16 and 32 pixels a cell; the coarsest is brought back into the finest."""
        at, seen = "images", {}
        for stride in (2, 4, 8, 16, 32):
            at = self.node("Tanh", self.convolution(at, CHANNELS if stride > 2 else 3, CHANNELS, stride=2, size=3))
            seen[stride] = at
        if attention:
            seen[32] = self._attention(seen[32])
        sizes = self.constant([1, CHANNELS, self.height // 8, self.width // 8], np.int64)
        larger = self.node(
            "Resize", seen[32], "", "", sizes,
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        )  # fmt: skip
        seen[8] = self.convolution(self.node("Concat", seen[8], larger, axis=1), 2 * CHANNELS, CHANNELS, size=3)
        return {stride: seen[stride] for stride in (8, 16, 32)}

    def _attention(self, at: str) -> str:
        rows, columns = self.height // 32, self.width // 32
        flat = self.shaped(at, [1, 2, CHANNELS // 2, rows * columns])
        turned = self.node("Transpose", flat, perm=[0, 1, 3, 2])
        weights = self.node("Softmax", self.node("MatMul", turned, flat), axis=-1)
        mixed = self.node("MatMul", flat, self.node("Transpose", weights, perm=[0, 1, 3, 2]))
        return str(self.node("Add", at, self.shaped(mixed, [1, CHANNELS, rows, columns])))

    def save(self, to: Path, output: str, shape: Sequence[int]) -> Path:
        """Write the file, which names its classes."""
        self.nodes.append(helper.make_node("Identity", [output], ["output0"]))
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, self.height, self.width])
        said = helper.make_tensor_value_info("output0", TensorProto.FLOAT, shape)
        graph = helper.make_graph(self.nodes, "drawn", [image], [said], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        helper.set_model_props(model, {"names": str(dict(enumerate(NAMES)))})
        onnx.checker.check_model(model)
        onnx.save(model, to)
        return to


def with_anchors(to: Path, size: tuple[int, int] = (320, 320), *, power: float = 2.0) -> Path:
    """As YOLOv5 is exported: grids and anchors baked in. A box is its anchor times (2 sigmoid) to the `power`."""
    writer, rows = Writer(size), []
    fields = 5 + len(NAMES)
    for stride, at in writer.grids().items():
        anchors, h, w = ANCHORS[stride], size[1] // stride, size[0] // stride
        told = writer.convolution(at, CHANNELS, len(anchors) * fields)
        split = writer.shaped(told, [1, len(anchors), fields, h, w])
        turned = writer.node("Sigmoid", writer.node("Transpose", split, perm=[0, 1, 3, 4, 2]))
        sizes = writer.constant([2, 2, fields - 4], np.int64)
        xy, wh, scores = writer.node("Split", turned, sizes, outputs=3, axis=4)
        corner = np.stack(np.meshgrid(np.arange(w), np.arange(h)), axis=-1) - 0.5
        grid = writer.constant(np.broadcast_to(corner, (1, len(anchors), h, w, 2)))
        shifted = writer.node("Add", writer.node("Mul", xy, writer.constant(2.0)), grid)
        centres = writer.node("Mul", shifted, writer.constant(stride))
        share = writer.node("Pow", writer.node("Mul", wh, writer.constant(2.0)), writer.constant(power))
        anchor = np.broadcast_to(np.array(anchors).reshape(1, -1, 1, 1, 2), (1, len(anchors), h, w, 2))
        boxes = writer.node("Concat", centres, writer.node("Mul", share, writer.constant(anchor)), scores, axis=4)
        rows.append(writer.shaped(boxes, [1, len(anchors) * h * w, fields]))
    count = sum(len(ANCHORS[s]) * (size[0] // s) * (size[1] // s) for s in ANCHORS)
    return writer.save(to, writer.node("Concat", *rows, axis=1), [1, count, fields])


def with_distances(
    to: Path, size: tuple[int, int] = (320, 320), *, attention: bool = False, rooted: bool = False
) -> Path:
    """As YOLOv8 is exported, or YOLO11 with its attention: the cells' middles baked in.

    `rooted`: a layer knows its place as well.
    """
    writer = Writer(size)
    grids, sides, classes, middles, strides = writer.grids(attention=attention), [], [], [], []
    for stride, told in grids.items():
        h, w, at = size[1] // stride, size[0] // stride, told
        if rooted:
            at = writer.node("Add", told, writer.constant(writer.rng.normal(0, 1, (1, CHANNELS, h, w))))
        sides.append(writer.shaped(writer.convolution(at, CHANNELS, 4 * STEPS), [1, 4 * STEPS, h * w]))
        classes.append(writer.shaped(writer.convolution(at, CHANNELS, len(NAMES)), [1, len(NAMES), h * w]))
        middles.append(np.stack(np.meshgrid(np.arange(w) + 0.5, np.arange(h) + 0.5)).reshape(2, -1))
        strides.append(np.full(h * w, stride))
    count = sum(len(of_scale) for of_scale in strides)
    spread = writer.shaped(writer.node("Concat", *sides, axis=2), [1, 4, STEPS, count])
    shares = writer.node("Softmax", writer.node("Transpose", spread, perm=[0, 2, 1, 3]), axis=1)
    steps = writer.constant(np.arange(STEPS, dtype=np.float32).reshape(1, STEPS, 1, 1))
    mean = writer.shaped(writer.node("Conv", shares, steps), [1, 4, count])
    near, far = writer.node("Split", mean, writer.constant([2, 2], np.int64), outputs=2, axis=1)
    middle = writer.constant(np.concatenate(middles, axis=1)[None])
    first, last = writer.node("Sub", middle, near), writer.node("Add", middle, far)
    centre = writer.node("Div", writer.node("Add", first, last), writer.constant(2.0))
    boxes = writer.node("Concat", centre, writer.node("Sub", last, first), axis=1)
    pixels = writer.node("Mul", boxes, writer.constant(np.concatenate(strides)[None, None]))
    scores = writer.node("Sigmoid", writer.node("Concat", *classes, axis=2))
    return writer.save(to, writer.node("Concat", pixels, scores, axis=1), [1, 4 + len(NAMES), count])
