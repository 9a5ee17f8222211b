"""What runs a network: ONNX Runtime and OpenVINO, each behind lanes: a canvas to draw on, and its raw output."""

import ast
import importlib.util
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any, Final, Literal

import cv2
import numpy as np
import yaml
from numpy.typing import NDArray

from vision.detection.onnx_file import is_onnx
from vision.errors import ModelError
from vision.frames.letterbox import Image

log = logging.getLogger(__name__)

Runtime = Literal["onnxruntime", "openvino", "ultralytics"]
Shape = tuple[int | None, ...]
_Opened = tuple[Image, Callable[[], NDArray[np.float32]]]  # where its input lies, and what runs it
METADATA: Final = ("names", "imgsz", "stride", "hint", "name")


class Lane:
    """One picture's way through the network. The picture is drawn where the network reads it: none is copied."""

    def __init__(self, opened: Callable[[tuple[int, int]], _Opened]) -> None:
        self._opened = opened  # for pictures of a width and height
        self._by_size: dict[tuple[int, int], _Opened] = {}
        self._run: Callable[[], NDArray[np.float32]] | None = None

    def canvas(self, size: tuple[int, int]) -> Image:
        """(height, width, 3) uint8 BGR to draw on, for an input of this width and height; then `run`."""
        if size not in self._by_size:
            self._by_size[size] = self._opened(size)
        canvas, self._run = self._by_size[size]
        return canvas

    def run(self) -> NDArray[np.float32]:
        """The first output, without its batch dimension, for what was drawn; valid until the next `run`."""
        assert self._run is not None
        return self._run()


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """An opened network. Open dimensions of its shapes are None.

    Lanes may be used at once, each by one thread: there are more of them than pictures are worked on, so that the
    network never waits for the next.
    """

    runtime: Runtime
    input_shape: Shape  # (1, 3, height, width)
    output_shape: Shape
    lanes: tuple[Lane, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)


def lanes_for(at_once: int) -> int:
    """How many pictures are under way, for the network never to wait: those worked on, and the next one or two.

    A picture that has all threads is answered soonest where one waits behind it; of those that share them, two are
    often done together, and one in waiting left a thread idle while the other was decoded and drawn.

    >>> lanes_for(1), lanes_for(2)
    (2, 4)
    """
    return at_once + min(at_once, 2)


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
        raise ModelError(f"{path}: not a network that ONNX Runtime can open: {_first_line(error)}") from error
    (source, *_), (output, *_) = session.get_inputs(), session.get_outputs()

    def opened(size: tuple[int, int]) -> _Opened:
        canvas = np.empty((size[1], size[0], 3), np.uint8)

        def run() -> NDArray[np.float32]:
            blob = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)
            result: NDArray[np.float32] = session.run([output.name], {source.name: blob})[0][0]
            return result

        return canvas, run

    return Network(
        runtime="onnxruntime",
        input_shape=_open_shape(source.shape),
        output_shape=_open_shape(output.shape),
        lanes=tuple(Lane(opened) for _ in range(lanes_for(at_once))),
        metadata=dict(session.get_modelmeta().custom_metadata_map),
    )


