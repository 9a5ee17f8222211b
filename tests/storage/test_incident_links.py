"""Which incidents of two cameras are one event, in a real database."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pytest
from ulid import ULID

from events.incident import Incident, Place
from storage.alerts import act, one_alert
from storage.incidents import ReceivedIncident, store_incidents
from storage.registry import ensure_devices

BEGAN = datetime(2026, 11, 22, 8, 0, tzinfo=UTC)
LATITUDE, LONGITUDE = 21.0041, 105.8023
METRE = 1 / 111_195  # degrees of latitude


@pytest.fixture
def devices(db: psycopg.Connection) -> dict[str, int]:
    return ensure_devices(db, ["camera-a", "camera-b"])


def incident(
    camera: str, *, east: float = 0.0, after: float = 0.0, lasts: float | None = 40.0, **more: Any
) -> Incident:
    """One that `camera` decided on; `east` metres from the first's place, begun `after` seconds, ended or open."""
    began = BEGAN + timedelta(seconds=after)
    longitude = LONGITUDE + east * METRE / math.cos(math.radians(LATITUDE))
    ended = {} if lasts is None else {"state": "end", "ended_at": began + timedelta(seconds=lasts)}
    facts: dict[str, Any] = {
        "id": str(ULID()),
        "rev": 1,
        "kind": "stopped_vehicle",
        "state": "open",
        "severity": "major",
        "camera": camera,
        "started_at": began,
        "decided_at": began + timedelta(seconds=10),
        "at": began + timedelta(seconds=10),
        "confidence": 0.9,
        "place": Place(x=0.0, y=0.0, error_m=0.6, latitude=LATITUDE, longitude=longitude),
    }
    return Incident(**(facts | ended | more))


def store(db: psycopg.Connection, devices: dict[str, int], *incidents: tuple[str, Incident]) -> None:
    for device, one in incidents:
        with db.transaction():
            store_incidents(db, [ReceivedIncident(devices[device], datetime.now(UTC), one)])


def links(db: psycopg.Connection) -> list[tuple[str, str]]:
    return db.execute("SELECT incident_id, other_id FROM incident_link").fetchall()


@pytest.mark.parametrize("kind", ["stopped_vehicle", "collision"])
def test_the_same_place_at_the_same_time_is_one_event_whichever_camera_is_first(
    db: psycopg.Connection, devices: dict[str, int], kind: str
) -> None:
    first, second = incident("a"), incident("b", east=4.0, after=6.0, kind=kind)
    store(db, devices, ("camera-a", first), ("camera-b", second))
    assert links(db) == [tuple(sorted((first.id, second.id)))]
    (seen,) = one_alert(db, first.id).linked
    assert (seen["id"], seen["device"], seen["camera"]) == (second.id, "camera-b", "b")
    assert seen["metres"] == pytest.approx(4.0, abs=0.1)
    assert [one["id"] for one in one_alert(db, second.id).linked] == [first.id]
    store(db, devices, ("camera-b", msgspec.structs.replace(second, rev=2)))
    assert len(links(db)) == 1


@pytest.mark.parametrize(
    ("why", "other"),
    [
        ("the other carriageway", {"east": 11.0}),
        ("another jam in the same row", {"east": 60.0, "kind": "congestion"}),
        ("the next one at the same place", {"after": 50.0}),
        ("the one before", {"after": -60.0}),
        ("no stage of the same event", {"kind": "pedestrian_on_road"}),
        ("a place that nobody is sure of", {"place": Place(error_m=9.0, latitude=LATITUDE, longitude=LONGITUDE)}),
        ("no place on the ground", {"place": Place(box=(1.0, 2.0, 3.0, 4.0))}),
    ],
)
def test_what_is_another_event_is_not_linked(
    db: psycopg.Connection, devices: dict[str, int], why: str, other: dict[str, Any]
) -> None:
    kind = other.get("kind", "stopped_vehicle") if why.startswith("another jam") else "stopped_vehicle"
    store(db, devices, ("camera-a", incident("a", kind=kind)), ("camera-b", incident("b", **other)))
    assert links(db) == [], why


def test_one_camera_never_sees_one_event_twice(db: psycopg.Connection, devices: dict[str, int]) -> None:
    store(db, devices, ("camera-a", incident("a")), ("camera-a", incident("a", east=1.0)))
    assert links(db) == []
    store(db, devices, ("camera-a", incident("another", east=1.0)))  # of the same device
    assert len(links(db)) == 2


def test_how_far_apart_follows_from_both_cameras_errors(db: psycopg.Connection, devices: dict[str, int]) -> None:
    def at(east: float, error: float) -> Place:
        degrees = LONGITUDE + east * METRE / math.cos(math.radians(LATITUDE))
        return Place(error_m=error, latitude=LATITUDE, longitude=degrees)

    store(db, devices, ("camera-a", incident("a", place=at(0, 2.5))), ("camera-b", incident("b", place=at(11, 0.3))))
    assert len(links(db)) == 1


def test_who_drives_the_wrong_way_is_met_on_the_way(db: psycopg.Connection, devices: dict[str, int]) -> None:
    fast: dict[str, Any] = {"kind": "wrong_way", "why": {"speed_mps": 10.0}, "lasts": 5.0}
    store(db, devices, ("camera-a", incident("a", **fast)), ("camera-b", incident("b", east=24.0, after=2.0, **fast)))
    assert len(links(db)) == 1
    store(db, devices, ("camera-b", incident("c", east=90.0, after=2.0, **fast)))
    assert len(links(db)) == 1


def test_an_open_event_is_linked_to_what_begins_meanwhile_not_to_what_comes_long_after(
    db: psycopg.Connection, devices: dict[str, int]
) -> None:
    store(db, devices, ("camera-a", incident("a", lasts=None)), ("camera-b", incident("late", after=120.0)))
    assert links(db) == []  # the first was not told again for so long: it is over, though nobody said so
    store(db, devices, ("camera-b", incident("b", after=45.0)))
    assert len(links(db)) == 1


def test_what_is_done_to_one_is_done_to_all_of_the_event(db: psycopg.Connection, devices: dict[str, int]) -> None:
    first, second = incident("a"), incident("b", east=2.0)
    store(db, devices, ("camera-a", first), ("camera-b", second))
    act(db, first.id, "acknowledge", "lan")
    assert one_alert(db, second.id).status == "acknowledged"
    act(db, second.id, "note", "lan", note="a van")
    assert [a["action"] for a in one_alert(db, first.id).actions] == ["acknowledge"]
    act(db, second.id, "resolve", "lan")
    assert one_alert(db, first.id).status == "resolved"
