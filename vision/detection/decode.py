"""What a YOLO network says, as boxes: three layouts, then non-maximum suppression."""

from collections.abc import Sequence
from typing import Final, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.errors import ModelError
from vision.frames.letterbox import Boxes

Layout = Literal["v5", "v8", "end2end"]
MOST_BOXES: Final = 300  # a picture, as ultralytics has it
OVERLAP: Final = 0.5  # intersection over union above which the weaker of two boxes of one group is dropped
# A van seen as car and as truck is one vehicle: kinds that networks take for each other suppress each other.
KINDRED: Final[dict[str, str]] = {"bus": "car", "truck": "car", "train": "car", "bicycle": "motorcycle"}


def layout_of(shape: Sequence[int | None], classes: int) -> Layout:
    """Which layout an output of `shape` (1, a, b) has; open dimensions are None.

    Raises:
        ModelError: it is none that is known.
    """
    if len(shape) == 3:
        rows, columns = shape[1:]
        if columns == 6 and rows is not None and rows <= 1000 and classes != 1:
            return "end2end"
        if columns == 5 + classes:
            return "v5"
        if rows == 4 + classes:
            return "v8"
    raise ModelError(
        f"its output has the shape {tuple(shape)}, which is no box layout for {classes} classes: "
        f"(1, N, {5 + classes}), (1, {4 + classes}, N) or (1, N, 6) is"
    )


def candidates(raw: NDArray[np.float32], layout: Layout, min_score: float) -> Boxes:
    """The boxes above `min_score`, before suppression.

    Args:
        raw: v5 (N, 5 + classes): cx cy w h objectness scores; v8 (4 + classes, N): cx cy w h scores;
            end2end (N, 6): x1 y1 x2 y2 score class.
        layout: which of them.
        min_score: 0 to 1.

    Returns:
        (n, 6) x1 y1 x2 y2 score class, pixels of the network's input.
    """
    if layout == "end2end":
        return raw[raw[:, 4] >= min_score].astype(np.float32)
    if layout == "v5":
        rows = raw[raw[:, 4] >= min_score]
        centres, scores = rows[:, :4], rows[:, 5:] * rows[:, 4:5]
        best = scores.max(axis=1)
        keep = best >= min_score
        return corners(centres[keep], best[keep], scores[keep].argmax(axis=1))
    best = raw[4:].max(axis=0)
    keep = np.flatnonzero(best >= min_score)
    columns = raw[:, keep]
    return corners(columns[:4].T, best[keep], columns[4:].argmax(axis=0))


def corners(centres: Boxes, scores: NDArray[np.float32], classes: NDArray[np.intp]) -> Boxes:
    """(n, 6) out of (n, 4) cx cy w h, (n,) scores and (n,) classes."""
    boxes, half = np.empty((len(scores), 6), np.float32), centres[:, 2:] / 2
    boxes[:, :2], boxes[:, 2:4] = centres[:, :2] - half, centres[:, :2] + half
    boxes[:, 4], boxes[:, 5] = scores, classes
    return boxes


def suppress(boxes: Boxes, groups: NDArray[np.int32], overlap: float = OVERLAP) -> Boxes:
    """Keep the strongest of boxes of one group that overlap; at most MOST_BOXES, strongest first.

    Args:
        boxes: (n, 6).
        groups: (classes,) the group of each class.
        overlap: intersection over union.
    """
    if not len(boxes):
        return boxes
    corners = boxes[:, :4].astype(np.float64)
    corners[:, 2:] -= corners[:, :2]
    group = groups[boxes[:, 5].astype(np.int32)]
    chosen = cv2.dnn.NMSBoxesBatched(
        corners.tolist(), boxes[:, 4].tolist(), group.tolist(), score_threshold=0.0, nms_threshold=overlap
    )
    kept: Boxes = boxes[np.asarray(chosen, np.intp).reshape(-1)]
    strongest = np.argsort(-kept[:, 4], kind="stable")[:MOST_BOXES]
    return np.asarray(kept[strongest], np.float32)


def groups_of(names: Sequence[str], *, kindred: bool = True) -> NDArray[np.int32]:
    """(classes,) the group of each class: its own, or that of its kin."""
    numbers = {name: number for number, name in enumerate(names)}
    heads = [KINDRED.get(name, name) if kindred else name for name in names]
    return np.array([numbers.get(head, number) for number, head in enumerate(heads)], np.int32)
