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

from vision.detection import coco
from vision.detection.decode import Layout, candidates, groups_of, layout_of, suppress
from vision.detection.runtimes import Lane, Network, Runtime, class_names, installed, open_onnxruntime, open_openvino
from vision.errors import ModelError
from vision.frames.letterbox import Boxes, Fit, Image, draw, letterbox, snug

log = logging.getLogger(__name__)

MIN_SCORE: Final = 0.1  # the line decides what to trust: a tracker's second look needs the weak boxes too
LONGEST: Final = 640  # of an input whose size is open, pixels
STRIDE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelInfo:
    """Which model runs, on what."""

    name: str
    file: str
    sha256: str
    runtime: Runtime
    size: tuple[int, int] | None  # width, height of the input; None: as the picture asks for
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

    def __init__(
        self, network: Network, info: ModelInfo, layout: Layout, *, min_score: float, groups: NDArray[np.int32]
    ) -> None:
        self.info = info
        self.min_score = min_score
        self._layout = layout
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
            found = candidates(lane.run(), self._layout, self.min_score)
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

    def _size_for(self, frame: Image) -> tuple[int, int]:
        height, width = frame.shape[:2]
        return self.info.size or snug(width, height, LONGEST, STRIDE)

    def infer(self, canvas: Image) -> NDArray[np.float32]:
        """What the network says of a prepared input; valid until the next call. Not for threads that share it."""
        with self._lane() as lane:
            lane.canvas((canvas.shape[1], canvas.shape[0]))[:] = canvas
            return lane.run()

    def boxes(self, raw: NDArray[np.float32], fit: Fit) -> Boxes:
        """What `infer` said, as `detect` tells it."""
        return self._finish(candidates(raw, self._layout, self.min_score), fit)

    def _finish(self, found: Boxes, fit: Fit) -> Boxes:
        return fit.undo(found if self._layout == "end2end" else suppress(found, self._groups))


def open_detector(
    path: Path | str,
    *,
    threads: int = 1,
    at_once: int | None = None,
    runtime: Runtime | None = None,
    min_score: float = MIN_SCORE,
    kindred: bool = True,
    hint: str | None = None,
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
    network = (open_openvino if chosen == "openvino" else open_onnxruntime)(path, threads, at_once)
    try:
        detector = _detector(path, network, min_score=min_score, kindred=kindred, hint=hint)
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from error
    log.info(
        "model=%s runtime=%s threads=%d at_once=%d sha256=%s",
        path, chosen, threads, at_once, detector.info.sha256[:12],
    )  # fmt: skip
    return detector


def _detector(path: Path, network: Network, *, min_score: float, kindred: bool, hint: str | None) -> NetworkDetector:
    names = class_names(network.metadata) or coco.NAMES
    layout = layout_of(network.output_shape, len(names))
    match network.input_shape:
        case (_, 3, int(height), int(width)):
            size: tuple[int, int] | None = (width, height)
        case (_, 3, None, None):
            size = None
        case shape:
            raise ModelError(f"its input has the shape {shape}: a picture network takes (1, 3, height, width)")
    info = ModelInfo(
        name=network.metadata.get("name", path.name.removesuffix(".onnx").removesuffix("_openvino_model")),
        file=str(path),
        sha256=sha256_of(path),
        runtime=network.runtime,
        size=size,
        classes=names,
        lanes=len(network.lanes),
        hint=hint or network.metadata.get("hint"),
    )
    return NetworkDetector(network, info, layout, min_score=min_score, groups=groups_of(names, kindred=kindred))


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
