"""What runs a network, behind lanes: a canvas to draw on, and what the network says of it. ONNX Runtime among them."""

import ast
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.detection import coco
from vision.detection.decode import layout_of
from vision.detection.heads import Exported, Head
from vision.errors import ModelError
from vision.frames.letterbox import Image

Runtime = Literal["onnxruntime", "openvino", "ultralytics"]
Shape = tuple[int | None, ...]  # open dimensions are None
Size = tuple[int, int]  # width, height in pixels
Outputs = Sequence[NDArray[np.float32]]
Opened = tuple[Image, Callable[[], Outputs]]  # where its input lies, and what runs it
STRIDE: Final = 32  # what YOLO networks want of an input's width and height, where nothing says more


class Lane:
    """One picture's way through the network. The picture is drawn where the network reads it: none is copied."""

    def __init__(self, opened: Callable[[Size], Opened]) -> None:
        self._opened = opened  # for pictures of a width and height
        self._by_size: dict[Size, Opened] = {}
        self._run: Callable[[], Outputs] | None = None

    def canvas(self, size: Size) -> Image:
        """(height, width, 3) uint8 BGR to draw on, for an input of this width and height; then `run`."""
        if size not in self._by_size:
            self._by_size[size] = self._opened(size)
        canvas, self._run = self._by_size[size]
        return canvas

    def run(self) -> Outputs:
        """Each output, without its batch dimension, for what was drawn; valid until the next `run`."""
        assert self._run is not None
        return self._run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """An opened network.

    Lanes may be used at once, each by one thread: there are more of them than pictures are worked on, so that the
    network never waits for the next.
    """

    runtime: Runtime
    names: tuple[str, ...]  # of its classes
    size: Size | None  # width and height that it was exported for; None: it was left open
    stride: int | None  # what an input's width and height must be multiples of; None: it takes `size` only
    head: Head
    lanes: tuple[Lane, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def lanes_for(at_once: int) -> int:
    """How many pictures are under way, for the network never to wait: those worked on, and the next ones.

    A picture that has all threads is answered soonest where one waits behind it. Of those that share them, two are
    often done together, while others that are done wait to be tracked in their order: with two in waiting 1.8 of two
    cores worked, with four 1.9.

    >>> lanes_for(1), lanes_for(2)
    (2, 6)
    """
    return at_once + min(at_once, 2) ** 2


def installed(package: str) -> bool:
    """Whether `package` can be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def open_onnxruntime(path: Path, threads: int, at_once: int) -> Network:
    """Open an .onnx file in ONNX Runtime, for `at_once` pictures on `threads` threads of the processor.

    Raises:
        ModelError: it is no ONNX network, or needs what this runtime has not.
    """
    import onnxruntime  # noqa: PLC0415 - half a second, and an edge box may do without

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = max(1, threads // at_once)  # a lane, the one that calls among them
    options.log_severity_level = 3  # errors; the exception says the rest
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise ModelError(f"not a network that ONNX Runtime can open: {first_line(error)}") from error
    (source, *_), (output, *_) = session.get_inputs(), session.get_outputs()
    metadata = dict(session.get_modelmeta().custom_metadata_map)
    names = class_names(metadata)
    size = input_size(_open_shape(source.shape))

    def opened(size: Size) -> Opened:
        canvas = np.empty((size[1], size[0], 3), np.uint8)

        def run() -> Outputs:
            blob = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)
            return [session.run([output.name], {source.name: blob})[0][0]]

        return canvas, run

    return Network(
        runtime="onnxruntime",
        names=names,
        size=size,
        stride=None if size else STRIDE,
        head=Exported(layout=layout_of(_open_shape(output.shape), len(names))),
        lanes=tuple(Lane(opened) for _ in range(lanes_for(at_once))),
        metadata=metadata,
    )


def input_size(shape: Shape) -> Size | None:
    """Width and height of an input of this shape, (1, 3, height, width); None where they are open.

    Raises:
        ModelError: it takes no pictures.
    """
    match shape:
        case (_, 3, int(height), int(width)):
            return width, height
        case (_, 3, None, None):
            return None
    raise ModelError(f"its input has the shape {shape}: a picture network takes (1, 3, height, width)")


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """The classes that the model's metadata names, in order; COCO's where it names none.

    Raises:
        ModelError: the entry is there, and unreadable.
    """
    if "names" not in metadata:
        return coco.NAMES
    try:
        named = ast.literal_eval(metadata["names"])
    except (ValueError, SyntaxError) as error:
        raise ModelError(f"the metadata's class names cannot be read: {metadata['names'][:60]!r}") from error
    if isinstance(named, dict):
        named = [named[number] for number in sorted(named)]
    return tuple(str(name) for name in named)


def _open_shape(shape: list[Any]) -> Shape:
    return tuple(d if isinstance(d, int) else None for d in shape)


def first_line(error: Exception) -> str:
    """What `error` says, in one line: runtimes fill pages, with their source files' names first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("Exception from", "Check '", "src/")
    telling = [line for line in lines if not line.startswith(noise)] or lines or ["?"]
    return telling[0][:200]
