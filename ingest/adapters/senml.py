"""Bare SenML, RFC 8428, as JSON or CBOR: no envelope, any topic. A level of the topic names the device.

A sum is a series of its own, `<name>/sum`. So is a place: records in the units `lat` and `lon` that bear the name of
what was measured there (as in 5.1.3) are `<name>/lat` and `<name>/lon`.
"""

import re
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

import cbor2
import msgspec

from events import BadMessage
from events.fact import from_json
from events.reading import Reading, Record, decode_senml, resolve
from ingest.adapters.told import Read, Told, shaped
from ingest.units import is_known, ucum

LABELS: Final = {
    -1: "bver", -2: "bn", -3: "bt", -4: "bu", -5: "bv", -6: "bs",
    0: "n", 1: "u", 2: "v", 3: "vs", 4: "vb", 5: "s", 6: "t", 7: "ut", 8: "vd",
}  # fmt: skip
"""RFC 8428, table 4."""


PLACE: Final = frozenset({"lat", "lon"})
PACK: Final = msgspec.json.Decoder(list[Record])


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`device_level`: which level of the topic names the device, the first being 0."""

    device_level: int = 1


def reader(options: Options) -> Read:
    """Read both forms: a JSON pack begins with `[` (0x5b), which CBOR uses for long byte strings only."""

    def read(topic: str, payload: bytes) -> Told:
        levels = topic.split("/")
        if not -len(levels) <= options.device_level < len(levels):
            raise BadMessage("topic", f"{topic!r} has no level {options.device_level} to name the device")
        device = levels[options.device_level]
        if payload[:1].isspace() or payload[:1] == b"[":
            readings = decode_senml(payload, device)
            records = from_json(PACK, payload) if b's"' in payload else []
        else:
            records = _records(payload)
            readings = resolve(records, device)
        return Told(device, [*map(_placed, readings), *_sums(records, device)])

    return read


def _placed(reading: Reading) -> Reading:
    if reading.unit not in PLACE or re.split("[/:.]", reading.series)[-1] == reading.unit:
        return reading
    return msgspec.structs.replace(reading, series=f"{reading.series}/{reading.unit}")


def _sums(records: Sequence[Record], device: str) -> list[Reading]:
    """Sums are resolved as values are: base sums for base values, units times seconds (RFC 8428, 4.1 and 4.2)."""
    if all(record.s is None and record.bs is None for record in records):
        return []
    return resolve(_as_values(records), device)


def _as_values(records: Sequence[Record]) -> Iterator[Record]:
    base: float | None = None
    for record in records:
        base = base if record.bs is None else record.bs
        named = f"{record.n or ''}/sum" if record.s is not None or base is not None else None
        yield Record(
            bn=record.bn, bt=record.bt, bu=_times_second(record.bu), bv=record.bs, n=named,
            u=_times_second(record.u), v=record.s, t=record.t,
        )  # fmt: skip


def _times_second(unit: str | None) -> str | None:
    if not unit:
        return unit
    product = f"{ucum(unit)}.s"
    return product if is_known(product) else None


def _records(payload: bytes) -> list[Record]:
    try:
        pack = cbor2.loads(payload)
    except (cbor2.CBORError, ValueError, TypeError, OverflowError, RecursionError) as error:
        raise BadMessage("cbor", str(error)) from error
    if not isinstance(pack, list):
        raise BadMessage("shape", "a SenML pack is a CBOR array of maps")
    return [shaped(_labelled(record), Record) for record in pack]


def _labelled(record: object) -> dict[str, Any]:
    """Give the fields the names that they have in JSON; RFC 8428, 4.4: a label with `_` must be understood."""
    if not isinstance(record, dict):
        raise BadMessage("shape", "a SenML record is a CBOR map")
    fields: dict[str, Any] = {}
    for label, value in record.items():
        if isinstance(label, str) and label.endswith("_"):
            raise BadMessage("senml", f"must understand {label[:40]!r}, and do not")
        name = LABELS.get(label) if type(label) is int else label
        if isinstance(name, str):
            fields[name] = _plain(value)
    return fields


def _plain(value: object) -> object:
    """Decimal fractions are numbers; binary data are base64url in JSON."""
    if isinstance(value, Decimal):
        number = float(value)
        if number in {float("inf"), float("-inf")}:
            raise BadMessage("senml", "a number is too large")
        return number
    return urlsafe_b64encode(value).decode() if isinstance(value, bytes) else value
