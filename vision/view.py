"""What a camera's view looks like when it is well, and how far a picture is from that. No thresholds, only measures."""

from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from vision.frames.letterbox import Image

WIDTH: Final = 320  # pixels of the copy that is compared
BLOCKS: Final = (8, 6)
SMOOTH: Final = 8.0  # pixels: structure coarser than this survives a blurred lens
ADAPT: Final = 0.02  # share of each look in the reference: it follows the sun within minutes
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measures:
    """One look, compared with the reference. Correlations are Pearson's, so brightness and contrast do not count."""

    bright: float  # 98th percentile, 0 to 255
    contrast: float  # standard deviation of the coarse structure, relative to the reference's
    sharpness: float  # fine structure per coarse structure, relative to the reference's
    coarse: float  # correlation of the coarse structure
    edges: float  # correlation of the edges
    lost: float  # share of the textured blocks whose texture is gone, the rest's gain allowed for
    shift: float  # share of the width by which the view seems displaced; 0 where that cannot be told
    shift_sure: float  # 0 to 1, how clearly


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A picture as it is compared."""

    bright: float
    smooth: Array  # coarse structure
    edges: Array  # gradient's magnitude, a little smeared: a pixel's jitter does not count
    blocks: Array  # mean gradient of each block
    fine: float  # energy of the Laplacian


class View:
    """Learns how the view looks, slowly; compares a picture with that."""

    def __init__(self) -> None:
        self._known: Features | None = None
        self._looks = 0

    def compare(self, now: Features) -> Measures | None:
        """How far a picture is from the reference; None where there is none, or of another shape."""
        known = self._known
        if known is None or known.edges.shape != now.edges.shape:
            return None
        return _measures(now, known)

    def learn(self, now: Features) -> None:
        """Take a picture into the reference."""
        known = self._known
        if known is None or known.edges.shape != now.edges.shape:
            self._known, self._looks = now, 1
            return
        self._looks += 1
        share = max(ADAPT, 1 / self._looks)  # a plain mean at first
        self._known = Features(
            bright=known.bright + share * (now.bright - known.bright),
            smooth=known.smooth + np.float32(share) * (now.smooth - known.smooth),
            edges=known.edges + np.float32(share) * (now.edges - known.edges),
            blocks=known.blocks + np.float32(share) * (now.blocks - known.blocks),
            fine=known.fine + share * (now.fine - known.fine),
        )


def features_of(image: Image) -> Features:
    """What there is to see in `image` (h, w, 3)."""
    height = max(1, round(image.shape[0] * WIDTH / image.shape[1]))
    small = cv2.resize(image, (WIDTH, height), interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_BGR2GRAY), np.float32)
    across, down = cv2.Sobel(grey, cv2.CV_32F, 1, 0), cv2.Sobel(grey, cv2.CV_32F, 0, 1)
    gradient = np.asarray(cv2.magnitude(across, down), np.float32)
    fine = grey - np.asarray(cv2.GaussianBlur(grey, (0, 0), 1.5), np.float32)
    return Features(
        bright=float(np.percentile(grey, 98)),
        smooth=np.asarray(cv2.GaussianBlur(grey, (0, 0), SMOOTH), np.float32),
        edges=np.asarray(cv2.GaussianBlur(gradient, (0, 0), 1.5), np.float32),
        blocks=np.asarray(cv2.resize(gradient, BLOCKS, interpolation=cv2.INTER_AREA), np.float32),
        fine=float(np.abs(fine).mean()),
    )


def _measures(now: Features, known: Features) -> Measures:
    contrast = float(now.smooth.std() / max(1.0, float(known.smooth.std())))
    shift, sure = _shift(now.edges, known.edges)
    return Measures(
        bright=now.bright,
        contrast=contrast,
        sharpness=(now.fine / max(0.1, known.fine)) / max(0.2, contrast),
        coarse=_correlation(now.smooth, known.smooth),
        edges=_correlation(now.edges, known.edges),
        lost=_lost(now.blocks, known.blocks),
        shift=shift,
        shift_sure=sure,
    )


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale > 0 else 0.0


def _lost(now: Array, known: Array) -> float:
    textured = known >= np.median(known)
    ratios = now[textured] / np.maximum(known[textured], 1.0)
    gain = min(1.0, max(0.2, float(np.percentile(ratios, 75))))
    return float((ratios < 0.35 * gain).mean())


def _shift(now: Array, known: Array) -> tuple[float, float]:
    window = cv2.createHanningWindow((now.shape[1], now.shape[0]), cv2.CV_32F)
    # OpenCV multiplies the window into its arguments: they are copies
    (across, down), sure = cv2.phaseCorrelate(known.copy(), now.copy(), window)
    return float(np.hypot(across, down)) / now.shape[1], float(sure)
