"""Debris: seen in pixels only, and told only where traffic goes round it."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from events.incident import Incident
from tests.vision.street import HEIGHT, WIDTH, Actor, Way, drive, flow, frames, road_scene
from vision.line import Line
from vision.road.ground import Array
from vision.rules.moment import Picture
from vision.tracking.boxes import CAR, overlap

RANDOM = np.random.default_rng(11)
ASPHALT = np.repeat(np.kron(RANDOM.integers(90, 120, (45, 80)), np.ones((16, 16)))[..., None], 3, axis=2)
THING = (690, 330, 725, 350)  # on the road, some 40 m away


def film(
    actors: list[Actor], seconds: float, paint: Callable[[float, Array], None]
) -> Iterator[tuple[float, Array, Picture]]:
    """Frames at 5 a second: asphalt, noise, cars as grey blocks, and what `paint` adds."""
    for n, (at, boxes) in enumerate(frames(actors, seconds)):
        if n % 2:
            continue
        picture = ASPHALT[:HEIGHT, :WIDTH] + RANDOM.normal(0, 4, (HEIGHT, WIDTH, 1))
        paint(at, picture)
        for x1, y1, x2, y2 in boxes[:, :4].astype(int):
            picture[max(y1, 0) : y2, max(x1, 0) : x2] = 200
        yield at, boxes, picture.clip(0, 255).astype(np.uint8)


def told(actors: list[Actor], seconds: float, paint: Callable[[float, Array], None]) -> list[Incident]:
    line = Line(road_scene())
    facts = [fact for at, boxes, picture in film(actors, seconds, paint) for fact in line.step(at, boxes, picture)]
    return [fact for fact in facts if isinstance(fact, Incident) and fact.rev == 1]


def drop(at: float, picture: Array) -> None:
    if at >= 20:
        x1, y1, x2, y2 = THING
        picture[y1:y2, x1:x2] = 30


def around() -> list[Actor]:
    """Cars that first drive where the thing will lie, 36 m away and 3 m right of the middle, and then round it."""
    return [*flow(16, y=-3.0, every=4, klass=CAR), *flow(45, y=-6.0, every=4, klass=CAR, first=18)]


def beside() -> list[Actor]:
    """Cars that never drive there, before or after."""
    return flow(45, y=-6.0, every=4, klass=CAR)


def over(t: float) -> Way:
    return drive(10, -2.0, 10, start=t, end=t + 15)


def test_a_thing_that_traffic_goes_round_is_told_once() -> None:
    one = told(around(), 45, drop)
    assert [incident.kind for incident in one] == ["debris"]
    assert 20 + 7 < one[0].decided_at.timestamp() < 20 + 18
    assert one[0].place.box is not None
    assert overlap(np.array([one[0].place.box]), np.array([THING], float))[0, 0] > 0.4


@pytest.mark.parametrize("darker", [25, 45])
def test_when_the_light_changes_nothing_is_told(darker: float) -> None:
    def dim(at: float, picture: Array) -> None:
        picture -= darker * min(max(at - 20, 0) / 5, 1)

    assert told(around(), 40, dim) == []


def test_a_street_without_things_has_none() -> None:
    assert told(around(), 40, lambda _at, _picture: None) == []


def test_a_thing_where_nobody_ever_drove_is_in_nobodys_way() -> None:
    assert told(beside(), 45, drop) == []


def test_paint_under_a_camera_that_shakes_ever_more_is_no_thing() -> None:
    x1, y1, x2, y2 = THING

    def shaken(at: float, picture: Array) -> None:
        off = round(2 * np.sin(7 * at)) if at < 20 else 2
        picture[y1 + off : y2 + off, x1:x2] = 200

    assert told(around(), 45, shaken) == []


def test_a_thing_that_traffic_drives_over_is_a_stain() -> None:
    assert told([*flow(45, y=-3.0, every=4, klass=CAR)], 45, drop) == []
