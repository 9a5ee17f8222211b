"""One event is one incident: what the book takes for the same."""

import numpy as np
import pytest

from events.incident import Incident, IncidentKind
from tests.vision.street import road_scene
from vision.book import Book
from vision.rules.moment import Finding


def finding(
    kind: IncidentKind, key: str, since: float, *, x: float = 50.0, tracks: tuple[int, ...] = (), moving: bool = False
) -> Finding:
    return Finding(
        kind=kind,
        key=key,
        since=since,
        place=np.array([x, -3.0]),
        box=np.array([600.0, 300, 640, 340]),
        confidence=0.8,
        severity="major",
        tracks=tracks,
        moving=moving,
    )


def told_after(later: Finding, at: float) -> list[Incident]:
    """The revisions of a near miss at 100 s, and of what is found later."""
    book = Book(road_scene())
    near_miss = finding("near_miss", "pair/1/2", 99.5, tracks=(1, 2), moving=True)
    told = book.step(100.0, [near_miss])
    for second in range(101, int(at)):
        told += book.step(float(second), [])
    return told + book.step(at, [later])


def test_who_stands_since_a_near_miss_is_the_same_event_though_it_is_told_half_a_minute_later() -> None:
    told = told_after(finding("stopped_vehicle", "stand/1", 101.5, x=54.0), 131.0)
    assert len({one.id for one in told}) == 1
    assert [one.state for one in told] == ["open", "end", "update"]
    assert (told[-1].kind, told[-1].raised_from, told[-1].ended_at) == ("stopped_vehicle", "near_miss", None)


@pytest.mark.parametrize(
    "later",
    [
        finding("stopped_vehicle", "stand/1", 120.0),
        finding("stopped_vehicle", "stand/1", 101.5, x=80.0),
        finding("near_miss", "pair/1/2", 130.0, tracks=(1, 2), moving=True),
        finding("pedestrian_on_road", "track/9", 101.0),
    ],
    ids=["begun later", "elsewhere", "moving", "another kind"],
)
def test_what_began_later_elsewhere_or_otherwise_is_another_event(later: Finding) -> None:
    assert len({one.id for one in told_after(later, 131.0)}) == 2


@pytest.mark.parametrize(("x", "track", "events"), [(53.0, 7, 1), (53.0, 8, 2), (70.0, 7, 2)])
def test_a_vehicle_that_moves_up_a_little_and_stands_again_is_the_same_event(x: float, track: int, events: int) -> None:
    book = Book(road_scene())
    told = book.step(30.0, [finding("stopped_vehicle", "stand/1", 18.0, tracks=(7,))])
    for second in range(31, 70):
        told += book.step(float(second), [])
    told += book.step(70.0, [finding("stopped_vehicle", "stand/2", 58.0, x=x, tracks=(track,))])
    assert len({one.id for one in told}) == events


def test_congestion_that_comes_back_a_minute_later_is_told_again() -> None:
    book = Book(road_scene())
    told = book.step(30.0, [finding("congestion", "away", 0.0)])
    for second in range(31, 140):
        told += book.step(float(second), [])
    told += book.step(140.0, [finding("congestion", "away", 110.0)])
    assert [one.state for one in told] == ["open", "end", "open"]


def test_the_book_forgets() -> None:
    assert len({one.id for one in told_after(finding("stopped_vehicle", "stand/1", 101.5), 260.0)}) == 2
