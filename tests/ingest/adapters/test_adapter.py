"""Names, topics and options; and that any bytes give readings, an incident, or a reason."""

import json
import string
from time import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from events import BadMessage
from events.reading import NAME, Reading
from events.topic import DEVICE
from ingest.adapters.adapter import FORMATS, adapt, open_adapters
from ingest.adapters.names import device_name, series_name, ulid_of
from ingest.adapters.sparkplug import Options, Sparkplug, reader
from ingest.adapters.sparkplug_payload import parse, payload_class
from ingest.adapters.told import AskAgain
from ingest.item import Arrival, Item

TOPICS = {
    "senml": ["senml/d/pack"],
    "sparkplug": ["spBv1.0/g/NBIRTH/n", "spBv1.0/g/NDATA/n", "spBv1.0/g/DBIRTH/n/d", "spBv1.0/g/NDEATH/n"],
    "chirpstack": ["application/a/device/d/event/up", "application/a/device/d/event/location"],
    "zigbee2mqtt": ["zigbee2mqtt/lamp", "zigbee2mqtt/lamp/availability", "zigbee2mqtt/"],
    "tasmota": ["tele/plug/SENSOR", "tele/plug/STATE", "tele/plug/LWT", "tele/SENSOR", "stat/plug/STATUS8"],
    "frigate": ["frigate/events", "frigate/reviews"],
    "sensorthings": ["v1.1/Datastreams(1)/Observations", "v1.1/Observations"],
}
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
OBJECTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=12)
KEYS = st.sampled_from([
    "last_seen", "Time", "time", "deviceInfo", "devEui", "object", "data", "rxInfo", "type", "after", "id", "camera",
    "start_time", "frame_time", "label", "severity", "result", "phenomenonTime", "n", "v", "t", "bn", "state",
    "s", "bs", "u", "StatusSNS", "Epoch", "location", "resultQuality", "Datastream",
])  # fmt: skip
JSON = st.dictionaries(KEYS, OBJECTS).map(lambda found: json.dumps(found).encode())
PAYLOADS = st.binary(max_size=200) | JSON | OBJECTS.map(lambda found: json.dumps(found).encode())


def one(name: str, topic: str, payload: bytes) -> Item | None:
    adapters = open_adapters([{"name": "x", "format": name, "topics": [topic.partition("/")[0] + "/#"]}])
    return adapt(Arrival(topic=topic, payload=payload, at=0.0), adapters)


