"""Pictures in, boxes out: one function whatever runs the network."""

import hashlib
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from vision.detection.decode import groups_of, suppress
from vision.detection.openvino_runtime import open_openvino
from vision.detection.runtimes import STRIDE, Lane, Network, Outputs, Runtime, Size, installed, open_onnxruntime
from vision.errors import ModelError
from vision.frames.letterbox import Boxes, Fit, Image, draw, letterbox, snug, trimmed

log = logging.getLogger(__name__)

MIN_SCORE: Final = 0.1  # the line decides what to trust: a tracker's second look needs the weak boxes too
LONGEST: Final = 640  # of an input whose size was left open, pixels


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Which model runs, on what."""

    name: str
    file: str
    sha256: str
    runtime: Runtime
    size: Size | None  # width, height of the input that it was exported for; None: it was left open
    classes: tuple[str, ...]
    lanes: int = 1  # pictures that may be under way: where it is a network, some more than it works on at once
    hint: str | None = None  # of a weak model: what to do about it


class Detector(Protocol):
    """What the live loop needs of a detector."""

    @property
    def info(self) -> ModelInfo:
        """Which model it is."""

    def detect(self, frames: Sequence[Image]) -> list[Boxes]:
        """The boxes of each frame, strongest first.

        Args:
            frames: each (h, w, 3) uint8 BGR.

        Returns:
            for each frame (n, 6) float32: x1 y1 x2 y2 in its pixels, score 0 to 1, number of the class.
        """


class NetworkDetector:
    """A network of ONNX Runtime or OpenVINO with its letterbox before and its suppression behind."""

    def __init__(self, network: Network, info: ModelInfo, *, min_score: float, groups: NDArray[np.int32]) -> None:
        self.info = info
        self.min_score = min_score
        self._head = network.head
        self._stride = network.stride
        self._groups = groups
        self._free: SimpleQueue[Lane] = SimpleQueue()
        for lane in network.lanes:
            self._free.put(lane)

    def detect(self, frames: Sequence[Image]) -> list[Boxes]:
        """See `Detector.detect`. Threads may share it: as many as it has lanes work at once."""
        return [self._detect(frame) for frame in frames]

    def _detect(self, frame: Image) -> Boxes:
        with self._lane() as lane:
            fit = draw(frame, lane.canvas(self._size_for(frame)))
            found = self._head.boxes(lane.run(), self.min_score)
        return self._finish(found, fit)

    @contextmanager
    def _lane(self) -> Iterator[Lane]:
        lane = self._free.get()
        try:
            yield lane
        finally:
            self._free.put(lane)

    def prepare(self, frame: Image) -> tuple[Image, Fit]:
        """The network's input for `frame`, and how the frame lies in it."""
        return letterbox(frame, self._size_for(frame))

    def _size_for(self, frame: Image) -> Size:
        height, width = frame.shape[:2]
        match self.info.size, self._stride:
            case None, stride:
                return snug(width, height, LONGEST, stride or STRIDE)
            case size, None:
                return size
            case size, stride:
                return trimmed(width, height, size, stride)

    def infer(self, canvas: Image) -> Outputs:
        """What the network says of a prepared input; valid until the next call. Not for threads that share it."""
        with self._lane() as lane:
            lane.canvas((canvas.shape[1], canvas.shape[0]))[:] = canvas
            return lane.run()

    def boxes(self, said: Outputs, fit: Fit) -> Boxes:
        """What `infer` said, as `detect` tells it."""
        return self._finish(self._head.boxes(said, self.min_score), fit)

    def _finish(self, found: Boxes, fit: Fit) -> Boxes:
        return fit.undo(found if self._head.final else suppress(found, self._groups))


def open_detector(
    path: Path | str,
    *,
    threads: int = 1,
    at_once: int | None = None,
    runtime: Runtime | None = None,
    min_score: float = MIN_SCORE,
    kindred: bool = True,
    hint: str | None = None,
    as_exported: bool = False,
) -> Detector:
    """Open a model: an .onnx file, an OpenVINO folder, or whatever `ultralytics` loads, where that is installed.

    Args:
        path: the file or folder.
        threads: of the processor.
        at_once: pictures that are worked on at once. None: one a thread, which is more pictures a second, as none
            waits for the slower of two threads; 1: each picture on all threads, which is sooner done.
        runtime: None takes the fastest installed: OpenVINO, then ONNX Runtime.
        min_score: weaker boxes are left out.
        kindred: boxes of kinds that networks confuse (car, truck, bus) suppress each other.
        hint: what to tell a person about this model; the file's own metadata may carry one too.
        as_exported: run all of its layers, for pictures of the size that it was exported for, where there is one.

    Raises:
        ModelError: one line that says what is wrong and what to do.
    """
    path = Path(path)
    if not path.exists():
        raise ModelError(f"{path}: no such model: name an .onnx file or an OpenVINO folder, or run `ngatu models get`")
    chosen = runtime or _runtime_for(path)
    if chosen == "ultralytics":
        from vision.detection.torch_detect import open_ultralytics  # noqa: PLC0415 - torch takes seconds to import

        return open_ultralytics(path, sha256_of(path), threads=threads, min_score=min_score, kindred=kindred, hint=hint)
    at_once = max(1, min(at_once or threads, threads))
    try:
        if chosen == "openvino":
            network = open_openvino(path, threads, at_once, as_exported=as_exported)
        else:
            network = open_onnxruntime(path, threads, at_once)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    detector = _detector(path, network, min_score=min_score, kindred=kindred, hint=hint)
    log.info(
        "model=%s runtime=%s threads=%d at_once=%d sha256=%s",
        path, chosen, threads, at_once, detector.info.sha256[:12],
    )  # fmt: skip
    return detector


def _detector(path: Path, network: Network, *, min_score: float, kindred: bool, hint: str | None) -> NetworkDetector:
    info = ModelInfo(
        name=network.metadata.get("name", path.name.removesuffix(".onnx").removesuffix("_openvino_model")),
        file=str(path),
        sha256=sha256_of(path),
        runtime=network.runtime,
        size=network.size,
        classes=network.names,
        lanes=len(network.lanes),
        hint=hint or network.metadata.get("hint"),
    )
    groups = groups_of(network.names, kindred=kindred)
    return NetworkDetector(network, info, min_score=min_score, groups=groups)


def _runtime_for(path: Path) -> Runtime:
    ours = path.suffix == ".onnx" or (path.is_dir() and any(path.glob("*.xml")))
    if ours and installed("openvino"):
        return "openvino"
    if path.suffix == ".onnx" and installed("onnxruntime"):
        return "onnxruntime"
    if installed("ultralytics"):
        return "ultralytics"
    if ours:
        raise ModelError(f"{path}: no runtime for it is installed: pip install 'ngatu[vision]'")
    raise ModelError(
        f"{path}: only `ultralytics` could open this, and it is not installed: "
        "name an .onnx file or an OpenVINO folder, or pip install 'ngatu[ultralytics]'"
    )


def sha256_of(path: Path) -> str:
    """Of the file; of a folder, of its files one after another by name."""
    digest = hashlib.sha256()
    for file in sorted(path.iterdir()) if path.is_dir() else [path]:
        if file.is_file():
            digest.update(file.read_bytes())
    return digest.hexdigest()
