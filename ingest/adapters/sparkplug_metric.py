"""Metrics of Sparkplug B: what a birth says of them, and what their values are (Sparkplug 3.0, 6.4.6 to 6.4.16)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from events import BadMessage
from events.reading import Reading, Value
from ingest.adapters.sparkplug_payload import VALUES

SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}  # datatype → bits: negative numbers come as two's complement
DATE_TIME: Final = 13  # milliseconds since 1970
GOOD: Final = 192  # of Quality; 0 is bad, 500 stale
CONTROL: Final = ("Node Control/", "Device Control/", "bdSeq")


@dataclass(frozen=True, slots=True)
class Metric:
    """What a birth says of a metric."""

    name: str
    datatype: int
    unit: str | None = None
    is_transient: bool = False  # of no interest to a historian

    @property
    def is_stored(self) -> bool:
        """Whether its values are measurements or states at all."""
        return not self.is_transient and not self.name.startswith(CONTROL)


Described = dict[int | str, Metric]
"""By alias and by name."""


def described(message: Any) -> Described:
    """Read a birth.

    Raises:
        BadMessage: `shape`.
    """
    found: Described = {}
    for metric in message.metrics:
        if not metric.name or not metric.HasField("datatype"):
            raise BadMessage("shape", f"a birth's metric {metric.name!r} needs a name and a datatype")
        known = Metric(metric.name, metric.datatype, _text(metric, "engUnit"), metric.is_transient)
        keys: list[int | str] = [metric.name, *([metric.alias] if metric.HasField("alias") else [])]
        for key in keys:
            if found.setdefault(key, known) != known:
                raise BadMessage("shape", f"{key!r} stands for two metrics of one birth")
    return found


def reading(message: Any, metric: Any, known: Metric, units: Mapping[str, str | None]) -> Reading | None:
    """Make of a metric what it says; None where nothing of it is to be stored.

    Args:
        message: to which it belongs.
        metric: the metric itself.
        known: what its birth said.
        units: what the plant's own words for units mean, UCUM.

    Raises:
        BadMessage: `shape`.
    """
    value = _value(metric, known) if known.is_stored and not metric.is_transient else None
    if value is None:
        return None
    said = _text(metric, "engUnit") or known.unit
    unit = units.get(said, said) if said and isinstance(value, float) else None
    return Reading(known.name, seconds(message, metric), value, unit, doubted=_quality(metric) != GOOD)


def seconds(message: Any, metric: Any = None) -> float | None:
    """Unix seconds; a historical value without a time of its own would be taken for one of now."""
    if metric is not None and metric.HasField("timestamp"):
        return float(metric.timestamp) / 1000
    if metric is not None and metric.is_historical:
        raise BadMessage("shape", f"{metric.name or metric.alias!r} is historical and has no timestamp")
    return float(message.timestamp) / 1000 if message.HasField("timestamp") else None


def _value(metric: Any, known: Metric) -> Value | None:
    if metric.is_null:
        return None
    given = next((name for name in VALUES if metric.HasField(name)), None)
    if given is None:
        raise BadMessage("shape", f"{known.name[:80]!r} has no value and is not null")
    value = getattr(metric, given)
    if given in {"int_value", "long_value"}:
        return _instant(value, known) if known.datatype == DATE_TIME else _signed(value, SIGNED.get(known.datatype))
    return value if isinstance(value, bool | str | bytes) else float(value)


def _instant(milliseconds: int, known: Metric) -> str:
    try:
        return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="milliseconds")
    except (ValueError, OverflowError, OSError) as error:
        raise BadMessage("shape", f"{known.name[:80]!r}: {milliseconds} is no DateTime") from error


def _signed(number: int, bits: int | None) -> float:
    if bits is None:
        return float(number)
    number &= (1 << bits) - 1
    return float(number - (1 << bits) if number >> (bits - 1) else number)


def _quality(metric: Any) -> int:
    found = _property(metric, "Quality")
    return GOOD if found is None else int(found.int_value or found.long_value)


def _text(metric: Any, key: str) -> str | None:
    found = _property(metric, key)
    return None if found is None else found.string_value or None


def _property(metric: Any, key: str) -> Any | None:
    keys, values = metric.properties.keys, metric.properties.values
    if len(keys) != len(values):
        raise BadMessage("shape", f"{metric.name or metric.alias!r}: {len(keys)} property keys, {len(values)} values")
    return next((value for name, value in zip(keys, values, strict=True) if name == key and not value.is_null), None)
