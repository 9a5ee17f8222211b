"""A pinhole camera over the road, and a detector's faults: what is seen of the movers, frame after frame."""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from tests.vision.synthetic.traffic import SIZE
from vision.road.ground import Array
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE, PERSON, TRUCK, cover

Snapshot = list[tuple[int, int, float, float, float, float]]  # number, class, x, y, heading x, heading y
ERROR_S: Final = 0.35  # how long a box's error lives
SWAPS: Final = {CAR: (TRUCK, BUS), TRUCK: (CAR, BUS), BUS: (TRUCK, CAR), MOTORCYCLE: (1, PERSON), PERSON: (1,)}


@dataclass(frozen=True, kw_only=True)
class Lens:
    """Where the camera hangs and what it looks at."""

    x: float
    y: float
    height: float
    aim: tuple[float, float]
    focal: float
    size: tuple[int, int]

    @property
    def matrix(self) -> Array:
        """(3, 4) from metres to pixels."""
        width, height = self.size
        k = np.array([[self.focal, 0, width / 2], [0, self.focal, height / 2], [0, 0, 1.0]])
        ahead = np.array([self.aim[0] - self.x, self.aim[1] - self.y, -self.height])
        ahead /= np.linalg.norm(ahead)
        right = np.cross(ahead, (0, 0, 1.0))
        right /= np.linalg.norm(right)
        turn = np.vstack((right, np.cross(ahead, right), ahead))
        matrix: Array = k @ np.column_stack((turn, -turn @ (self.x, self.y, self.height)))
        return matrix


@dataclass(frozen=True, kw_only=True)
class Noise:
    """A detector's faults; shares are of a box's height."""

    jitter: float
    miss: float
    half_px: float  # height at which half is missed
    score: float
    swap: float
    ghosts: float  # false boxes that stick, a minute
    drop: float = 0.003
    flicker_s: float = 0.3  # mean length of a gap
    shake_px: float = 0.2
    ghost_score: float = 0.38


PROFILES: Final = {
    "day": Noise(jitter=0.03, miss=0.04, half_px=13, score=0.78, swap=0.05, ghosts=1.5),
    "dense": Noise(jitter=0.042, miss=0.07, half_px=16, score=0.74, swap=0.09, ghosts=3),
    "rain": Noise(jitter=0.075, miss=0.14, half_px=21, score=0.70, swap=0.15, ghosts=6, drop=0.01, flicker_s=0.5),
    "night": Noise(jitter=0.052, miss=0.16, half_px=23, score=0.69, swap=0.17, ghosts=5, drop=0.006, flicker_s=0.5),
}  # fmt: skip


@dataclass(slots=True)
class _Eye:
    error: Array
    hidden: bool = False
    swapped: int | None = None


