"""What no adapter can read is rejected, under the adapter's name, with a reason that says what is wrong."""

import json
from typing import Any

import cbor2
import pytest

from ingest.adapters.adapter import FORMATS, adapt, open_adapters
from ingest.item import Arrival

UP = "application/a/device/d/event/up"
STATUS = "application/a/device/d/event/status"
LOCATION = "application/a/device/d/event/location"
WHO = {"time": "2022-07-18T09:34:15Z", "deviceInfo": {"devEui": "01"}}
OBSERVED = "v1.1/Datastreams(1)/Observations"
TRACKED = {"id": "1.5-a", "camera": "c", "label": "car", "start_time": 1.5, "frame_time": 2.0}
REVIEW = {"id": "1.5-a", "camera": "c", "start_time": 1.5, "severity": "alert"}

BAD: list[tuple[str, str, Any, str, str]] = [
    ("senml", "senml/d/pack", b"[{", "json", "truncated"),
    ("senml", "senml", b"[]", "topic", "has no level 1"),
    ("senml", "senml/d/pack", [{"n": "a"}], "senml", "'a' has no value"),
    ("senml", "senml/d/pack", [{"n": "a", "v": 1, "x_": 1}], "senml", "must understand 'x_'"),
    ("senml", "senml/d/pack", [{"bver": 11, "n": "a", "v": 1}], "senml", "version 11"),
    ("senml", "senml/d/pack", [{"n": "a b", "v": 1}], "senml", "is not a SenML name"),
    ("senml", "senml/d/pack", b"\xff", "cbor", ""),
    ("senml", "senml/d/pack", cbor2.dumps({0: "a"}), "shape", "CBOR array of maps"),
    ("senml", "senml/d/pack", cbor2.dumps([{0: "a", 2: "1"}]), "shape", "float"),
    ("sparkplug", "spBv1.0/g/NBIRTH/n", b"\x07", "protobuf", ""),
    ("sparkplug", "spBv1.0/g/NBIRTH/n", b"", "shape", "no seq"),
    ("sparkplug", "spBv1.0/g/NBIRTH/n/d", b"", "topic", "is no Sparkplug topic"),
    ("sparkplug", "spBv1.0/g/NBIRTH/n", b"\x12\x03\x0a\x01a\x18\x00", "shape", "needs a name and a datatype"),
    ("sparkplug", "spBv1.0/g/DDATA/n/d", b"\x18\x01", "no_birth", "asked for a rebirth"),
    ("chirpstack", "application/a", b"{}", "topic", "is not application/"),
    ("chirpstack", UP, b"", "json", ""),
    ("chirpstack", UP, {"time": WHO["time"]}, "shape", "deviceInfo"),
    ("chirpstack", UP, WHO | {"time": "2022-07-18T09:34:15"}, "shape", "time"),
    ("chirpstack", UP, WHO | {"data": "?"}, "shape", "data is not base64"),
    ("chirpstack", UP, WHO | {"fCnt": -1}, "shape", "is no 32 bit number"),
    ("chirpstack", STATUS, WHO | {"margin": "10"}, "shape", "margin"),
    ("chirpstack", LOCATION, WHO, "shape", "location"),
    ("chirpstack", LOCATION, WHO | {"location": {"latitude": 91}}, "shape", "is no place on Earth"),
    ("zigbee2mqtt", "zigbee2mqtt/lamp", b"ON", "json", ""),
    ("zigbee2mqtt", "zigbee2mqtt/lamp", [1], "shape", "object"),
    ("zigbee2mqtt", "zigbee2mqtt/lamp", {"a": 1, "last_seen": "yesterday"}, "shape", "last_seen"),
    ("zigbee2mqtt", "zigbee2mqtt/lamp/availability", b"perhaps", "shape", "neither online nor offline"),
    ("tasmota", "tele/SENSOR", b"{}", "topic", "is not <prefix>/<topic>/<what>"),
    ("tasmota", "tele/plug/SENSOR", b"nan", "json", ""),
    ("tasmota", "tele/plug/SENSOR", {"Time": "noon", "A": 1}, "shape", "Time"),
    ("tasmota", "tele/plug/STATE", {"Time": 1e300, "A": 1}, "shape", "is not within 1970 and 9999"),
    ("tasmota", "tele/plug/LWT", b"online", "shape", "neither Online nor Offline"),
    ("tasmota", "stat/plug/STATUS8", {"StatusSTS": {}}, "shape", "STATUS8 holds no StatusSNS"),
    ("frigate", "frigate/events", b"offline", "json", ""),
    ("frigate", "frigate/events", {"type": "gone", "after": TRACKED}, "shape", "type"),
    ("frigate", "frigate/events", {"type": "new", "after": TRACKED | {"camera": ""}}, "shape", "camera has no name"),
    ("frigate", "frigate/events", {"type": "new", "after": TRACKED | {"top_score": 2}}, "shape", "confidence"),
    ("frigate", "frigate/reviews", {"type": "new", "after": REVIEW | {"severity": None}}, "shape", "severity"),
    ("frigate", "frigate/reviews", {"type": "new", "before": REVIEW}, "shape", "after"),
    ("sensorthings", OBSERVED, b"{", "json", ""),
    ("sensorthings", OBSERVED, {"phenomenonTime": "2017-02-07T18:02:00Z"}, "shape", "result"),
    ("sensorthings", OBSERVED, {"result": 1, "phenomenonTime": "2017-02-07"}, "shape", "phenomenonTime"),
    ("sensorthings", "v1.1/Observations", {"result": 1}, "shape", "names a datastream by its id"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "topic", "payload", "reason", "why"), BAD)
def test_a_payload_that_an_adapter_cannot_read_is_rejected_with_its_name_and_a_reason(
    name: str, topic: str, payload: Any, reason: str, why: str
) -> None:
    adapters = open_adapters([{"name": "plant", "format": name, "topics": [f"{topic.partition('/')[0]}/#"]}])
    encoded = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
    item = adapt(Arrival(topic=topic, payload=encoded, at=0.0), adapters)
    assert item is not None
    assert item.bad is not None
    assert (item.device, item.body, item.bad.reason) == ("plant", None, reason)
    assert item.bad.detail.startswith("adapter plant: ")
    assert why in item.bad.detail


def test_every_adapter_is_tried_with_something_bad() -> None:
    assert {name for name, *_ in BAD} == set(FORMATS)
