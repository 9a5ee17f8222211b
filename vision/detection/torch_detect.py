"""Whatever `ultralytics` loads, .pt and TensorRT engines among them, behind the same function as the other runtimes."""

from collections.abc import Sequence
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from vision.detection.decode import groups_of, suppress
from vision.detection.detect import Detector, ModelInfo
from vision.errors import ModelError
from vision.frames.letterbox import Boxes, Image


class UltralyticsDetector:
    """A model that `ultralytics` runs."""

    def __init__(self, model: Any, info: ModelInfo, *, min_score: float, kindred: bool) -> None:
        self.info = info
        self.min_score = min_score
        self._model = model
        self._groups = groups_of(info.classes, kindred=kindred)
        self._one_at_a_time = Lock()

    def detect(self, frames: Sequence[Image]) -> list[Boxes]:
        """See `vision.detection.detect.Detector`."""
        with self._one_at_a_time:
            results = self._model.predict(list(frames), conf=self.min_score, iou=0.5, verbose=False)
        return [suppress(result.boxes.data.cpu().numpy().astype(np.float32), self._groups) for result in results]


def open_ultralytics(
    path: Path, sha256: str, *, threads: int, min_score: float, kindred: bool, hint: str | None
) -> Detector:
    """Open `path` in `ultralytics`.

    Raises:
        ModelError: it is not installed, or cannot open the file as a detection model.
    """
    try:
        import torch  # noqa: PLC0415 - seconds, and gigabytes: only who asks for it pays
        from ultralytics import YOLO  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ModelError(f"{path}: `ultralytics` is not installed: pip install 'ngatu[ultralytics]'") from error
    torch.set_num_threads(threads)
    try:
        model = YOLO(str(path), task="detect")
        blank = np.zeros((64, 64, 3), np.uint8)
        model.predict(blank, verbose=False)  # most formats are opened at the first picture only
        names = model.names
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"{path}: not a model that ultralytics can open: {lines[0][:200]}") from error
    info = ModelInfo(
        name=path.stem,
        file=str(path),
        sha256=sha256,
        runtime="ultralytics",
        size=None,
        classes=tuple(str(names[number]) for number in sorted(names)),
        hint=hint,
    )
    return UltralyticsDetector(model, info, min_score=min_score, kindred=kindred)