@pytest.mark.parametrize("name", sorted(FORMATS))
@given(payload=PAYLOADS, data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_bytes_are_readings_an_incident_nothing_or_a_reason(name: str, payload: bytes, data: st.DataObject) -> None:
    item = one(name, data.draw(st.sampled_from(TOPICS[name])), payload)
    if item is None:
        return
    assert DEVICE.fullmatch(item.device)
    if item.bad is not None:
        assert item.bad.detail.startswith("adapter x: ")
        assert item.body is None
    elif isinstance(item.body, list):
        assert item.body
        assert all(isinstance(reading, Reading) and NAME.fullmatch(reading.series) for reading in item.body)


METRIC = st.fixed_dictionaries(
    {},
    optional={
        "name": st.sampled_from(["a", "b", "bdSeq"]),
        "alias": st.integers(0, 3),
        "timestamp": st.integers(0, 2**64 - 1),
        "datatype": st.integers(0, 20),
        "is_historical": st.booleans(),
        "is_transient": st.booleans(),
        "properties": st.fixed_dictionaries(
            {
                "keys": st.lists(st.sampled_from(["Quality", "engUnit"]), max_size=2),
                "values": st.lists(
                    st.fixed_dictionaries(
                        {}, optional={"int_value": st.integers(0, 500), "string_value": st.text(max_size=3)}
                    ),
                    max_size=2,
                ),
            }
        ),
        "is_null": st.booleans(),
        "int_value": st.integers(0, 2**32 - 1),
        "double_value": st.floats(),
        "string_value": st.text(max_size=5),
        "template_value": st.binary(max_size=5),
    },
)


@given(
    messages=st.lists(
        st.tuples(st.sampled_from(TOPICS["sparkplug"]), st.integers(0, 3), st.lists(METRIC, max_size=3)), max_size=8
    )
)
@settings(max_examples=80, deadline=None)
def test_sparkplug_reads_any_order_of_messages_or_says_why_not(
    messages: list[tuple[str, int, list[dict[str, object]]]],
) -> None:
    sparkplug = Sparkplug({})
    for topic, seq, metrics in messages:
        message = payload_class()(seq=seq, metrics=metrics)
        try:
            sparkplug.read(topic, message.SerializeToString())
        except BadMessage as bad:
            assert bad.reason in {"shape", "no_birth", "sequence"}  # noqa: PT017 - either is right


def sparkplug_payload(seq: int | None, *metrics: dict[str, object]) -> bytes:
    message = payload_class()(seq=seq, timestamp=1_700_000_000_000, metrics=metrics)
    return message.SerializeToString()


BIRTH = "spBv1.0/g/NBIRTH/n"
DATA = "spBv1.0/g/NDATA/n"


def test_sparkplug_data_without_a_birth_are_refused_and_the_node_is_asked_for_one() -> None:
    read = reader(Options())
    with pytest.raises(AskAgain) as refused:
        read(DATA, sparkplug_payload(7, {"alias": 1, "double_value": 3.5}))
    assert refused.value.reason == "no_birth"
    assert refused.value.topic == "spBv1.0/g/NCMD/n"
    command = parse(refused.value.payload)
    assert [(m.name, m.boolean_value) for m in command.metrics] == [("Node Control/Rebirth", True)]


def test_sparkplug_after_a_gap_nothing_is_attributed_until_the_next_birth() -> None:
    read = reader(Options())
    value: dict[str, object] = {"alias": 1, "double_value": 3.5}
    read(BIRTH, sparkplug_payload(0, {"name": "a", "alias": 1, "datatype": 10, "double_value": 1.0}))
    assert read(DATA, sparkplug_payload(1, value)) is not None
    with pytest.raises(AskAgain, match="seq 3 after 1"):
        read(DATA, sparkplug_payload(3, value))
    with pytest.raises(BadMessage, match="no birth"):
        read(DATA, sparkplug_payload(4, value))
    read(BIRTH, sparkplug_payload(0, {"name": "b", "alias": 1, "datatype": 10, "double_value": 1.0}))
    told = read(DATA, sparkplug_payload(1, value))
    assert told is not None
    assert isinstance(told.body, list)
    assert [(r.series, r.value) for r in told.body] == [("b", 3.5)]


def test_sparkplug_counts_from_255_to_0() -> None:
    read = reader(Options())
    read(BIRTH, sparkplug_payload(255, {"name": "a", "alias": 0, "datatype": 10, "double_value": 1.0}))
    assert read(DATA, sparkplug_payload(0, {"alias": 0, "double_value": 2.0})) is not None


FLOW: dict[str, object] = {"name": "a", "alias": 0, "datatype": 10, "double_value": 1.0}


def test_a_word_for_a_unit_that_a_plant_uses_can_be_translated_by_the_city_file() -> None:
    read = reader(Options(units={"widgets/s": "{widget}/s", "n/a": None}))
    for word, unit in (("widgets/s", "{widget}/s"), ("n/a", None), ("m3/h", "m3/h")):
        properties = {"keys": ["engUnit"], "values": [{"string_value": word}]}
        told = read(BIRTH, sparkplug_payload(0, FLOW | {"properties": properties}))
        assert told is not None
        assert isinstance(told.body, list)
        assert [reading.unit for reading in told.body] == [None, unit]


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ({"alias": 0, "double_value": 1.0, "properties": {"keys": ["Quality"]}}, "1 property keys, 0 values"),
        ({"alias": 0, "double_value": 1.0, "is_historical": True}, "is historical and has no timestamp"),
        ({"alias": 0}, "has no value and is not null"),
        ({"alias": 1, "long_value": 2**63}, "is no DateTime"),
        ({"alias": 7, "double_value": 1.0}, "the birth names no metric 7"),
    ],
)
def test_a_metric_that_breaks_the_specification_is_refused_by_name(metric: dict[str, object], why: str) -> None:
    read = reader(Options())
    read(BIRTH, sparkplug_payload(0, FLOW, {"name": "b", "alias": 1, "datatype": 13, "long_value": 0}))
    with pytest.raises(BadMessage, match=why):
        read(DATA, sparkplug_payload(1, metric))


def test_a_request_for_a_rebirth_says_when_it_was_made() -> None:
    before = time()
    with pytest.raises(AskAgain) as refused:
        reader(Options())(DATA, sparkplug_payload(7))
    command = parse(refused.value.payload)
    assert before - 1 <= command.timestamp / 1000 <= time() + 1


@given(st.text(max_size=80), st.text(max_size=80))
def test_two_foreign_names_never_become_one(one_name: str, other: str) -> None:
    names = [device_name("zigbee", name) for name in (one_name, other)]
    assert (names[0] == names[1]) == (one_name == other)
    assert all(DEVICE.fullmatch(name) for name in names)
    assert all(NAME.fullmatch(series_name(name)) for name in (one_name, other))


def test_a_name_that_looks_marked_is_marked_too() -> None:
    assert device_name("z", device_name("z", "Nhà").removeprefix("z.")) != device_name("z", "Nhà")


@given(st.floats(0, 1e10), st.text(string.ascii_letters))
def test_a_foreign_id_is_a_ulid_that_sorts_by_time(at: float, name: str) -> None:
    assert len(ulid_of(at, name)) == 26
    assert ulid_of(at, name) == ulid_of(at, name)
    assert ulid_of(at, name) < ulid_of(at + 1, name)


@pytest.mark.parametrize(
    ("listed", "problem"),
    [
        ({"format": "zigbe", "topics": ["a/#"]}, "is not one of senml, sparkplug"),
        ({"format": "tasmota", "topics": ["#"]}, "must begin with a name of its own"),
        ({"format": "tasmota", "topics": ["ngatu/v1/+/readings"]}, "must begin with a name of its own"),
        ({"format": "tasmota", "topics": ["$share/x/tele/#"]}, "must begin with a name of its own"),
        ({"format": "tasmota", "topics": ["tele/#"], "options": {"time_zone": "Mars"}}, "no time zone"),
        ({"format": "tasmota", "topics": ["tele/#"], "options": {"tz": "UTC"}}, "tz"),
        ({"format": "frigate", "topics": ["f/#"], "options": {"kinds": {"car": "parked"}}}, "parked"),
    ],
)
def test_an_adapter_that_cannot_be_used_says_why(listed: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        open_adapters([{"name": "x", **listed}])
