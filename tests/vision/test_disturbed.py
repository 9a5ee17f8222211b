"""Traffic in which nothing happens, seen badly: whatever disturbs the boxes, no incident is told."""

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from events.incident import Incident
from tests.vision.street import Actor, drive_and_stop, flow, frames, road_scene
from vision.recorded.replay import replay
from vision.road.ground import Array
from vision.tracking.boxes import BUS, CAR, MOTORCYCLE, PERSON, TRUCK

Frames = list[tuple[float, Array]]
SECONDS = 45


@cache
def quiet() -> Frames:
    """Two lanes away, one towards, and a car that lets somebody off."""
    lets_off = Actor(klass=CAR, way=drive_and_stop(12, -5.2, 9, start=12, at=40, seconds=6))
    ways = [*flow(SECONDS, y=-1.8, every=2.5), *flow(SECONDS, y=3, speed=-9, x=110, every=4, klass=CAR)]
    return list(frames([lets_off, *ways], SECONDS))


def moved(random: np.random.Generator, pixels: float) -> Frames:
    return [(at, boxes + np.pad(np.tile(random.normal(0, pixels, 2), 2), (0, 2))) for at, boxes in quiet()]


def shaken(random: np.random.Generator) -> Frames:
    return moved(random, 2.5)


def slow_frames(random: np.random.Generator) -> Frames:
    del random
    return quiet()[::2]


def dropped(random: np.random.Generator) -> Frames:
    gaps = {int(n) + k for n in random.integers(0, len(quiet()), 12) for k in range(int(random.integers(1, 12)))}
    return [frame for n, frame in enumerate(quiet()) if n not in gaps]


def flickering(random: np.random.Generator) -> Frames:
    return [(at, boxes[random.random(len(boxes)) > 0.4]) for at, boxes in quiet()]


def misnamed(random: np.random.Generator) -> Frames:
    out = []
    for at, boxes in quiet():
        swap = random.random(len(boxes)) < 0.25
        out.append((at, np.column_stack((boxes[:, :5], np.where(swap, random.choice((1, 2, 3, 5, 7)), boxes[:, 5])))))
    return out


def haunted(random: np.random.Generator) -> Frames:
    ghosts = [
        (
            start,
            start + random.uniform(3, 15),
            *random.uniform((200, 150), (1000, 500)),
            random.choice((PERSON, CAR, MOTORCYCLE, BUS, TRUCK)),
        )
        for start in random.uniform(0, SECONDS, 12)
    ]
    out = []
    for at, boxes in quiet():
        stuck = [
            [x, y, x + 40, y + 50, random.uniform(0.25, 0.5), klass]
            for start, end, x, y, klass in ghosts if start < at < end and random.random() < 0.85
        ]  # fmt: skip
        out.append((at, np.vstack((boxes, *stuck))))
    return out


def swollen(random: np.random.Generator) -> Frames:
    """Each box wanders by 8 % of its height, for a third of a second alike."""
    out, held = [], np.zeros((400, 4))
    for at, boxes in quiet():
        held = 0.75 * held + 0.66 * random.normal(0, 0.08, held.shape)
        size = (boxes[:, 3] - boxes[:, 1])[:, None]
        out.append((at, np.column_stack((boxes[:, :4] + held[: len(boxes)] * size, boxes[:, 4:]))))
    return out


def hidden(random: np.random.Generator) -> Frames:
    """Something large before the camera hides a strip of the road."""
    del random
    return [(at, boxes[(boxes[:, 3] < 250) | (boxes[:, 3] > 290)]) for at, boxes in quiet()]


@pytest.mark.parametrize("disturb", [shaken, slow_frames, dropped, flickering, misnamed, haunted, swollen, hidden])
@pytest.mark.parametrize("calibrated", [True, False])
def test_nothing_is_told_of_a_street_on_which_nothing_happens(
    disturb: Callable[[np.random.Generator], Frames], *, calibrated: bool
) -> None:
    told = replay(road_scene(calibrated=calibrated), disturb(np.random.default_rng(17)))
    assert [(fact.kind, fact.why) for fact in told if isinstance(fact, Incident)] == []
