"""A network of OpenVINO without its last layers, for pictures of any size: no grey padding is computed.

Exporters write one input size into a file: into grids and anchors, which are all in the last layers, and into the
shapes that some layers between are told to give. The trunk ends before the former and has the latter told anew.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from vision.detection.decode import Layout
from vision.detection.heads import Array, Head
from vision.detection.learn import UnknownHeadError, learn_head

STRIDES: Final = (4, 8, 16, 32, 64, 128)  # pixels of a cell, of a grid that boxes are told on
WIDE: Final = ("Softmax", "ScaledDotProductAttention")  # layers in which each cell looks at all others: attention
SHAPED: Final = ("Reshape", "Interpolate")  # layers that are told the shape to give
TRIED: Final = ((3, 5), (5, 3))  # sizes that a trunk must take, in its coarsest cells

Size = tuple[int, int]  # width, height in pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class Trunk:
    """A network up to its last convolutions, and what decodes them."""

    head: Head
    stride: int | None  # what a picture's sides must be multiples of; None: grey counts too, the exported size is kept
    at: Callable[[Size], Any]  # the OpenVINO model for pictures of a width and height


def trunk_of(core: Any, model: Any, size: Size, layout: Layout, classes: int) -> Trunk:
    """The trunk of `model`, proved: its head decodes as the model's own last layers do, and other sizes fit.

    Args:
        core: of OpenVINO.
        model: left as it is.
        size: that the model was exported for, or any that it takes.
        layout: of its output.
        classes: how many it knows.

    Raises:
        UnknownHeadError: it is of no kind that we know. It can still run as it was exported.
    """
    from openvino import Model  # noqa: PLC0415 - half a second, and an edge box may do without
    from openvino import opset13 as op  # noqa: PLC0415 - as above

    whole = _of_size(model, size)
    ends = _ends(whole, size)
    shapes = [tuple(end.shape)[1:] for end in ends]
    head, order = learn_head(_layers(core, model, size), shapes, layout, classes, size)
    outputs = [ends[number] for number in order]
    if head.channels_last:
        turn = np.array([0, 2, 3, 1])
        outputs = [op.transpose(output, op.constant(turn)).output(0) for output in outputs]
    body = Model([op.result(output) for output in outputs], whole.get_parameters(), "trunk")
    stride = max(size[1] // height for _, height, _ in shapes)

    def at(wanted: Size) -> Any:
        try:
            return _resized(body, size, wanted)
        except RuntimeError as error:
            raise UnknownHeadError("a layer of it takes pictures of one size only") from error

    for columns, rows in TRIED:
        at((columns * stride, rows * stride))
    attends = any(node.get_type_name() in WIDE for node in body.get_ordered_ops())
    return Trunk(head=head, stride=None if attends else stride, at=at)


def _of_size(model: Any, size: Size) -> Any:
    copy = model.clone()
    copy.reshape({0: [1, 3, *reversed(size)]})
    return copy


def _ends(model: Any, size: Size) -> list[Any]:
    """The outputs nearest to the network's own that are still grids over the picture: its last convolutions'."""
    ends, seen, ahead = [], set(), [model.get_results()[0].input_value(0)]
    while ahead:
        output = ahead.pop()
        node = output.get_node()
        key = (node.get_name(), output.get_index())
        if key in seen or node.get_type_name() in {"Constant", "ShapeOf"}:
            continue
        seen.add(key)
        if _is_grid(output, size):
            ends.append(output)
        elif node.get_type_name() == "Parameter":
            raise UnknownHeadError("its last layers look at the picture itself")
        else:
            ahead += node.input_values()
    if not ends:
        raise UnknownHeadError("no grid over the picture goes into its last layers")
    return ends


def _is_grid(output: Any, size: Size) -> bool:
    if not output.get_partial_shape().is_static or output.get_element_type().to_dtype() != np.float32:
        return False
    return any(_cells(size, stride) == tuple(output.shape)[2:] for stride in STRIDES if len(output.shape) == 4)


def _layers(core: Any, model: Any, size: Size) -> Callable[[Sequence[Array]], Array]:
    """The last layers alone, to be asked. Their shapes are known, wherever they look them up."""
    from openvino import Model  # noqa: PLC0415 - as above
    from openvino import opset13 as op  # noqa: PLC0415 - as above

    last = _of_size(model, size)
    for node in last.get_ordered_ops():
        if node.get_type_name() == "ShapeOf":
            shape = op.constant(np.array(node.input_value(0).shape, node.get_output_element_type(0).to_dtype()))
            node.output(0).replace(shape.output(0))
    parameters = []
    for end in _ends(last, size):
        parameters.append(op.parameter(end.shape, np.float32))
        end.replace(parameters[-1].output(0))
    asked = Model(last.get_results()[:1], parameters, "layers")
    request = core.compile_model(asked, "CPU", {"INFERENCE_PRECISION_HINT": "f32"}).create_infer_request()

    def answer(grids: Sequence[Array]) -> Array:
        request.infer({number: grid[None] for number, grid in enumerate(grids)})
        result: Array = request.get_output_tensor(0).data[0].copy()
        return result

    return answer


def _resized(body: Any, exported: Size, wanted: Size) -> Any:
    """`body` for pictures of another size. Raises RuntimeError where its layers do not fit."""
    from openvino import PartialShape  # noqa: PLC0415 - as above
    from openvino import opset13 as op  # noqa: PLC0415 - as above

    copy = body.clone()
    from_picture: set[str] = set()
    told = []
    for node in copy.get_ordered_ops():
        kind = node.get_type_name()
        sources = node.input_values()
        if kind == "Parameter" or any(source.get_node().get_name() in from_picture for source in sources):
            from_picture.add(node.get_name())
        if kind in SHAPED and sources[0].get_node().get_name() in from_picture:
            shape = _rescaled(list(node.output(0).shape), exported, wanted)
            length = sources[1].shape[0]
            told.append((node, shape[-length:]))
    for node, shape in told:
        if node.get_type_name() == "Reshape" or node.get_attributes()["shape_calculation_mode"] == "sizes":
            node.input(1).replace_source_output(op.constant(np.array(shape, np.int64)).output(0))
    copy.get_parameters()[0].set_partial_shape(PartialShape([1, 3, *reversed(wanted)]))
    copy.validate_nodes_and_infer_types()
    return copy


def _rescaled(shape: list[int], exported: Size, wanted: Size) -> list[int]:
    """`shape` with the cells of a grid over the picture changed: as rows and columns at its end, or as one number.

    >>> _rescaled([1, 128, 20, 20], (640, 640), (640, 352)), _rescaled([1, 2, 128, 400], (640, 640), (640, 352))
    ([1, 128, 11, 20], [1, 2, 128, 220])
    """
    for stride in (1, 2, *STRIDES):
        (rows, columns), (new_rows, new_columns) = _cells(exported, stride), _cells(wanted, stride)
        if not rows or not new_rows:
            continue
        if shape[-2:] == [rows, columns]:
            return [*shape[:-2], new_rows, new_columns]
        if rows * columns in shape:
            last = len(shape) - 1 - shape[::-1].index(rows * columns)
            return [*shape[:last], new_rows * new_columns, *shape[last + 1 :]]
    return shape


def _cells(size: Size, stride: int) -> tuple[int, int]:
    """Rows and columns of a grid of `stride` pixels over a picture; (0, 0) where it does not divide it.

    >>> _cells((640, 352), 32), _cells((640, 352), 64)
    ((11, 20), (0, 0))
    """
    if size[0] % stride or size[1] % stride:
        return 0, 0
    return size[1] // stride, size[0] // stride
