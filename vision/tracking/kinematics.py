"""Where things are, how fast they go and how sure that is: a constant-velocity Kalman filter over many tracks."""

from typing import Final

import numpy as np

from vision.road.ground import Array, Ground

ACCELERATION: Final = (
    2.5  # m/s², standard deviation: everyday city driving brakes and pulls away below 3 (AASHTO comfort: 3.4)
)
FIRST_SPEED: Final = 12.0  # m/s, standard deviation of a newcomer's speed: the first second decides it
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
    sigma = np.maximum(share * size * (np.sqrt(0.5), 1.0), least)  # the middle of two edges wanders less than one
    pixels = np.zeros((len(boxes), 2, 2))
    pixels[:, 0, 0], pixels[:, 1, 1] = sigma.T**2
    if ground is None:
        return pixels
    jacobian = ground.jacobian(np.column_stack(((boxes[:, 0] + boxes[:, 2]) / 2, boxes[:, 3])))
    return jacobian @ pixels @ jacobian.transpose(0, 2, 1) + 0.01 * np.eye(2)


def start(places: Array, noise: Array, scale: Array) -> tuple[Array, Array]:
    """State of (n, 2) places first seen: (n, 4) x y vx vy and (n, 4, 4) covariance; scale: (n,) metres a unit."""
    means = np.column_stack((places, np.zeros_like(places)))
    covs = np.zeros((len(places), 4, 4))
    covs[:, :2, :2] = noise
    covs[:, 2, 2] = covs[:, 3, 3] = (FIRST_SPEED / scale) ** 2
    return means, covs


def predict(means: Array, covs: Array, dt: Array, scale: Array) -> tuple[Array, Array]:
    """The same states `dt` (n,) seconds later."""
    f = np.tile(np.eye(4), (len(means), 1, 1))
    f[:, 0, 2] = f[:, 1, 3] = dt
    q = np.zeros_like(f)
    power = (ACCELERATION / scale) ** 2  # white acceleration held for a second (Bar-Shalom 2001, section 6.2)
    for i in (0, 1):
        q[:, i, i], q[:, i, i + 2], q[:, i + 2, i], q[:, i + 2, i + 2] = (
            power * dt**3 / 3, power * dt**2 / 2, power * dt**2 / 2, power * dt,
        )  # fmt: skip
    return np.einsum("nij,nj->ni", f, means), f @ covs @ f.transpose(0, 2, 1) + q


def correct(means: Array, covs: Array, places: Array, noise: Array) -> tuple[Array, Array]:
    """Take (n, 2) measured places in; one that is too far off counts for less instead of throwing the track about."""
    off = places - means[:, :2]
    total = covs[:, :2, :2] + noise
    distance = np.einsum("ni,nij,nj->n", off, np.linalg.inv(total), off)
    doubt = np.maximum(distance / SURPRISE, 1.0)
    total = covs[:, :2, :2] + noise * doubt[:, None, None]
    gain = covs[:, :, :2] @ np.linalg.inv(total)
    return means + np.einsum("nij,nj->ni", gain, off), covs - gain @ covs[:, :2, :]
