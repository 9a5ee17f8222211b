"""The inside of the library's tracker, without what it does for others: the same numbers for a third of the work."""

from typing import Any

import numpy as np
import supervision as sv
from numpy.typing import NDArray
from trackers import BIoU
from trackers.utils.state_representations import XYXYStateEstimator

from vision.road.ground import Array
from vision.tracking.boxes import overlap


class Admitted(sv.Detections):  # type: ignore[misc]  # mypy is told not to follow the library
    """Boxes that `admit` has looked at: they need not be checked again at each question."""

    def __post_init__(self) -> None:
        """Nothing to check."""

    def __getitem__(self, index: Any) -> Any:
        """Some of the boxes; by a name, what goes with them."""
        if isinstance(index, str):
            return super().__getitem__(index)
        data = {name: values[index] for name, values in self.data.items()}
        return Admitted(xyxy=self.xyxy[index], confidence=self.confidence[index], data=data)


class Buffered(BIoU):  # type: ignore[misc]  # as above
    """The overlap of boxes that are grown by a share."""

    def _compute(self, boxes_1: Array, boxes_2: Array) -> NDArray[np.float32]:
        return overlap(self._grown(boxes_1), self._grown(boxes_2)).astype(np.float32)

    def _grown(self, boxes: Array) -> Array:
        margin = self.buffer_ratio * (boxes[:, 2:] - boxes[:, :2])
        return np.concatenate((boxes[:, :2] - margin, boxes[:, 2:] + margin), axis=1)


class Corners(XYXYStateEstimator):  # type: ignore[misc]  # as above
    """Says what `XYXYStateEstimator` says, wherever its noise is the same for all corners.

    That one filters all eight numbers of a box with one 8x8 covariance. With the noise that ByteTrack gives it, each
    corner's place and pace are a filter of their own, and all four are equally sure: one 2x2 covariance says it all.
    """

    def __init__(self, bbox: Array) -> None:
        super().__init__(bbox)
        self._places = np.asarray(bbox, np.float64)
        self._paces = np.zeros(4)
        self._cov = 1.0, 0.0, 1.0  # of place, of both, of pace
        self._measured = 1.0

    def set_kf_covariances(self, measurement_noise: Array | None = None, **others: Any) -> None:
        """See the library: the noise of one measurement, and of one frame's drift."""
        super().set_kf_covariances(measurement_noise, **others)
        self._measured = float(self.kf.measurement_noise[0, 0])

    def predict(self, frame_step: float = 1.0, frame_rate: float | None = None) -> None:
        """Go on by `frame_step` frames."""
        drift = self.motion.process_noise.build_Q(frame_step, frame_rate)
        place, both, pace = self._cov
        both_later = both + frame_step * pace
        self._places = self._places + frame_step * self._paces
        self._cov = (
            place + frame_step * (both + both_later) + float(drift[0, 0]),
            both_later + float(drift[0, 4]),
            pace + float(drift[4, 4]),
        )

    def update(self, bbox: Array | None) -> None:
        """Take a box in, by Joseph's form as the library does."""
        if bbox is None:
            return
        place, both, pace = self._cov
        gain, gain_pace = place / (place + self._measured), both / (place + self._measured)
        off = bbox - self._places
        self._places, self._paces = self._places + gain * off, self._paces + gain_pace * off
        rest, noise = 1 - gain, self._measured
        self._cov = (
            rest * place * rest + gain * noise * gain,
            rest * (both - gain_pace * place) + gain * noise * gain_pace,
            pace - gain_pace * (2 * both - gain_pace * place) + gain_pace * noise * gain_pace,
        )

    def state_to_bbox(self) -> Array:
        """(4,) x1 y1 x2 y2."""
        return self._places
