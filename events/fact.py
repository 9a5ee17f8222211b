"""How facts are declared, encoded and decoded."""

from datetime import datetime
from typing import Annotated, TypeVar

import msgspec

from events.errors import BadMessage


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON object on the wire. Unknown fields are ignored, new fields have defaults: minor versions mix freely."""


Aware = Annotated[datetime, msgspec.Meta(tz=True)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,127}$")]
Ulid = Annotated[str, msgspec.Meta(pattern=r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Count = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
Revision = Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]

F = TypeVar("F")


def to_json(fact: object) -> bytes:
    """The payload of `fact`; the same fact always gives the same bytes."""
    return msgspec.json.encode(fact, order="deterministic")


def from_json(decoder: msgspec.json.Decoder[F], payload: bytes) -> F:
    """Decode `payload`.

    Raises:
        BadMessage: `json` where it is not JSON (or not UTF-8), `shape` where it is JSON of another shape.
    """
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise BadMessage("shape", str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadMessage("json", str(error)) from error
