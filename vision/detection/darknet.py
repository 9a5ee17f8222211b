"""Darknet's .cfg and .weights to an ONNX file: the layers that YOLOv3 and YOLOv3-tiny are made of.

The network's boxes are decoded inside the graph, so the result has YOLOv5's layout: (1, N, 5 + classes) of
cx cy w h in pixels of the input, objectness, class scores. Height and width are open: multiples of 32.

Source: J. Redmon, A. Farhadi, "YOLOv3: An Incremental Improvement", 2018; the file formats are darknet's own.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from vision.errors import ModelError

Section = dict[str, str]
OPSET: Final = 17
EPSILON: Final = 1e-6  # darknet's, in batch normalisation
LEAK: Final = 0.1  # darknet's leaky ReLU
STRIDE: Final = 32


def convert(cfg: str, weights: bytes, to: Path, metadata: dict[str, str]) -> None:
    """Write the network as ONNX, with `metadata` in its properties.

    Raises:
        ModelError: a layer that is not one of ours, or weights of another network.
    """
    net, *layers = read_cfg(cfg)
    builder = _Builder(weights=_Weights(weights), channels=[], sections=layers)
    for index, layer in enumerate(layers):
        builder.add(index, layer)
    builder.weights.finish()
    onnx.save(builder.model(int(net.get("channels", "3")), metadata), to)


def read_cfg(text: str) -> list[Section]:
    """The sections of a .cfg, each with its kind under the key "kind"."""
    sections: list[Section] = []
    for line in (raw.partition("#")[0].strip() for raw in text.splitlines()):
        if line.startswith("["):
            sections.append({"kind": line.strip("[]")})
        elif line:
            key, _, value = line.partition("=")
            sections[-1][key.strip()] = value.strip()
    return sections


class _Weights:
    """Reads darknet's float32 values one after another."""

    def __init__(self, data: bytes) -> None:
        major, minor = np.frombuffer(data, "<i4", 2)
        self._values = np.frombuffer(data, "<f4", offset=20 if major * 10 + minor >= 2 else 16)
        self._at = 0

    def take(self, *shape: int) -> NDArray[np.float32]:
        size = int(np.prod(shape))
        taken = self._values[self._at : self._at + size]
        if taken.size != size:
            raise ModelError("the weights end too early: they belong to another .cfg")
        self._at += size
        return taken.reshape(shape).astype(np.float32)

    def finish(self) -> None:
        if self._at != self._values.size:
            raise ModelError(f"{self._values.size - self._at} weights are left over: they belong to another .cfg")


