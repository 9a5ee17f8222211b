"""Trackers of well-kept libraries, each told what is known of a camera over a street; all else is its own default.

Known: who is hidden for 2 s keeps its number, boxes of a score of 0.4 start tracks, and boxes wander, so they are
matched as if they were larger where a tracker lets one say so.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import supervision as sv
from norfair import Detection, Tracker
from trackers import BIoU, BoTSORTTracker, ByteTrackTracker, CBIoUTracker, OCSORTTracker, SORTTracker

from vision.tracking.track import BUFFER, CERTAIN, COAST_S, LEAST_OVERLAP, Numbering, byte_track


class Norfair:
    """Norfair: the nearest pair of boxes first; sure boxes only."""

    def __init__(self, fps: float) -> None:
        self._tracker = Tracker(
            "iou",
            distance_threshold=1 - LEAST_OVERLAP,
            hit_counter_max=round(COAST_S * fps),
            initialization_delay=1,
        )
        self._fps = fps
        self._at: float | None = None

    def update(self, detections: sv.Detections, *, timestamp: float) -> sv.Detections:
        """Number the boxes of the objects that were seen in this frame."""
        frames = 1 if self._at is None else max(1, round((timestamp - self._at) * self._fps))
        self._at = timestamp
        aside = BUFFER * (detections.xyxy[:, 2:] - detections.xyxy[:, :2])
        corners = np.stack((detections.xyxy[:, :2] - aside, detections.xyxy[:, 2:] + aside), axis=1)
        sure = np.flatnonzero(np.asarray(detections.confidence) >= CERTAIN)
        found = [Detection(corners[row], data=(timestamp, row)) for row in sure]
        numbers = np.full(len(corners), -1)
        for seen in self._tracker.update(found, period=frames):
            last, row = seen.last_detection.data
            if last == timestamp:
                numbers[row] = seen.id
        detections.tracker_id = numbers
        return detections


def _hidden(fps: float) -> dict[str, Any]:
    return {"lost_track_buffer": round(COAST_S * 30), "frame_rate": fps}


def _staged(fps: float) -> dict[str, Any]:
    return {**_hidden(fps), "track_activation_threshold": CERTAIN, "high_conf_det_threshold": CERTAIN}


def _wide() -> dict[str, Any]:
    return {"minimum_iou_threshold": LEAST_OVERLAP, "iou": BIoU(buffer_ratio=BUFFER)}


TRACKERS: Final[Mapping[str, Callable[[float], Numbering]]] = {
    "ByteTrack": byte_track,
    "ByteTrack, plain overlap": lambda fps: ByteTrackTracker(**_staged(fps)),
    "SORT": lambda fps: SORTTracker(**_hidden(fps), **_wide(), track_activation_threshold=CERTAIN),
    "OC-SORT": lambda fps: OCSORTTracker(**_hidden(fps), **_wide(), high_conf_det_threshold=CERTAIN),
    "C-BIoU": lambda fps: CBIoUTracker(**_staged(fps)),
    "BoT-SORT": lambda fps: BoTSORTTracker(**_staged(fps), enable_cmc=False),  # recorded boxes have no pictures
    "Norfair": Norfair,
}
