"""The envelope is MQTT 5's own: content type, and the user properties `id` and `sent`.

`id` is `<stream>:<seq>` (named as CloudEvents names it). A stream is one kind of message from one run of one agent:
a ULID made at every start; `seq` counts 1, 2, 3 … in it. A device that is not ours sends no `id`.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from events.errors import BadMessage

JSON: Final = "application/json"
SENML_JSON: Final = "application/senml+json"
JPEG: Final = "image/jpeg"
MP4: Final = "video/mp4"

ID: Final = re.compile(r"([0-7][0-9A-HJKMNP-TV-Z]{25}):([1-9][0-9]{0,17})", re.ASCII)


class MessageId(NamedTuple):
    """Which message: the seq-th of a stream. It never names two different messages."""

    stream: str
    seq: int

    def __str__(self) -> str:
        return f"{self.stream}:{self.seq}"


class Envelope(msgspec.Struct, frozen=True):
    """What MQTT says beside the payload."""

    content_type: str | None = None
    id: MessageId | None = None  # None: not one of our agents
    sent: datetime | None = None  # the device's clock at publish; None: it does not know the time
    properties: tuple[tuple[str, str], ...] = ()  # the other user properties, in order


def parse_id(text: str) -> MessageId:
    """Read `<stream>:<seq>`.

    >>> parse_id("01JD0000000000000000000000:7").seq
    7

    Raises:
        BadMessage: `envelope`.
    """
    match = ID.fullmatch(text)
    if match is None:
        raise BadMessage("envelope", f"id {text[:60]!r} is not <ULID>:<1, 2, 3 …>")
    return MessageId(match[1], int(match[2]))


def parse_sent(text: str) -> datetime:
    """Read the RFC 3339 time in `sent`.

    Raises:
        BadMessage: `envelope`.
    """
    try:
        sent = datetime.fromisoformat(text)
        return sent.astimezone(UTC) if sent.tzinfo is not None else _no_zone(text)
    except (ValueError, OverflowError) as error:
        raise BadMessage("envelope", f"sent {text[:60]!r}: {error}") from error


def _no_zone(text: str) -> datetime:
    raise ValueError(f"{text[:60]} has no zone")


def parse_envelope(content_type: str | None, properties: Sequence[tuple[str, str]]) -> Envelope:
    """Read what came as MQTT 5 properties. Of `id` and `sent` given twice, the first counts.

    Raises:
        BadMessage: `envelope`.
    """
    message_id: MessageId | None = None
    sent: datetime | None = None
    others: list[tuple[str, str]] = []
    for name, value in properties:
        if name == "id" and message_id is None:
            message_id = parse_id(value)
        elif name == "sent" and sent is None:
            sent = parse_sent(value)
        else:
            others.append((name, value))
    return Envelope(content_type, message_id, sent, tuple(others))


def user_properties(envelope: Envelope) -> list[tuple[str, str]]:
    """The user properties that `parse_envelope` reads back."""
    ours = [("id", str(envelope.id))] if envelope.id else []
    if envelope.sent is not None:
        ours.append(("sent", envelope.sent.astimezone(UTC).isoformat().replace("+00:00", "Z")))
    return [*ours, *envelope.properties]