@dataclass(slots=True)
class _Builder:
    """The graph as it grows. Layer i's output is the tensor `layer_i`, `channels[i]` deep."""

    weights: _Weights
    channels: list[int]
    sections: list[Section]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)

    def add(self, index: int, layer: Section) -> None:
        adders: dict[str, Callable[[int, Section], int]] = {
            "convolutional": self._convolution,
            "maxpool": self._maxpool,
            "upsample": self._upsample,
            "route": self._route,
            "yolo": self._yolo,
        }
        if layer["kind"] not in adders:
            known = ", ".join(adders)
            raise ModelError(f"layer {index} of the .cfg is {layer['kind']!r}: only {known} can be converted")
        self.channels.append(adders[layer["kind"]](index, layer))

    def model(self, channels: int, metadata: dict[str, str]) -> onnx.ModelProto:
        self._node("Concat", self.boxes, "output0", axis=1)
        image = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, channels, "height", "width"])
        output = helper.make_tensor_value_info("output0", TensorProto.FLOAT, [1, "boxes", None])
        graph = helper.make_graph(self.nodes, "darknet", [image], [output], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        helper.set_model_props(model, metadata)
        onnx.checker.check_model(model)
        return model

    def _node(self, op: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(op, list(inputs), [output], **attributes))
        return output

    def _constant(self, name: str, value: NDArray[Any]) -> str:
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def _before(self, index: int) -> str:
        return f"layer_{index - 1}" if index else "images"

    def _convolution(self, index: int, layer: Section) -> int:
        filters, size = int(layer["filters"]), int(layer["size"])
        before = self.channels[index - 1] if index else 3
        bias = self.weights.take(filters)
        scale = np.ones(filters, np.float32)
        if layer.get("batch_normalize") == "1":  # folded into the kernel: fewer operations, the same numbers
            gamma, mean, variance = (self.weights.take(filters) for _ in range(3))
            scale = gamma / np.sqrt(variance + EPSILON)
            bias = bias - mean * scale
        kernel = self.weights.take(filters, before, size, size) * scale[:, None, None, None]
        leaky = layer["activation"] == "leaky"
        pad = size // 2 if layer.get("pad") == "1" else 0
        self._node(
            "Conv",
            [
                self._before(index),
                self._constant(f"kernel_{index}", kernel),
                self._constant(f"bias_{index}", bias),
            ],
            f"conv_{index}" if leaky else f"layer_{index}",
            kernel_shape=[size, size],
            strides=[int(layer["stride"])] * 2,
            pads=[pad] * 4,
        )
        if leaky:
            self._node("LeakyRelu", [f"conv_{index}"], f"layer_{index}", alpha=LEAK)
        return filters

    def _maxpool(self, index: int, layer: Section) -> int:
        size, stride = int(layer["size"]), int(layer["stride"])
        behind = size - stride  # darknet keeps the picture's size at stride 1 by padding right and below
        self._node(
            "MaxPool",
            [self._before(index)],
            f"layer_{index}",
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[0, 0, behind, behind],
        )
        return self.channels[index - 1]

    def _upsample(self, index: int, layer: Section) -> int:
        factor = float(layer["stride"])
        scales = self._constant(f"scales_{index}", np.array([1, 1, factor, factor], np.float32))
        self._node(
            "Resize",
            [self._before(index), "", scales],
            f"layer_{index}",
            mode="nearest",
            coordinate_transformation_mode="asymmetric",
            nearest_mode="floor",
        )
        return self.channels[index - 1]

    def _route(self, index: int, layer: Section) -> int:
        sources = [at + index if at < 0 else at for at in map(int, layer["layers"].split(","))]
        self._node("Concat", [f"layer_{at}" for at in sources], f"layer_{index}", axis=1)
        return sum(self.channels[at] for at in sources)

    def _yolo(self, index: int, layer: Section) -> int:
        """Boxes of one scale. t: (1, anchors, 5 + classes, h, w) of what the network said."""
        numbers = [float(n) for n in layer["anchors"].split(",")]
        mask = [int(n) for n in layer["mask"].split(",")]
        fields = 5 + int(layer["classes"])
        stride = self._stride_at(index - 1)
        anchors = np.array([numbers[2 * m : 2 * m + 2] for m in mask], np.float32)
        name = f"yolo_{index}"
        at = self._before(index)
        self._check_channels(index, len(mask) * fields)
        shape = self._constant(f"{name}_split", np.array([0, len(mask), fields, -1], np.int64))
        self._node("Reshape", [at, shape], f"{name}_flat")  # (1, anchors, fields, h*w)
        order = self._node("Transpose", [f"{name}_flat"], f"{name}_rows", perm=[0, 1, 3, 2])
        sizes = self._constant(f"{name}_sizes", np.array([2, 2, fields - 4], np.int64))
        self.nodes.append(
            helper.make_node("Split", [order, sizes], [f"{name}_xy", f"{name}_wh", f"{name}_scores"], axis=3)
        )
        grid = self._grid(name, at)
        scale = self._constant(f"{name}_stride", np.array(stride, np.float32))
        self._node("Sigmoid", [f"{name}_xy"], f"{name}_offset")
        self._node("Add", [f"{name}_offset", grid], f"{name}_cell")
        self._node("Mul", [f"{name}_cell", scale], f"{name}_centre")
        self._node("Exp", [f"{name}_wh"], f"{name}_grown")
        anchor = self._constant(f"{name}_anchors", anchors[None, :, None, :])
        self._node("Mul", [f"{name}_grown", anchor], f"{name}_size")
        self._node("Sigmoid", [f"{name}_scores"], f"{name}_sure")
        self._node("Concat", [f"{name}_centre", f"{name}_size", f"{name}_sure"], f"{name}_boxes", axis=3)
        rows = self._constant(f"{name}_out", np.array([0, -1, fields], np.int64))
        self.boxes.append(self._node("Reshape", [f"{name}_boxes", rows], f"layer_{index}"))
        return 0

    def _check_channels(self, index: int, wanted: int) -> None:
        if self.channels[index - 1] != wanted:
            raise ModelError(f"layer {index} of the .cfg needs {wanted} channels and gets {self.channels[index - 1]}")

    def _stride_at(self, index: int) -> float:
        """How many pixels of the input one cell of layer `index` stands for."""
        if index < 0:
            return 1.0
        layer = self.sections[index]
        if layer["kind"] == "route":
            first = int(layer["layers"].split(",")[0])
            return self._stride_at(first + index if first < 0 else first)
        before = self._stride_at(index - 1)
        if layer["kind"] == "upsample":
            return before / float(layer["stride"])
        return before * float(layer.get("stride", "1"))

    def _grid(self, name: str, at: str) -> str:
        """(1, 1, h*w, 2) of x, y of each cell, computed from the shape: the input's size stays open."""
        zero, one = (self._constant(f"{name}_{n}", np.array(n, np.int64)) for n in (0, 1))
        self._node("Shape", [at], f"{name}_shape")
        axes = []
        for axis, letter in ((3, "x"), (2, "y")):
            where = self._constant(f"{name}_axis_{letter}", np.array(axis, np.int64))
            self._node("Gather", [f"{name}_shape", where], f"{name}_cells_{letter}")
            self._node("Range", [zero, f"{name}_cells_{letter}", one], f"{name}_range_{letter}")
            self._node("Cast", [f"{name}_range_{letter}"], f"{name}_float_{letter}", to=TensorProto.FLOAT)
            view = self._constant(f"{name}_view_{letter}", np.array([1, -1] if letter == "x" else [-1, 1], np.int64))
            axes.append(self._node("Reshape", [f"{name}_float_{letter}", view], f"{name}_line_{letter}"))
        zeros = self._node("Mul", [axes[0], self._constant(f"{name}_none", np.array(0, np.float32))], f"{name}_zx")
        zeros_y = self._node("Mul", [axes[1], f"{name}_none"], f"{name}_zy")
        full = [
            self._node("Add", [axes[0], zeros_y], f"{name}_gx"),  # (h, w)
            self._node("Add", [axes[1], zeros], f"{name}_gy"),
        ]
        flat = self._constant(f"{name}_flatten", np.array([1, 1, -1, 1], np.int64))
        columns = [self._node("Reshape", [plane, flat], f"{plane}_column") for plane in full]
        return self._node("Concat", columns, f"{name}_grid", axis=3)
