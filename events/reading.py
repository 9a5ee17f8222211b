"""Readings as SenML packs, RFC 8428, JSON form.

A series' name is the SenML name (base name + name) without the leading `<device>/`: the topic says the device.
"""

import math
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from typing import Final

import msgspec

from events.errors import BadMessage
from events.fact import from_json, to_json

NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9\-:./_]{0,199}", re.ASCII)
ABSOLUTE: Final = float(2**28)  # RFC 8428, 4.5.3: a smaller time is relative to now
LATEST: Final = 253_402_300_799.0  # the end of the year 9999: what datetime and PostgreSQL both hold

Value = float | bool | str | bytes


class Reading(msgspec.Struct, frozen=True, gc=False):
    """One value of one series at one instant.

    `at` is Unix seconds by the device's clock; None where the pack has no absolute time (the receiver's clock, moved
    by `ago` seconds, is then all there is). `value` is a float for a measurement; bool, str or bytes for a state.
    `doubted`: its sender says that it is not to be trusted; SenML can't say so.
    """

    series: str
    at: float | None
    value: Value
    unit: str | None = None
    ago: float = 0.0  # seconds relative to the time of arrival, where `at` is None; negative: the past
    doubted: bool = False


class Record(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """One SenML record as it stands on the wire, before RFC 8428's resolution."""

    bn: str | None = None
    bt: float | None = None
    bu: str | None = None
    bv: float | None = None
    bs: float | None = None
    bver: int | None = None
    n: str | None = None
    u: str | None = None
    v: float | None = None
    vs: str | None = None
    vb: bool | None = None
    vd: str | None = None
    s: float | None = None
    t: float | None = None
    ut: float | None = None


_PACK: Final = msgspec.json.Decoder(list[Record])
_FIELDS: Final = frozenset(Record.__struct_fields__)


def decode_senml(payload: bytes, device: str) -> list[Reading]:
    """Read a pack sent by `device`, in its order.

    Raises:
        BadMessage: `json`, `shape` or `senml`.
    """
    records = from_json(_PACK, payload)
    if b'_"' in payload:
        _refuse_unknown_must_understand(payload)
    return resolve(records, device)


def resolve(records: Iterable[Record], device: str) -> list[Reading]:
    """Apply base fields (RFC 8428, section 4.6). A record that only sets bases gives no reading.

    Raises:
        BadMessage: `senml`.
    """
    base = Record(bn="", bt=0.0)
    prefix = f"{device}/"
    names: dict[str, str] = {}
    readings: list[Reading] = []
    for record in records:
        if record.bn is not None or record.bt is not None or record.bu or record.bv is not None or record.bver:
            base, names = _rebase(base, record), {}
        value = _value(record, base.bv)
        if value is None:
            continue
        n = record.n or ""
        series = names.get(n)
        if series is None:
            series = names[n] = series_name(f"{base.bn}{n}", prefix)
        readings.append(_reading(series, (base.bt or 0.0) + (record.t or 0.0), value, record.u or base.bu))
    return readings


def _rebase(base: Record, record: Record) -> Record:
    if record.bver is not None and record.bver > 10:
        raise BadMessage("senml", f"SenML version {record.bver}: up to 10 is understood")
    return Record(
        bn=base.bn if record.bn is None else record.bn,
        bt=base.bt if record.bt is None else record.bt,
        bu=base.bu if record.bu is None else record.bu,
        bv=base.bv if record.bv is None else record.bv,
    )


def _reading(series: str, t: float, value: Value, unit: str | None) -> Reading:
    if t < ABSOLUTE:
        return Reading(series, None, value, unit, max(t, -ABSOLUTE))
    if t > LATEST:
        raise BadMessage("senml", f"{series}: time {t} is past the year 9999")
    return Reading(series, t, value, unit)


def _value(record: Record, bv: float | None) -> Value | None:
    if record.v is not None:
        return _sum(record.v, bv) if bv else record.v
    if record.vb is not None:
        return record.vb
    if record.vs is not None:
        return record.vs
    if record.vd is not None:
        return _data(record.vd)
    if record.s is not None or record.n is None:
        return None  # a sum alone, or base fields alone: nothing measured at this instant
    if bv is not None:
        return bv
    raise BadMessage("senml", f"{record.n!r} has no value (v, vs, vb, vd or s)")


def _sum(v: float, bv: float) -> float:
    if math.isinf(v + bv):
        raise BadMessage("senml", f"base value {bv} and value {v} add up to no finite number")
    return v + bv


def _data(text: str) -> bytes:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except ValueError as error:
        raise BadMessage("senml", f"vd is not base64url: {error}") from error


def series_name(name: str, prefix: str) -> str:
    """Return the series that a full SenML name means, `prefix` being `<device>/`.

    Raises:
        BadMessage: `senml`.
    """
    series = name.removeprefix(prefix)
    if not NAME.fullmatch(series):
        raise BadMessage("senml", f"name {name[:80]!r} is not a SenML name of 1 to 200 characters")
    return series


def _refuse_unknown_must_understand(payload: bytes) -> None:
    """RFC 8428, 4.4: a label that ends in an underscore must be understood, or the pack refused."""
    for record in msgspec.json.decode(payload):
        unknown = [label for label in record if label.endswith("_") and label not in _FIELDS]
        if unknown:
            raise BadMessage("senml", f"must understand {unknown[0]!r}, and do not")


def encode_senml(readings: Iterable[Reading], device: str) -> bytes:
    """Write a pack that `decode_senml` reads back; base name `<device>/`, base time of the first reading."""
    records: list[Record] = []
    bt: float | None = None
    for reading in readings:
        t = reading.ago if reading.at is None else reading.at
        first = bt is None
        bt = t if bt is None else bt
        value = float(reading.value) if type(reading.value) is int else reading.value
        offset = round(t - bt, 6)
        records.append(
            Record(
                bn=f"{device}/" if first else None,
                bt=(bt or None) if first else None,
                n=reading.series,
                u=reading.unit,
                t=offset or None,
                v=value if isinstance(value, float) else None,
                vs=value if isinstance(value, str) else None,
                vb=value if isinstance(value, bool) else None,
                vd=urlsafe_b64encode(value).decode().rstrip("=") if isinstance(value, bytes) else None,
            )
        )
    return to_json(records)
