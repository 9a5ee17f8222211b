"""Where things are, how fast they go and how sure that is: a constant-velocity Kalman filter over many tracks."""

from typing import Final

import numpy as np

from vision.road.ground import Array, Ground
from vision.tracking.boxes import feet

ACCELERATION: Final = (
    2.5  # m/s², standard deviation: everyday city driving brakes and pulls away below 3 (AASHTO comfort: 3.4)
)
FIRST_SPEED: Final = 12.0  # m/s, standard deviation of a newcomer's speed: the first second decides it
MIDDLE: Final = 0.5**0.5  # the middle of two edges wanders less than one
ROUNDING: Final = 1e-15  # share of a product that a difference cannot tell from nothing
SURPRISE: Final = 9.21  # 99 % of chi-square with 2 degrees of freedom: a measurement further off is believed less


def place_noise(boxes: Array, share: float, least: float, ground: Ground | None) -> Array:
    """How unsure the foot of each box is, on the plane that positions are measured on.

    A box edge wanders in proportion to the box, so the foot's error is a share of its width and height in
    pixels (`least` at least), carried to the road by the homography's Jacobian: it grows with range by itself.

    Args:
        boxes: (n, 4+) x1 y1 x2 y2.
        share: standard deviation of an edge as a share of the box's size.
        least: pixels, the standard deviation of a small box's edge, and of the whole picture where the camera shakes.
        ground: None leaves the covariance in pixels.

    Returns:
        (n, 2, 2) covariance in m² (pixels² without ground).
    """
    size = boxes[:, 2:4] - boxes[:, :2]
    size[:, 0] = size.max(axis=1)  # a narrow box's sides wander like its ends
    sigma = np.maximum(share * size * (MIDDLE, 1.0), least)
    if ground is None:
        return sigma[:, None] * np.eye(2) * sigma[:, None]
    reach = ground.jacobian(feet(boxes)) * sigma[:, None]
    return reach @ reach.transpose(0, 2, 1) + 0.01 * np.eye(2)


def start(places: Array, noise: Array, scale: Array) -> tuple[Array, Array]:
    """State of (n, 2) places first seen: (n, 4) x y vx vy and (n, 4, 4) covariance; scale: (n,) metres a unit."""
    means = np.column_stack((places, np.zeros_like(places)))
    covs = np.zeros((len(places), 4, 4))
    covs[:, :2, :2] = noise
    covs[:, 2, 2] = covs[:, 3, 3] = (FIRST_SPEED / scale) ** 2
    return means, covs


def predict(means: Array, covs: Array, dt: Array, scale: Array) -> tuple[Array, Array]:
    """The same states `dt` (n,) seconds later."""
    power = (ACCELERATION / scale) ** 2  # white acceleration held for a second (Bar-Shalom 2001, section 6.2)
    later, step = covs.copy(), dt[:, None, None]
    later[:, :2, 2:] += step * covs[:, 2:, 2:]
    later[:, 2:, :2] = later[:, :2, 2:].transpose(0, 2, 1)
    later[:, :2, :2] += step * (covs[:, 2:, :2] + later[:, :2, 2:])
    for place, pace in ((0, 2), (1, 3)):
        later[:, place, place] += power * dt**3 / 3
        later[:, place, pace] += power * dt**2 / 2
        later[:, pace, place] += power * dt**2 / 2
        later[:, pace, pace] += power * dt
    return np.column_stack((means[:, :2] + dt[:, None] * means[:, 2:], means[:, 2:])), later


def correct(means: Array, covs: Array, places: Array, noise: Array) -> tuple[Array, Array]:
    """Take (n, 2) measured places in; one that is too far off counts for less instead of throwing the track about."""
    off = places - means[:, :2]
    doubt = np.maximum(distance2(off, covs[:, :2, :2] + noise) / SURPRISE, 1.0)
    total = covs[:, :2, :2] + noise * doubt[:, None, None]
    gain = covs[:, :, :2] @ _inverse(total)
    after = covs - gain @ covs[:, :2, :]
    after = (after + after.transpose(0, 2, 1)) / 2  # rounding's lopsidedness would grow from frame to frame
    return means + (gain @ off[:, :, None])[:, :, 0], after


def distance2(off: Array, covs: Array) -> Array:
    """(…,) squared Mahalanobis distance of (…, 2) for (…, 2, 2) covariances."""
    x, y = off[..., 0], off[..., 1]
    across: Array = covs[..., 1, 1] * x * x - 2 * covs[..., 0, 1] * x * y + covs[..., 0, 0] * y * y
    return across / _determinant(covs)


def longest(covs: Array) -> Array:
    """(n,) the largest standard deviation of (n, 2, 2) covariances, in whichever direction it is."""
    a, b, d = covs[:, 0, 0], covs[:, 0, 1], covs[:, 1, 1]
    return np.sqrt((a + d) / 2 + np.hypot((a - d) / 2, b))


def _inverse(covs: Array) -> Array:
    swapped = np.empty_like(covs)
    swapped[:, 0, 0], swapped[:, 1, 1] = covs[:, 1, 1], covs[:, 0, 0]
    swapped[:, 0, 1] = swapped[:, 1, 0] = -covs[:, 0, 1]
    inverse: Array = swapped / _determinant(covs)[:, None, None]
    return inverse


def _determinant(covs: Array) -> Array:
    """Never nothing: what is as good as a line is a very narrow ellipse."""
    product = covs[..., 0, 0] * covs[..., 1, 1]
    return np.maximum(product - covs[..., 0, 1] ** 2, ROUNDING * product)
