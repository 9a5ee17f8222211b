"""What an adapter makes of a message."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

import msgspec

from events import BadMessage
from events.fact import from_json
from events.incident import Incident
from events.reading import Reading

LATEST: Final = 253_402_300_799.0  # the end of the year 9999, Unix seconds

S = TypeVar("S")
_ANY: Final = msgspec.json.Decoder(dict[str, Any])


class Told(msgspec.Struct, frozen=True):
    """A device, by the name that it has over there, and what it says."""

    device: str
    body: list[Reading] | Incident


Read = Callable[[str, bytes], Told | None]
"""Topic and payload → what was told; None where it is nothing to be stored, by design.

Raises BadMessage, and nothing else, whatever the bytes.
"""


class AskAgain(BadMessage):
    """It can't be understood, and publishing `payload` to `topic` makes its sender say what is missing."""

    def __init__(self, reason: str, detail: str, *, topic: str, payload: bytes) -> None:
        super().__init__(reason, detail)
        self.topic = topic
        self.payload = payload


def json_object(payload: bytes) -> dict[str, Any]:
    """Decode a JSON object.

    Raises:
        BadMessage: `json` or `shape`.
    """
    return from_json(_ANY, payload)


def shaped(found: object, shape: type[S]) -> S:
    """Convert decoded JSON into a fact.

    Raises:
        BadMessage: `shape`.
    """
    try:
        return msgspec.convert(found, shape)
    except (msgspec.ValidationError, ValueError, OverflowError) as error:
        raise BadMessage("shape", str(error)) from error
