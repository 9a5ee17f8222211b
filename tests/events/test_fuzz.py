"""Anything at all gives a fact or a BadMessage, and what was written is read back."""

import json
import math
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from events import BadMessage
from events.envelope import Envelope, MessageId, parse_envelope, user_properties
from events.fact import to_json
from events.incident import Incident
from events.message import MAX_BYTES, Message, decode
from events.reading import ABSOLUTE, LATEST, NAME, Reading, decode_senml, encode_senml
from events.status import Status
from events.topic import KINDS
from events.traffic import TrafficMinute
from tests.events.test_golden import FACTS, kind_of, written

FIRST_DAY, LAST_DAY = "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"
DOCUMENTS = [name for name in FACTS if kind_of(name) not in {"evidence", "frame", "readings"}]
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from([1.7e308, -1.7e308, 5e-324, 2.0**28])
LABELS = ["bn", "bt", "bu", "bv", "bs", "bver", "n", "u", "v", "vs", "vb", "vd", "s", "t", "ut", "x_"]
RECORDS = st.dictionaries(
    st.sampled_from(LABELS), NUMBERS | st.text(max_size=6) | st.sampled_from(["dev/", "a", "a/b", True, 11, None])
)
NAMES = st.from_regex(NAME, fullmatch=True).filter(lambda name: not name.startswith("d/"))
VALUES = st.floats(allow_nan=False, allow_infinity=False) | st.booleans() | st.text() | st.binary()
READINGS = st.builds(
    Reading,
    series=NAMES,
    at=st.integers(int(ABSOLUTE) + 1, int(LATEST) - 1).map(float),
    value=VALUES,
    unit=st.none() | st.text(min_size=1, max_size=4),
)


def no_number_is_infinite(thing: Any) -> bool:
    if isinstance(thing, float):
        return math.isfinite(thing)
    if isinstance(thing, list | tuple):
        return all(map(no_number_is_infinite, thing))
    return not isinstance(thing, Reading) or all(map(no_number_is_infinite, (thing.at or 0.0, thing.value, thing.ago)))


def read(topic: str, payload: bytes, content_type: str | None, properties: list[tuple[str, str]]) -> Message | None:
    """Decode; None for a BadMessage, whose reason and detail are what the database takes."""
    try:
        message = decode(topic, payload, content_type, properties)
    except BadMessage as error:
        check(error.reason, error.detail)
        return None
    assert no_number_is_infinite(message.body)
    return message


def check(reason: str, detail: str) -> None:
    assert reason in {"topic", "envelope", "content_type", "json", "senml", "shape", "size"}
    assert len(detail) <= 500
    assert "\x00" not in detail


@given(st.sampled_from(KINDS), st.binary(max_size=200), st.none() | st.text(max_size=30))
def test_any_bytes_of_any_kind_are_read_or_refused(kind: str, payload: bytes, content_type: str | None) -> None:
    read(f"ngatu/v1/d/{kind}", payload, content_type, [])


@given(st.text(max_size=80), st.lists(st.tuples(st.sampled_from(["id", "sent", "at", "x"]), st.text(max_size=40))))
@example("ngatu/v1/\ud800/readings", [])
def test_any_topic_and_properties_are_read_or_refused(topic: str, properties: list[tuple[str, str]]) -> None:
    read(topic, b"[]", None, [])
    read("ngatu/v1/d/readings", b"[]", None, properties)


@given(st.sampled_from([kind for kind in KINDS if kind not in {"readings", "frame", "evidence"}]), JSON_VALUES)
def test_any_json_is_read_or_refused(kind: str, value: Any) -> None:
    read(f"ngatu/v1/d/{kind}", json.dumps(value).encode("utf-8", "surrogatepass"), None, [])


@given(st.lists(RECORDS, max_size=4))
@example([{"bv": 1.7e308, "n": "a", "v": 1.7e308}])
@example([{"bt": 1.7e308, "t": 1.7e308, "n": "a", "v": 1}])
@example([{"bt": -1.7e308, "t": -1.7e308, "n": "a", "v": 1}])
@example([{"bv": 1.0}, {"n": "a"}])
@settings(max_examples=400)
def test_any_senml_records_are_read_or_refused_and_never_give_infinity(records: list[dict[str, Any]]) -> None:
    message = read("ngatu/v1/d/readings", json.dumps(records).encode("utf-8", "surrogatepass"), None, [])
    assert message is None or isinstance(message.body, list)


