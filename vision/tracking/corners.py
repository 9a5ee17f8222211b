"""The filter inside the library's tracker, for boxes' corners, without its matrices.

The library filters all eight numbers of a box with one 8x8 covariance. With the noise that ByteTrack gives it, each
corner's place and pace are a filter of their own, and all four are equally sure: one 2x2 covariance says it all.
"""

from typing import Any

import numpy as np
from trackers.utils.state_representations import XYXYStateEstimator

from vision.road.ground import Array


class Corners(XYXYStateEstimator):  # type: ignore[misc]  # mypy is told not to follow the library
    """Says what `XYXYStateEstimator` says, wherever its noise is the same for all corners."""

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