def open_openvino(path: Path, threads: int, at_once: int) -> Network:
    """Open an .onnx file, or a folder with an .xml and a .bin, in OpenVINO. Its input's size may be open.

    Args:
        path: the file or folder.
        threads: of the processor.
        at_once: pictures that share them.

    Raises:
        ModelError: it is no network, or needs what this runtime has not.
    """
    import openvino  # noqa: PLC0415 - half a second, and an edge box may do without

    core = openvino.Core()
    if path.is_file() and not is_onnx(path):  # OpenVINO would try every other format, loudly
        raise ModelError(f"{path}: not an ONNX network, or not a whole one")
    try:
        model = core.read_model(_xml(path) if path.is_dir() else path)
        source, output = model.input(0).partial_shape, model.output(0).partial_shape
    except RuntimeError as error:
        raise ModelError(f"{path}: not a network that OpenVINO can open: {_first_line(error)}") from error
    compiled: dict[tuple[int, int], Any] = {}
    setting_up = Lock()

    def opened(size: tuple[int, int]) -> _Opened:
        # OpenVINO's Python side sets itself up at the first inference, and two first ones at once wait for each other
        with setting_up:
            if size not in compiled:
                compiled[size] = _compile(core, model, size, threads, at_once)
            request = compiled[size].create_infer_request()
            large = _large(compiled[size].output(0))
            if large is not None:
                request.set_output_tensor(openvino.Tensor(large, shared_memory=True))
            request.infer(share_outputs=True)

        def run() -> NDArray[np.float32]:
            request.start_async()  # `infer` would make a dictionary of outputs first
            request.wait()
            result: NDArray[np.float32] = (request.get_output_tensor(0).data if large is None else large)[0]
            return result

        return request.get_input_tensor(0).data[0], run

    return Network(
        runtime="openvino",
        input_shape=tuple(d.get_length() if d.is_static else None for d in source),
        output_shape=tuple(d.get_length() if d.is_static else None for d in output),
        lanes=tuple(Lane(opened) for _ in range(lanes_for(at_once))),
        metadata=_folder_metadata(path) if path.is_dir() else _onnx_metadata(model),
    )


def _compile(core: Any, model: Any, size: tuple[int, int], threads: int, at_once: int) -> Any:
    """`model` for pictures as they are: the change to planes, RGB and 0..1 becomes part of the graph."""
    from openvino import Layout, Type, preprocess  # noqa: PLC0415 - as above

    model = model.clone()
    model.reshape({0: [1, 3, *reversed(size)]})
    steps = preprocess.PrePostProcessor(model)
    picture = steps.input(0)
    picture.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    picture.tensor().set_color_format(preprocess.ColorFormat.BGR)
    picture.preprocess().convert_color(preprocess.ColorFormat.RGB).convert_element_type(Type.f32).scale(255.0)
    picture.model().set_layout(Layout("NCHW"))
    wishes = {"NUM_STREAMS": at_once, "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return core.compile_model(steps.build(), "CPU", wishes)


def _large(output: Any) -> NDArray[np.float32] | None:
    """Where a network may write its output, if its shape is known: numpy asks for large pages.

    To read one column of eight megabytes takes two thirds of the time there. Who uses it keeps it: OpenVINO does not.
    """
    if not output.partial_shape.is_static or output.element_type.to_dtype() != np.float32:
        return None
    return np.empty(tuple(output.shape), np.float32)


def _xml(folder: Path) -> Path:
    found = sorted(folder.glob("*.xml"))
    if not found:
        raise ModelError(f"{folder}: no .xml in the folder: name one that `ngatu models export` wrote for OpenVINO")
    return found[0]


def _folder_metadata(folder: Path) -> dict[str, str]:
    try:
        raw = yaml.safe_load((folder / "metadata.yaml").read_text())
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"{folder / 'metadata.yaml'}: {_first_line(error)}") from error
    return {key: str(raw[key]) for key in METADATA if key in raw}


def _onnx_metadata(model: Any) -> dict[str, str]:
    return {
        key: str(model.get_rt_info(["framework", key]).value)
        for key in METADATA
        if model.has_rt_info(["framework", key])
    }


def class_names(metadata: Mapping[str, str]) -> tuple[str, ...] | None:
    """The classes that the model's metadata names, in order; None where it names none.

    Raises:
        ModelError: the entry is there, and unreadable.
    """
    if "names" not in metadata:
        return None
    try:
        named = ast.literal_eval(metadata["names"])
    except (ValueError, SyntaxError) as error:
        raise ModelError(f"the metadata's class names cannot be read: {metadata['names'][:60]!r}") from error
    if isinstance(named, dict):
        named = [named[number] for number in sorted(named)]
    return tuple(str(name) for name in named)


def _open_shape(shape: list[Any]) -> Shape:
    return tuple(d if isinstance(d, int) else None for d in shape)


def _first_line(error: Exception) -> str:
    """What `error` says, in one line: runtimes fill pages, with their source files' names first."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    noise = ("Exception from", "Check '", "src/")
    telling = [line for line in lines if not line.startswith(noise)] or lines or ["?"]
    return telling[0][:200]