@given(st.data())
@settings(max_examples=300)
def test_a_true_message_with_one_thing_changed_is_read_or_refused(data: st.DataObject) -> None:
    name = data.draw(
        st.sampled_from([name for name in FACTS if kind_of(name) not in {"evidence", "frame", "readings"}])
    )
    document = json.loads(written(name, FACTS[name])["payload"])
    key = data.draw(st.sampled_from(sorted(document)))
    document[key] = data.draw(
        JSON_VALUES | st.sampled_from(["9999-12-31T23:59:60Z", "0001-01-01T00:00:00+14:00", -1, 2**70])
    )
    read(f"ngatu/v1/d/{kind_of(name)}", json.dumps(document).encode("utf-8", "surrogatepass"), None, [])


@pytest.mark.parametrize(
    ("topic", "payload", "content_type", "reason"),
    [
        ("ngatu/v1/d/readings", b"[" * 100_000, None, "json"),
        ("ngatu/v1/d/readings", b'[{"n":"a","v":1e999}]', None, "shape"),
        ("ngatu/v1/d/readings", b'[{"n":"a","v":NaN}]', None, "json"),
        ("ngatu/v1/d/readings", b'[{"n":"a\\u0000","v":1}]', None, "senml"),
        ("ngatu/v1/d/readings", b'[{"n":"a","v":1}]', "application/json", "content_type"),
        ("ngatu/v1/d/readings", b'[{"n":"a","v":1,"must_":1}]', None, "senml"),
        ("ngatu/v1/d/readings", b'[{"n":"a"}]', None, "senml"),
        ("ngatu/v1/d/readings", bytes(MAX_BYTES + 1), None, "size"),
        ("ngatu/v1/d/traffic", b"{}", None, "shape"),
        ("ngatu/v1/d/evidence", b"\xff\xd8\xff", "image/jpeg", "envelope"),
        ("ngatu/v1/d/whatever", b"", None, "topic"),
        ("elsewhere", b"", None, "topic"),
    ],
)
def test_what_is_wrong_has_its_reason(topic: str, payload: bytes, content_type: str | None, reason: str) -> None:
    with pytest.raises(BadMessage) as caught:
        decode(topic, payload, content_type)
    assert caught.value.reason in ({reason, "shape"} if payload.startswith(b"[[") else {reason})


@pytest.mark.parametrize("time", [FIRST_DAY, LAST_DAY])
def test_a_time_that_utc_cannot_hold_is_refused(time: str) -> None:
    document = {**json.loads(to_json(FACTS["traffic"])), "start": time}
    assert read("ngatu/v1/d/traffic", json.dumps(document).encode(), None, []) is None


@given(st.lists(READINGS, max_size=5))
def test_a_pack_of_readings_is_read_back_as_it_was_written(readings: list[Reading]) -> None:
    assert decode_senml(encode_senml(readings, "d"), "d") == readings


@given(st.lists(st.floats(1.6e9, 2.0e9), min_size=1, max_size=20))
def test_times_are_read_back_to_the_microsecond(times: list[float]) -> None:
    back = decode_senml(encode_senml([Reading("a", at, 1.0) for at in times], "d"), "d")
    assert all(abs((reading.at or 0) - at) < 1e-6 for reading, at in zip(back, times, strict=True))


TIMES = st.datetimes(
    min_value=datetime(1970, 1, 2),  # noqa: DTZ001 - hypothesis wants them bare, and adds the zone
    max_value=datetime(9998, 12, 30),  # noqa: DTZ001 - the same
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=7)), timezone(timedelta(hours=-9, minutes=-30))]),
)


@given(
    st.builds(Envelope, st.none(), st.none() | st.just(MessageId("01JD0000000000000000000000", 5)), st.none() | TIMES)
)
def test_an_envelope_is_read_back_as_it_was_written(envelope: Envelope) -> None:
    assert parse_envelope(None, user_properties(envelope)) == envelope


@given(st.builds(msgspec.structs.replace, st.just(FACTS["incident"]), at=TIMES, confidence=st.floats(0, 1)))
def test_an_incident_is_read_back_as_it_was_written(incident: Incident) -> None:
    assert decode("ngatu/v1/d/incident", to_json(incident)).body == incident


@given(
    st.builds(msgspec.structs.replace, st.just(FACTS["traffic"]), start=TIMES, occupancy=st.none() | st.floats(0, 1))
)
def test_a_minute_is_read_back_as_it_was_written(minute: TrafficMinute) -> None:
    assert decode("ngatu/v1/d/traffic", to_json(minute)).body == minute


@given(st.builds(msgspec.structs.replace, st.just(FACTS["status"]), n=st.integers(0, 2**31 - 1), at=st.none() | TIMES))
def test_a_status_is_read_back_as_it_was_written(status: Status) -> None:
    assert decode("ngatu/v1/d/status", to_json(status)).body == status
