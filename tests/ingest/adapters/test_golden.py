"""Messages as the vendors document them, and what the adapters make of them."""

import json
from base64 import b64decode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.incident import Incident
from events.reading import Reading
from ingest.adapters import tasmota, zigbee2mqtt
from ingest.adapters.adapter import FORMATS, adapt, open_adapters
from ingest.item import Arrival
from ingest.units import is_known

GOLDEN = Path(__file__).with_name("golden")
OPTIONS = {"tasmota": {"time_zone": "Asia/Ho_Chi_Minh"}}


def rows(name: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((GOLDEN / f"{name}.json").read_text("utf-8"))
    return found


def payload_of(row: dict[str, Any]) -> bytes:
    return bytes.fromhex(row["hex"]) if "hex" in row else str(row["payload"]).encode()


def said(reading: Reading) -> list[Any]:
    return [reading.series, reading.at, reading.value, reading.unit, *(["doubted"] if reading.doubted else [])]


def expected(readings: list[list[Any]]) -> Iterator[list[Any]]:
    for series, at, value, unit, *doubted in readings:
        when = None if at is None else pytest.approx(at, abs=1e-6)
        yield [series, when, b64decode(value["base64"]) if isinstance(value, dict) else value, unit, *doubted]


@pytest.mark.parametrize("name", sorted(FORMATS))
def test_a_documented_message_is_read_as_it_is_meant(name: str) -> None:
    shape, make = FORMATS[name]
    read = make(shape(**OPTIONS.get(name, {})))
    golden = rows(name)
    assert golden
    for row in golden:
        told = read(row["topic"], payload_of(row))
        wanted = row["told"]
        if wanted is None:
            assert told is None, row["source"]
            continue
        assert told is not None, row["source"]
        assert told.device == wanted["device"]
        if "readings" in wanted:
            assert isinstance(told.body, list)
            assert [said(reading) for reading in told.body] == list(expected(wanted["readings"]))
        else:
            assert isinstance(told.body, Incident)
            check(told.body, wanted["incident"])


def test_units_that_adapters_name_are_units() -> None:
    told = {reading[3] for name in FORMATS for row in rows(name) for reading in (row["told"] or {}).get("readings", ())}
    tables = {*tasmota.UNITS.values(), *tasmota.CHOSEN.values(), *zigbee2mqtt.UNITS.values()}
    assert [unit for unit in sorted({*told - {None}, *tables}) if not is_known(unit)] == []


def check(incident: Incident, wanted: dict[str, Any]) -> None:
    for name, value in wanted.items():
        found = getattr(incident, name)
        if name == "place":
            assert list(found.box) == value["box"]
        elif name.endswith("_at") and found is not None:
            assert found.isoformat() == value
        else:
            assert found == pytest.approx(value) if isinstance(value, float) else found == value, name


def test_what_frigate_tells_of_one_object_is_one_incident_whose_end_is_its_last_word() -> None:
    (frigate,) = open_adapters([{"name": "frigate", "format": "frigate", "topics": ["frigate/#"]}])
    update, end, *_ = rows("frigate")
    items = [adapt(Arrival(topic=row["topic"], payload=payload_of(row), at=0.0), [frigate]) for row in (end, update)]
    first, second = (item.body for item in items if item is not None)
    assert isinstance(first, Incident)
    assert isinstance(second, Incident)
    assert first.id == second.id
    assert first.rev > second.rev


@pytest.mark.parametrize(("system", "metres_per_second"), [("kph", 3.98), ("mph", 6.4)])
def test_a_speed_is_in_the_unit_that_frigate_is_set_to(system: str, metres_per_second: float) -> None:
    listed = {"name": "f", "format": "frigate", "topics": ["frigate/#"], "options": {"speed": system}}
    row = rows("frigate")[6]
    item = adapt(Arrival(topic=row["topic"], payload=payload_of(row), at=0.0), open_adapters([listed]))
    assert item is not None
    assert isinstance(item.body, Incident)
    assert item.body.why["speed_mps"] == metres_per_second


def test_whom_frigate_recognized_goes_nowhere() -> None:
    (frigate,) = open_adapters([{"name": "f", "format": "frigate", "topics": ["frigate/#"]}])
    for row in rows("frigate"):
        item = adapt(Arrival(topic=row["topic"], payload=payload_of(row), at=0.0), [frigate])
        said = b"" if item is None else msgspec.json.encode(item.body)
        assert not any(secret in said for secret in (b"John Smith", b"ABC12345", b"123ABC", b"Bob"))


def test_a_label_may_be_one_of_our_kinds() -> None:
    listed = {"name": "f", "format": "frigate", "topics": ["frigate/#"]}
    options = {"kinds": {"person": "pedestrian_on_road"}, "severity": "major"}
    adapters = open_adapters([listed | {"options": options}])
    row = rows("frigate")[0]
    item = adapt(Arrival(topic=row["topic"], payload=payload_of(row), at=0.0), adapters)
    assert item is not None
    assert isinstance(item.body, Incident)
    assert (item.body.kind, item.body.severity, item.device) == ("pedestrian_on_road", "major", "f.front_door")
