"""Networks in OpenVINO: without their last layers and for any picture size where they are of a kind that we know."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from threading import Lock
from typing import Any, Final

import yaml

from vision.detection.decode import layout_of
from vision.detection.heads import Exported
from vision.detection.learn import UnknownHeadError
from vision.detection.onnx_file import is_onnx
from vision.detection.runtimes import (
    STRIDE,
    Lane,
    Network,
    Opened,
    Outputs,
    Shape,
    Size,
    class_names,
    first_line,
    input_size,
    lanes_for,
)
from vision.detection.trunk import Trunk, trunk_of
from vision.errors import ModelError

log = logging.getLogger(__name__)

METADATA: Final = ("names", "imgsz", "stride", "hint", "name")
LEARNT_AT: Final = (640, 640)  # a network whose input's size is open


def open_openvino(path: Path, threads: int, at_once: int, *, as_exported: bool = False) -> Network:
    """Open an .onnx file, or a folder with an .xml and a .bin, in OpenVINO. Its input's size may be open.

    Args:
        path: the file or folder.
        threads: of the processor.
        at_once: pictures that share them.
        as_exported: run all of its layers, for pictures of the size that it was exported for.

    Raises:
        ModelError: it is no network, or needs what this runtime has not.
    """
    import openvino  # noqa: PLC0415 - half a second, and an edge box may do without

    core = openvino.Core()
    if path.is_file() and not is_onnx(path):  # OpenVINO would try every other format, loudly
        raise ModelError("not an ONNX network, or not a whole one")
    try:
        model = core.read_model(_xml(path) if path.is_dir() else path)
        source, output = _shape(model.input(0)), _shape(model.output(0))
    except RuntimeError as error:
        raise ModelError(f"not a network that OpenVINO can open: {first_line(error)}") from error
    metadata = _folder_metadata(path) if path.is_dir() else _onnx_metadata(model)
    names = class_names(metadata)
    layout, size = layout_of(output, len(names)), input_size(source)
    trunk = None
    if not as_exported:
        try:
            trunk = trunk_of(core, model, size or LEARNT_AT, layout, len(names))
        except (UnknownHeadError, RuntimeError) as error:
            log.info("model=%s runs=as_exported reason=%s", path, first_line(error))
    return Network(
        runtime="openvino",
        names=names,
        size=size,
        stride=trunk.stride if trunk else None if size else STRIDE,
        head=trunk.head if trunk else Exported(layout=layout),
        lanes=_lanes(core, _at(model, trunk), threads, at_once),
        metadata=metadata,
    )


def _at(model: Any, trunk: Trunk | None) -> Callable[[Size], Any]:
    """The network for pictures of a width and height."""

    def whole(size: Size) -> Any:
        copy = model.clone()
        copy.reshape({0: [1, 3, *reversed(size)]})
        return copy

    return trunk.at if trunk else whole


def _lanes(core: Any, at: Callable[[Size], Any], threads: int, at_once: int) -> tuple[Lane, ...]:
    compiled: dict[Size, Any] = {}
    setting_up = Lock()

    def opened(size: Size) -> Opened:
        # OpenVINO's Python side sets itself up at the first inference, and two first ones at once wait for each other
        with setting_up:
            if size not in compiled:
                compiled[size] = _compile(core, at(size), threads, at_once)
            request = compiled[size].create_infer_request()
            request.infer(share_outputs=True)
        outputs = [request.get_output_tensor(number).data[0] for number in range(len(request.output_tensors))]

        def run() -> Outputs:
            request.start_async()  # `infer` would make a dictionary of outputs first
            request.wait()
            return outputs

        return request.get_input_tensor(0).data[0], run

    return tuple(Lane(opened) for _ in range(lanes_for(at_once)))


def _compile(core: Any, model: Any, threads: int, at_once: int) -> Any:
    """`model` for pictures as they are: the change to planes, RGB and 0..1 becomes part of the graph."""
    from openvino import Layout, Type, preprocess  # noqa: PLC0415 - as above

    steps = preprocess.PrePostProcessor(model)
    picture = steps.input(0)
    picture.tensor().set_element_type(Type.u8).set_layout(Layout("NHWC"))
    picture.tensor().set_color_format(preprocess.ColorFormat.BGR)
    planes = Layout("NCHW")
    picture.preprocess().convert_color(preprocess.ColorFormat.RGB).convert_element_type(Type.f32).scale(255.0)
    picture.preprocess().convert_layout(planes)  # last, where it is one with what the first convolution wants
    picture.model().set_layout(planes)
    wishes = {"NUM_STREAMS": at_once, "INFERENCE_NUM_THREADS": threads, "ENABLE_CPU_PINNING": False}
    return core.compile_model(steps.build(), "CPU", wishes)


def _shape(port: Any) -> Shape:
    return tuple(d.get_length() if d.is_static else None for d in port.partial_shape)


def _xml(folder: Path) -> Path:
    found = sorted(folder.glob("*.xml"))
    if not found:
        raise ModelError("no .xml in the folder: name one that `ngatu models export` wrote for OpenVINO")
    return found[0]


def _folder_metadata(folder: Path) -> dict[str, str]:
    try:
        raw = yaml.safe_load((folder / "metadata.yaml").read_text())
    except FileNotFoundError:
        return {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ModelError(f"metadata.yaml: {first_line(error)}") from error
    return {key: str(raw[key]) for key in METADATA if key in raw}


def _onnx_metadata(model: Any) -> Mapping[str, str]:
    return {
        key: str(model.get_rt_info(["framework", key]).value)
        for key in METADATA
        if model.has_rt_info(["framework", key])
    }
