"""Models by name: fetched, exported, checked, trained and measured through `ultralytics`, which lives by itself.

Its stack is 6 GB, so it stands in an environment of its own (`.venv-ultralytics`). Everything here imports it lazily.
"""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np

from vision.detection.detect import Detector, open_detector
from vision.detection.models import FETCHED, HINT, TINY, fetched_models
from vision.detection.runtimes import Runtime, installed
from vision.errors import ModelError
from vision.frames.letterbox import Boxes, Image
from vision.tracking.boxes import overlap

Format = Literal["onnx", "openvino"]
BEST: Final = "yolo11n"  # the smallest that sees motorcycles well
NEEDS: Final = (
    "this needs `ultralytics`: `make test-ultralytics` makes .venv-ultralytics; run .venv-ultralytics/bin/ngatu"
)
SURE: Final = 0.4  # score of the boxes that runtimes must agree on
SAME: Final = 0.7  # intersection over union of one box seen by two runtimes


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A model on this machine."""

    path: Path
    megabytes: float
    chosen: bool  # the one that runs where none is named
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How two runtimes' boxes of the same pictures compare."""

    runtime: str
    reference: str
    boxes: int  # that the reference is sure of
    found: int  # of which the other has one of the same class in the same place
    overlap: float  # mean intersection over union of those
    score_difference: float  # mean, of those


def listed(folder: Path) -> list[Listed]:
    """The models in the cache, the one that would run first."""
    found = fetched_models(folder) + [folder / TINY] * (folder / TINY).exists()
    return [
        Listed(path=path, megabytes=_size(path) / 1e6, chosen=number == 0, hint=HINT if path.name == TINY else None)
        for number, path in enumerate(found)
    ]


def get(name: str, folder: Path, *, size: int, formats: Sequence[Format] = ("onnx",)) -> list[Path]:
    """Fetch official weights by name (`yolo11n`) and export them; what comes out is what runs from then on.

    Raises:
        ModelError: `ultralytics` is missing, or does not know or cannot fetch the model.
    """
    model = _yolo(name if name.endswith(".pt") else f"{name}.pt")
    return [_keep(_export(model, kind, size), folder / FETCHED) for kind in formats]


def export(weights: Path, to: Path, *, size: int, kind: Format) -> Path:
    """Export one's own weights.

    Raises:
        ModelError: `ultralytics` is missing, or cannot open the file.
    """
    if not weights.exists():
        raise ModelError(f"{weights}: no such file")
    return _keep(_export(_yolo(str(weights)), kind, size), to)


def check(model: Path, pictures: Sequence[Image], *, threads: int = 2) -> list[Agreement]:
    """Run `model` on the same pictures in every way that is installed and compare the boxes with the first's.

    Raises:
        ModelError: fewer than two ways can open it, or no box is sure enough to compare.
    """
    seen: dict[str, list[Boxes]] = {}
    refused: list[str] = []
    for name, runtime, whole in _runs(model):
        try:
            detector: Detector = open_detector(
                model, runtime=runtime, threads=threads, min_score=0.05, kindred=False, as_exported=whole
            )
        except ModelError as error:
            refused.append(str(error))
            continue
        seen[name] = detector.detect(pictures)
    if len(seen) < 2:
        raise ModelError(
            f"{model}: nothing to compare: only {', '.join(seen) or 'no runtime'} opens it; {'; '.join(refused)}"
        )
    reference, *others = seen
    agreements = [_agreement(reference, seen[reference], other, seen[other]) for other in others]
    if not agreements[0].boxes:
        raise ModelError(
            f"{model}: no box on {len(pictures)} pictures scores {SURE}: name pictures with traffic on them"
        )
    return agreements


def train(data: Path, *, weights: str, epochs: int, size: int, to: Path) -> Path:
    """Fine-tune `weights` on labelled pictures (a data set's .yaml); return the best weights.

    Raises:
        ModelError: `ultralytics` is missing, or the data set or the weights cannot be read.
    """
    model = _yolo(weights)
    _asked(
        model.train,
        data=str(data),
        epochs=epochs,
        imgsz=size,
        project=str(to),
        name="run",
        exist_ok=True,
        verbose=False,
    )
    return to / "run" / "weights" / "best.pt"


def validate(model: Path, data: Path, *, size: int, to: Path) -> dict[str, float]:
    """Mean average precision of `model` on labelled pictures: {"map50": …, "map50_95": …}.

    Raises:
        ModelError: `ultralytics` is missing, or the model or the data set cannot be read.
    """
    result = _asked(
        _yolo(str(model)).val,
        data=str(data),
        imgsz=size,
        project=str(to),
        name="val",
        exist_ok=True,
        plots=False,
        verbose=False,
    )
    return {"map50": float(result.box.map50), "map50_95": float(result.box.map)}


def _runs(model: Path) -> list[tuple[str, Runtime, bool]]:
    """What to compare: a name, the runtime, and whether it runs the model as exported. The others must match the first.

    OpenVINO leaves layers and grey bars out: what it is judged by has run them all, in ONNX Runtime or in itself.
    """
    named: list[tuple[str, Runtime, bool]] = []
    if model.suffix == ".onnx" and installed("onnxruntime"):
        named.append(("onnxruntime", "onnxruntime", True))
    elif model.suffix == ".onnx" or model.is_dir():
        named.append(("openvino as exported", "openvino", True))
    if model.suffix == ".onnx" or model.is_dir():
        named.append(("openvino", "openvino", False))
    named.append(("ultralytics", "ultralytics", False))
    return [run for run in named if installed(run[1])]


def _agreement(reference: str, wanted: Sequence[Boxes], runtime: str, got: Sequence[Boxes]) -> Agreement:
    boxes = found = 0
    overlaps: list[float] = []
    differences: list[float] = []
    for one, other in zip(wanted, got, strict=True):
        sure = one[one[:, 4] >= SURE].astype(np.float64)
        boxes += len(sure)
        for box in sure:
            same = other[other[:, 5] == box[5]].astype(np.float64)
            shared = overlap(box[None], same)[0]
            if shared.max(initial=0.0) >= SAME:
                found += 1
                overlaps.append(float(shared.max()))
                differences.append(float(abs(same[shared.argmax(), 4] - box[4])))
    return Agreement(
        runtime=runtime,
        reference=reference,
        boxes=boxes,
        found=found,
        overlap=float(np.mean(overlaps)) if overlaps else 0.0,
        score_difference=float(np.mean(differences)) if differences else 0.0,
    )


def _yolo(weights: str) -> Any:
    try:
        from ultralytics import YOLO  # noqa: PLC0415 - torch: seconds and gigabytes
    except ImportError as error:
        raise ModelError(NEEDS) from error
    return _asked(YOLO, weights, task="detect")


def _asked(ask: Any, *args: Any, **options: Any) -> Any:
    """What ultralytics answers; its many kinds of errors as one."""
    try:
        return ask(*args, **options)
    except Exception as error:
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ModelError(f"ultralytics: {lines[0][:300]}") from error


def _export(model: Any, kind: Format, size: int) -> Path:
    return Path(_asked(model.export, format=kind, imgsz=size))


def _keep(made: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / made.name
    if kept == made:
        return made
    if kept.is_dir():
        shutil.rmtree(kept)
    shutil.move(made, kept)
    return kept


def _size(path: Path) -> int:
    return sum(file.stat().st_size for file in path.iterdir()) if path.is_dir() else path.stat().st_size
