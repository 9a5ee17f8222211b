"""A model's session with nothing round it: what a pipeline is measured against."""

from collections.abc import Iterator
from pathlib import Path

import cv2

from vision.errors import ModelError
from vision.frames.letterbox import Image


def open_bare(path: Path, runtime: str, canvas: Image, threads: int) -> Iterator[None]:
    """Runs the network once on a prepared tensor each time it is asked.

    Args:
        path: the model.
        runtime: openvino or onnxruntime.
        canvas: (h, w, 3) uint8 of the size that it was exported for.
        threads: of the processor.
    """
    blob = cv2.dnn.blobFromImage(canvas, 1 / 255, swapRB=True)
    if runtime == "openvino":
        import openvino  # noqa: PLC0415 - half a second

        core = openvino.Core()
        model = core.read_model(next(path.glob("*.xml")) if path.is_dir() else path)
        model.reshape({0: list(blob.shape)})
        wishes = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_NUM_THREADS": threads}
        request = core.compile_model(model, "CPU", wishes).create_infer_request()
        while True:
            request.infer({0: blob}, share_inputs=True, share_outputs=True)
            yield
    if runtime == "onnxruntime":
        import onnxruntime  # noqa: PLC0415 - half a second

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        source, output = session.get_inputs()[0].name, session.get_outputs()[0].name
        while True:
            session.run([output], {source: blob})
            yield
    raise ModelError(f"{path}: {runtime} has no bare session to compare with: name an .onnx file or an OpenVINO folder")
