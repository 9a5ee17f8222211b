"""Evidence: a still or a clip of an incident. The payload is the JPEG or MP4 itself, blurred before it left the edge.

Its facts travel as MQTT user properties: `incident`, `camera`, `at` (RFC 3339) and `role`.
"""

from datetime import datetime
from typing import Final, Literal, get_args

import msgspec

from events.envelope import JPEG, MP4, Envelope, parse_sent
from events.errors import BadMessage
from events.fact import Ulid

Role = Literal["still", "clip"]
ROLES: Final = get_args(Role)
MEDIA: Final = {"still": JPEG, "clip": MP4}
_ROLE: Final[dict[str, Role]] = {role: role for role in ROLES}


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A picture or a film of one incident."""

    incident: str  # ULID
    camera: str
    at: datetime  # aware; when the still was captured, or the clip begins
    role: Role
    data: bytes


def decode_evidence(envelope: Envelope, payload: bytes) -> Evidence:
    """Read the user properties, check that the bytes begin as their type does.

    Raises:
        BadMessage: `envelope`, `content_type` or `shape`.
    """
    given = dict(envelope.properties)
    missing = [name for name in ("incident", "camera", "at", "role") if name not in given]
    if missing:
        raise BadMessage("envelope", f"evidence without the user property {missing[0]!r}")
    role = _ROLE.get(given["role"])
    if role is None:
        raise BadMessage("envelope", f"role {given['role'][:20]!r} is not one of {', '.join(ROLES)}")
    try:
        msgspec.convert(given["incident"], Ulid)
    except msgspec.ValidationError as error:
        raise BadMessage("envelope", f"incident {given['incident'][:40]!r} is not a ULID") from error
    if envelope.content_type != MEDIA[role]:
        raise BadMessage("content_type", f"a {role} is {MEDIA[role]}, not {envelope.content_type!r}")
    begins = payload[:3] == b"\xff\xd8\xff" if role == "still" else payload[4:8] == b"ftyp"
    if not begins:
        raise BadMessage("shape", f"{len(payload)} bytes that do not begin as {MEDIA[role]}")
    return Evidence(
        incident=given["incident"], camera=given["camera"], at=parse_sent(given["at"]), role=role, data=payload
    )


def evidence_properties(evidence: Evidence) -> tuple[tuple[str, str], ...]:
    """What `decode_evidence` reads back, beside the payload."""
    return (
        ("incident", evidence.incident),
        ("camera", evidence.camera),
        ("at", evidence.at.isoformat()),
        ("role", evidence.role),
    )
