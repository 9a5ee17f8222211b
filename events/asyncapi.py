"""The wire contract as an AsyncAPI 3.0 document, generated from the facts of this room.

It is told from the city's side: it receives what devices send up, and sends what goes down to them.
"""

from typing import Any, Final

import msgspec

from events import about, config, health, incident, status, traffic
from events.envelope import ID, JPEG, JSON, MP4, SENML_JSON
from events.message import MAX_BYTES
from events.reading import Record
from events.topic import DEVICE, DOWN, KINDS, RETAINED, ROOT, Kind

VERSION: Final = "1.0.0"

_TYPES: Final[dict[Kind, Any]] = {
    "about": about.About,
    "readings": list[Record],
    "traffic": traffic.TrafficMinute,
    "incident": incident.Incident,
    "health": health.Health,
    "status": status.Status,
    "ack": status.Ack,
    "config": config.Config,
    "command": config.Command,
}
_CONTENT: Final[dict[Kind, str]] = {"readings": SENML_JSON, "frame": JPEG}
_SAYS: Final[dict[Kind, str]] = {
    "about": "The device describes itself; a higher revision replaces a lower one.",
    "readings": "A SenML pack, RFC 8428.",
    "traffic": "Counts of one camera, zone and minute, by class and direction.",
    "incident": "One event on the street, as known at this revision.",
    "evidence": f"A still ({JPEG}) or clip ({MP4}) of an incident; its facts are user properties.",
    "health": "A camera or sensor that should not be trusted, raised or cleared.",
    "frame": "A picture for a detector elsewhere; QoS 0, not stored.",
    "status": "Online or offline (last will), outbox depth, last number of each stream, numbers given up.",
    "ack": "Per stream the ranges that the database accounts for.",
    "config": "A revision of the device's configuration.",
    "command": "Do this now, once.",
}
_EVIDENCE: Final = {name: {"type": "string"} for name in ("incident", "camera", "at", "role")}


def document() -> dict[str, Any]:
    """Return the whole document, ready for `json.dumps`."""
    schemas, components = msgspec.json.schema_components(_TYPES.values(), ref_template="#/components/schemas/{name}")
    payloads = dict(zip(_TYPES, schemas, strict=True))
    return {
        "asyncapi": "3.0.0",
        "id": "urn:ngatu:v1",
        "info": {
            "title": "Ngã Tư",
            "version": VERSION,
            "description": f"MQTT 5, QoS 1 (frame: QoS 0), payloads of at most {MAX_BYTES} bytes. "
            "Unknown fields are ignored and new ones have defaults.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": JSON,
        "channels": {kind: _channel(kind) for kind in KINDS},
        "operations": {f"{_action(kind)}-{kind}": _operation(kind) for kind in KINDS},
        "components": {
            "schemas": components,
            "messages": {kind: _message(kind, payloads.get(kind)) for kind in KINDS},
        },
    }


def _channel(kind: Kind) -> dict[str, Any]:
    return {
        "address": f"{ROOT}/{{device}}/{kind}",
        "description": _SAYS[kind],
        "parameters": {"device": {"description": f"The device's name: {DEVICE.pattern}"}},
        "messages": {kind: {"$ref": f"#/components/messages/{kind}"}},
    }


def _action(kind: Kind) -> str:
    return "send" if kind in DOWN else "receive"


def _operation(kind: Kind) -> dict[str, Any]:
    return {
        "action": _action(kind),
        "channel": {"$ref": f"#/channels/{kind}"},
        "messages": [{"$ref": f"#/channels/{kind}/messages/{kind}"}],
        "bindings": {"mqtt": {"qos": 0 if kind == "frame" else 1, "retain": kind in RETAINED}},
    }


def _message(kind: Kind, payload: dict[str, Any] | None) -> dict[str, Any]:
    said: dict[str, Any] = {
        "name": kind,
        "summary": _SAYS[kind],
        "contentType": _CONTENT.get(kind, JSON),
        "headers": _headers(kind),
        "payload": payload if payload is not None else {"type": "string", "format": "binary"},
    }
    if kind == "evidence":
        said["contentType"] = JPEG
    return said


def _headers(kind: Kind) -> dict[str, Any]:
    """MQTT 5 user properties."""
    ours = {
        "id": {"type": "string", "pattern": f"^{ID.pattern}$", "description": "<stream>:<seq>"},
        "sent": {"type": "string", "format": "date-time", "description": "the device's clock at publish"},
    }
    return {
        "type": "object",
        "properties": ours | (_EVIDENCE if kind == "evidence" else {}),
        "required": list(_EVIDENCE) if kind == "evidence" else [],
    }


def encoded() -> bytes:
    """Return the document as JSON."""
    return msgspec.json.encode(document())
