"""The filter on the road says what the textbook's says, however long it runs."""

import numpy as np

from vision.road.ground import Array
from vision.tracking.kinematics import ACCELERATION, SURPRISE, correct, longest, predict, start

NOISE = np.array([[[0.1, 0.02], [0.02, 0.01]]])  # aslant: seen far along a road


def textbook(mean: Array, cov: Array, place: Array, dt: float) -> tuple[Array, Array]:
    """One step of one track, by matrices."""
    f = np.eye(4)
    f[0, 2] = f[1, 3] = dt
    q = ACCELERATION**2 * np.kron(np.array([[dt**3 / 3, dt**2 / 2], [dt**2 / 2, dt]]), np.eye(2))
    mean, cov = f @ mean, f @ cov @ f.T + q
    off, total = place - mean[:2], cov[:2, :2] + NOISE[0]
    doubt = max(off @ np.linalg.solve(total, off) / SURPRISE, 1.0)
    gain = cov[:, :2] @ np.linalg.inv(cov[:2, :2] + NOISE[0] * doubt)
    cov = cov - gain @ cov[:2]
    return mean + gain @ off, (cov + cov.T) / 2


def test_a_vehicle_that_stands_for_ten_minutes_is_followed_as_by_the_textbook() -> None:
    random = np.random.default_rng(5)
    scale = np.ones(1)
    means, covs = start(np.zeros((1, 2)), NOISE, scale)
    mean, cov = means[0].copy(), covs[0].copy()
    for place in random.multivariate_normal((0, 0), NOISE[0], 6000):
        dt = random.choice((0.1, 0.1, 0.1, 0.5))  # it is hidden now and then
        means, covs = correct(*predict(means, covs, np.array([dt]), scale), place[None], NOISE)
        mean, cov = textbook(mean, cov, place, dt)
    np.testing.assert_allclose(means[0], mean, atol=1e-9)
    np.testing.assert_allclose(covs[0], cov, atol=1e-9)


def test_the_longest_deviation_is_the_larger_eigenvalues() -> None:
    half = np.random.default_rng(6).normal(0, 3, (20, 2, 2))
    covs = half @ half.transpose(0, 2, 1)
    np.testing.assert_allclose(longest(covs), np.sqrt(np.linalg.eigvalsh(covs)[:, -1]))
