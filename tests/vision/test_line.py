"""The line through a camera: replay is live, and the future changes nothing of the past."""

from datetime import UTC, datetime
from functools import cache
from itertools import chain

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from events.fact import to_json
from events.incident import DECODER, Incident
from tests.vision.street import Actor, Faults, drive, drive_and_stop, flow, frames, road_scene
from tests.vision.test_incidents import MEDIAN, crash, uturn
from vision.line import Line, Told
from vision.recorded.replay import alerts_of, replay
from vision.road.ground import Array
from vision.tracking.boxes import CAR, MOTORCYCLE, PERSON


@cache
def eventful() -> list[tuple[float, Array]]:
    actors = [
        *crash(stays=40),
        Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=45, at=60, seconds=20)),
        Actor(klass=MOTORCYCLE, rider=True, way=drive(80, -6.5, -5, start=12)),
        Actor(klass=PERSON, way=lambda t: (30.0, 8 - 1.2 * (t - 25)) if 25 < t < 36 else None),
        *flow(70, y=2.5, speed=-9, x=110),
        *flow(70, y=-1.5, first=42),
    ]
    return list(frames(actors, 70, Faults(miss=0.15)))


@cache
def whole() -> list[Told]:
    return list(replay(road_scene(MEDIAN), eventful()))


def incidents(told: list[Told]) -> list[Incident]:
    return [fact for fact in told if isinstance(fact, Incident)]


def test_the_eventful_minute_has_events() -> None:
    kinds = {fact.kind for fact in incidents(whole())}
    assert {"collision", "wrong_way", "pedestrian_on_road"} <= kinds


def test_a_car_that_stops_after_a_crash_is_told_too() -> None:
    assert "stopped_vehicle" in {fact.kind for fact in incidents(whole())}


@settings(deadline=None, max_examples=12)
@given(st.integers(1, 700))
def test_cutting_the_input_short_changes_no_earlier_word(cut: int) -> None:
    line = Line(road_scene(MEDIAN))
    told = list(chain.from_iterable(line.step(at, boxes) for at, boxes in eventful()[:cut]))
    assert told == whole()[: len(told)]
    part, full = alerts_of(told), alerts_of(whole())
    for alert, later in zip(part, full, strict=False):
        revisions = alert.pop("revisions"), dict(later).pop("revisions")
        assert revisions[1][: len(revisions[0])] == revisions[0]
        assert {k: v for k, v in alert.items() if k != "kind"} == {k: later[k] for k in alert if k != "kind"}
    assert incidents(line.finish()) == []


def test_revisions_follow_one_another_and_every_one_decodes() -> None:
    seen: dict[str, int] = {}
    for fact in incidents(whole()):
        assert fact.rev == seen.get(fact.id, 0) + 1
        seen[fact.id] = fact.rev
        assert (fact.state == "open") == (fact.rev == 1)
        assert (fact.ended_at is not None) == (fact.state == "end")
        assert fact.started_at <= fact.decided_at <= fact.at
        assert fact.why
        assert DECODER.decode(to_json(fact)) == fact


def test_two_cameras_do_not_share_their_numbers() -> None:
    first, second = Line(road_scene(name="a")), Line(road_scene(name="b"))
    for at, boxes in eventful()[:150]:
        first.step(at, boxes)
        second.step(at, boxes)
    assert [seen.number for seen in first.tracks] == [seen.number for seen in second.tracks]


def test_the_same_event_on_two_cameras_has_two_numbers() -> None:
    ids = [{fact.id for fact in incidents(list(replay(road_scene(name=name), eventful()[:250])))} for name in "ab"]
    assert ids[0]
    assert not ids[0] & ids[1]


def test_a_frame_that_comes_late_or_twice_is_dropped() -> None:
    line = Line(road_scene())
    boxes = eventful()[100][1]
    line.step(10.0, boxes)
    before = line.tracks
    assert line.step(10.0, np.empty((0, 6))) == []
    assert line.step(9.0, np.empty((0, 6))) == []
    assert line.step(float("nan"), np.empty((0, 6))) == []
    assert line.tracks == before


def test_an_aware_time_is_the_same_as_its_seconds() -> None:
    by_time, by_seconds = Line(road_scene()), Line(road_scene())
    for at, boxes in eventful()[:200]:
        told = by_time.step(datetime.fromtimestamp(at, UTC), boxes)
        assert told == by_seconds.step(at, boxes)


def test_a_closed_gate_means_what_it_last_saw() -> None:
    gated, open_ = Line(road_scene()), Line(road_scene())
    told: list[list[Told]] = [[], []]
    last: Array = np.empty((0, 6))
    for n, (at, boxes) in enumerate(eventful()):
        shut = n % 3 == 2
        last = last if shut else boxes
        told[0] += gated.step(at, None if shut else boxes)
        told[1] += open_.step(at, last)
    assert told[0] == told[1]


def test_an_unwell_camera_opens_no_incident() -> None:
    line = Line(road_scene())
    line.trust(ok=False)
    assert incidents(list(chain.from_iterable(line.step(at, boxes) for at, boxes in eventful()))) == []


def test_garbage_boxes_do_no_harm() -> None:
    line = Line(road_scene())
    bad = np.array([[np.nan] * 6, [5, 5, 1, 1, 0.9, 2], [1, 1, 9, 9, 0.9, 77], [-1e9, -1e9, 1e9, 1e9, 0.9, 2]])
    for n in range(50):
        assert incidents(line.step(n / 10, bad)) == []
    assert uturn(50)(0.0) is not None