@dataclass(slots=True)
class Detector:
    """Boxes with faults; deterministic for a seed."""

    lens: Lens
    noise: Noise
    random: np.random.Generator
    fps: float
    eyes: dict[int, _Eye] = field(default_factory=dict)
    ghosts: list[tuple[float, Array, int]] = field(default_factory=list)
    rows: Array = field(default_factory=lambda: np.empty((0, 6)))

    def boxes(self, snapshot: Snapshot) -> list[tuple[int, int, Array, float]]:
        """(number, class, exact box, visible share) of what is in the picture, the nearest first."""
        found = []
        for number, klass, x, y, hx, hy in snapshot:
            one = self._project(klass, x, y, hx, hy)
            if one is not None:
                found.append((one[1], number, klass, one[0]))
        found.sort(key=lambda row: row[0])
        shapes = np.array([row[3] for row in found]).reshape(-1, 4)
        hidden = np.triu(cover(shapes, shapes).T, k=1).sum(axis=0) if found else np.empty(0)
        return [(n, k, box, float(1 - min(h, 1.0))) for (_, n, k, box), h in zip(found, hidden, strict=True)]

    def see(self, at: float, exact: list[tuple[int, int, Array, float]]) -> Array | None:
        """(n, 6) boxes of a frame, None where it is dropped."""
        noise, random = self.noise, self.random
        keep = float(np.exp(-1 / self.fps / ERROR_S))
        shake = np.tile(random.normal(0, noise.shake_px, 2), 2)
        rows = []
        for number, klass, box, visible in exact:
            eye = self.eyes.setdefault(number, _Eye(error=random.normal(0, 1, 4)))
            eye.error = keep * eye.error + np.sqrt(1 - keep**2) * random.normal(0, 1, 4)
            high = float(box[3] - box[1])
            share = noise.miss + (1 - noise.miss) / (
                1 + np.exp((high * np.sqrt(max(visible, 0.01)) - noise.half_px) / 4)
            )
            share = share if visible > 0.25 else 1.0
            leave = min(1 / self.fps / noise.flicker_s, 1.0)
            enter = min(leave * share / max(1 - share, 1e-3), 1.0)
            eye.hidden = random.random() > leave if eye.hidden else random.random() < enter
            if random.random() < 0.3 / self.fps:
                eye.swapped = int(random.choice(SWAPS[klass])) if random.random() < noise.swap else None
            if eye.hidden or share >= 1.0:
                continue
            found = box + eye.error * noise.jitter * high + shake
            score = float(np.clip(random.normal(noise.score, 0.1), 0.12, 0.97))
            rows.append([*found, score, klass if eye.swapped is None else eye.swapped])
            if klass == MOTORCYCLE and random.random() < 0.5:
                x1, y1, x2, y2 = found
                rows.append([x1 + 1, y1 - 0.02 * high, x2 - 1, y2 - 0.25 * high, score - 0.15, PERSON])
            if klass in (CAR, TRUCK) and random.random() < 0.02:
                rows.append([*(found + 1), score - 0.3, TRUCK if klass == CAR else CAR])
        rows += self._ghosts(at)
        if random.random() < noise.drop:
            return None
        width, height = self.lens.size
        out = np.array(rows, float).reshape(-1, 6)
        out[:, :4] = np.clip(out[:, :4], 0, (width, height, width, height))
        whole: Array = out[(out[:, 2] - out[:, 0] > 2) & (out[:, 3] - out[:, 1] > 2)]
        return whole

    def _ghosts(self, at: float) -> list[list[float]]:
        random, (width, height) = self.random, self.lens.size
        if random.random() < self.noise.ghosts / 60 / self.fps:
            w, h = random.uniform(20, 80, 2)
            x, y = random.uniform(0, width - w), random.uniform(0.3 * height, height - h)
            klass = int(random.choice((PERSON, CAR, MOTORCYCLE, TRUCK)))
            self.ghosts.append((at + random.exponential(12.0), np.array([x, y, x + w, y + h]), klass))
        self.ghosts = [ghost for ghost in self.ghosts if ghost[0] > at]
        return [
            [*(box + random.normal(0, 0.02 * (box[3] - box[1]), 4)),
             float(np.clip(random.normal(self.noise.ghost_score, 0.08), 0.12, 0.9)), klass]
            for _, box, klass in self.ghosts if random.random() < 0.8
        ]  # fmt: skip

    def _project(self, klass: int, x: float, y: float, hx: float, hy: float) -> tuple[Array, float] | None:
        length, width, high = SIZE[klass]
        dx, dy = np.array([hx, hy]) * length / 2, np.array([-hy, hx]) * width / 2
        corners = [(*((x, y) + a * dx + b * dy), h) for a in (-1, 1) for b in (-1, 1) for h in (0.0, high)]
        u, v, w = self.lens.matrix @ np.column_stack((np.array(corners), np.ones(8))).T
        if w.min() < 3.0:
            return None
        box = np.array([(u / w).min(), (v / w).min(), (u / w).max(), (v / w).max()])
        clipped = np.clip(box, 0, (*self.lens.size, *self.lens.size))
        shown = float(np.prod(clipped[2:] - clipped[:2]) / np.prod(box[2:] - box[:2]))
        return (clipped, float(w.mean())) if shown > 0.4 and clipped[3] - clipped[1] > 5 else None
