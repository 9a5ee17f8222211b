"""The generated contract is a valid AsyncAPI document, and says what the decoder does."""

import copy
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from events import asyncapi
from events.fact import to_json
from events.incident import Incident, Place
from events.reading import Reading, encode_senml
from events.topic import KINDS

SCHEMA = json.loads((Path(__file__).parent / "asyncapi" / "3.0.0.json").read_text())
DOCUMENT: dict[str, Any] = json.loads(asyncapi.encoded())
WHEN = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def problems(document: dict[str, Any]) -> int:
    return len(list(jsonschema.Draft7Validator(SCHEMA).iter_errors(document)))


def payload_validator(kind: str) -> jsonschema.Draft202012Validator:
    payload = DOCUMENT["components"]["messages"][kind]["payload"]
    return jsonschema.Draft202012Validator({**payload, "components": DOCUMENT["components"]})


def test_the_document_is_valid_asyncapi_3() -> None:
    assert problems(DOCUMENT) == 0


def test_the_schema_used_for_that_notices_a_broken_document() -> None:
    broken = copy.deepcopy(DOCUMENT)
    broken["operations"]["receive-readings"]["action"] = "shout"
    assert problems(broken) > 0


def test_every_kind_has_a_channel_an_operation_and_a_message() -> None:
    assert set(DOCUMENT["channels"]) == set(KINDS) == set(DOCUMENT["components"]["messages"])
    assert len(DOCUMENT["operations"]) == len(KINDS)


def test_what_the_encoder_writes_is_what_the_document_says() -> None:
    pack = json.loads(encode_senml([Reading("load1", 1.7e9, 0.5, "1"), Reading("door", 1.7e9, True)], "box"))
    payload_validator("readings").validate(pack)
    incident = Incident(
        id="01JD0000000000000000000000",
        rev=1,
        kind="stopped_vehicle",
        state="open",
        severity="major",
        camera="a",
        started_at=WHEN,
        decided_at=WHEN,
        at=WHEN,
        confidence=0.9,
        place=Place(box=(1, 2, 3, 4)),
    )
    payload_validator("incident").validate(json.loads(to_json(incident)))


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("incident", {"id": "x"}),
        ("ack", {"not a stream": [[1, 2]]}),
        ("readings", [{"v": "high"}]),
        ("status", {"state": "asleep", "connection": 1, "n": 0}),
    ],
)
def test_the_document_refuses_what_the_decoder_refuses(kind: str, bad: object) -> None:
    assert not payload_validator(kind).is_valid(bad)
