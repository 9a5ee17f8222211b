"""From what arrived to a fact: the one way in."""

from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec

from events import about, config, health, incident, status, traffic
from events.envelope import JPEG, JSON, SENML_JSON, Envelope, parse_envelope
from events.errors import BadMessage
from events.evidence import Evidence, decode_evidence
from events.fact import from_json
from events.pack import Pack, decode_pack
from events.reading import Reading, decode_senml
from events.topic import Topic, parse_topic

MAX_BYTES: Final = 4 * 1024 * 1024
"""Larger payloads are refused. Clips are the largest thing that is sent: about 2 MB."""

Body = (
    list[Reading]
    | about.About
    | traffic.TrafficMinute
    | incident.Incident
    | Evidence
    | health.Health
    | status.Status
    | status.Ack
    | config.Config
    | config.Command
    | bytes
)


class Message(msgspec.Struct, frozen=True):
    """Who, how and what. `body` has the type that belongs to the topic's kind."""

    topic: Topic
    envelope: Envelope
    body: Body


_JSON: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    "about": about.DECODER,
    "traffic": traffic.DECODER,
    "incident": incident.DECODER,
    "health": health.DECODER,
    "status": status.DECODER,
    "ack": status.ACK_DECODER,
    "config": config.DECODER,
    "command": config.COMMAND_DECODER,
}


def _readings(topic: Topic, envelope: Envelope, payload: bytes) -> Body:
    _expect(envelope, SENML_JSON)
    return decode_senml(payload, topic.device)


def _frame(_topic: Topic, envelope: Envelope, payload: bytes) -> Body:
    _expect(envelope, JPEG)
    return payload


def _evidence(_topic: Topic, envelope: Envelope, payload: bytes) -> Body:
    return decode_evidence(envelope, payload)


def _json(topic: Topic, envelope: Envelope, payload: bytes) -> Body:
    _expect(envelope, JSON)
    body: Body = from_json(_JSON[topic.kind], payload)
    return body


_DECODE: Final[dict[str, Callable[[Topic, Envelope, bytes], Body]]] = {
    "readings": _readings,
    "evidence": _evidence,
    "frame": _frame,
}


def decode(
    topic: str, payload: bytes, content_type: str | None = None, properties: Sequence[tuple[str, str]] = ()
) -> Message:
    """Read one MQTT message.

    Args:
        topic: the MQTT topic.
        payload: its bytes.
        content_type: MQTT 5's content type; None is taken as the kind's own.
        properties: MQTT 5's user properties, in order.

    Raises:
        BadMessage: whatever was wrong with it.
    """
    where = parse_topic(topic)
    envelope = parse_envelope(content_type, properties)
    return Message(where, envelope, decode_body(where, envelope, payload))


def decode_body(topic: Topic, envelope: Envelope, payload: bytes) -> Body:
    """Read the payload of a message whose topic and envelope are known.

    Raises:
        BadMessage: `size`, `content_type`, `json`, `shape` or `senml`.
    """
    _expect_bounded(payload)
    return _DECODE.get(topic.kind, _json)(topic, envelope, payload)


def decode_columns(topic: Topic, envelope: Envelope, payload: bytes) -> Pack:
    """Read the payload of a message of readings as `decode_body` does, into columns: for who takes them by the million.

    Raises:
        BadMessage: `size`, `content_type`, `json`, `shape` or `senml`.
    """
    _expect_bounded(payload)
    _expect(envelope, SENML_JSON)
    return decode_pack(payload, topic.device)


def _expect_bounded(payload: bytes) -> None:
    if len(payload) > MAX_BYTES:
        raise BadMessage("size", f"{len(payload)} bytes: at most {MAX_BYTES} are taken")


def _expect(envelope: Envelope, content_type: str) -> None:
    given = envelope.content_type
    if given is not None and given != content_type and given.partition(";")[0].strip().lower() != content_type:
        raise BadMessage("content_type", f"{given[:80]!r}: expected {content_type}")
