"""How facts are declared, encoded and decoded."""

from datetime import datetime
from typing import Annotated, Final, TypeVar

import msgspec

from events.errors import BadMessage

FIRST_YEAR: Final = 2  # a zone moves a time by up to a day: one year from where datetime ends
LAST_YEAR: Final = 9998


class Fact(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A JSON object on the wire. Unknown fields are ignored, new fields have defaults: minor versions mix freely.

    Its times are such that UTC, PostgreSQL and Python can all hold them.
    """

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            value = getattr(self, name)
            if type(value) is datetime and not FIRST_YEAR <= value.year <= LAST_YEAR:
                raise ValueError(f"{name}: the year {value.year} is not within {FIRST_YEAR} and {LAST_YEAR}")


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
