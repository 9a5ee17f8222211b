"""Readings in columns: what ingest makes of a SenML pack, without an object for each reading."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec
from msgspec.structs import astuple

from events.reading import ABSOLUTE, LATEST, Reading, Value, decode_senml, series_name


class Layout(msgspec.Struct, frozen=True, eq=False):
    """Which series the readings of a message are of, in order. Mostly one object for many messages."""

    series: tuple[str, ...]
    units: tuple[str | None, ...]


class Pack(msgspec.Struct, frozen=True, kw_only=True):
    """The readings of one message; the same as a list of `Reading`, in columns.

    A reading's time is `base` + its `seconds`: Unix time, or, where that is less than `ABSOLUTE`, relative to arrival.
    """

    layout: Layout
    base: float
    seconds: tuple[float, ...]
    values: tuple[Value, ...]
    numeric: bool  # all values are floats
    relative: tuple[bool, ...] | None = None  # where times do not say themselves that they are
    doubted: tuple[bool, ...] | None = None  # where a sender doubts any

    def __len__(self) -> int:
        return len(self.values)

    @property
    def has_absolute_time(self) -> bool:
        """Whether any reading says when it was made, rather than how long ago."""
        if self.relative is not None:
            return not all(self.relative)
        return bool(self.seconds) and self.base + max(self.seconds) >= ABSOLUTE

    @classmethod
    def of(cls, readings: Sequence[Reading]) -> "Pack":
        """Lay out readings."""
        return cls(
            layout=Layout(tuple([reading.series for reading in readings]), tuple([r.unit for r in readings])),
            base=0.0,
            seconds=tuple([reading.ago if reading.at is None else reading.at for reading in readings]),
            values=tuple([reading.value for reading in readings]),
            numeric=all(type(reading.value) is float for reading in readings),
            relative=tuple([reading.at is None for reading in readings]),
            doubted=tuple([r.doubted for r in readings]) if any(r.doubted for r in readings) else None,
        )

    def readings(self) -> list[Reading]:
        """Return what `of` laid out."""
        relative = self.relative or [self.base + s < ABSOLUTE for s in self.seconds]
        doubted = self.doubted or (False,) * len(self)
        rows = zip(self.layout.series, self.layout.units, self.seconds, self.values, relative, doubted, strict=True)
        return [
            Reading(series, None, value, unit, max(self.base + s, -ABSOLUTE), doubt)
            if ago
            else Reading(series, self.base + s, value, unit, doubted=doubt)
            for series, unit, s, value, ago, doubt in rows
        ]


class _Plain(msgspec.Struct, frozen=True, gc=False, forbid_unknown_fields=True):
    """The record that nearly all packs are made of: any other goes the long way."""

    v: float
    n: str = ""
    t: float = 0.0
    u: str | None = None
    bn: str | None = None
    bt: float | None = None


_PLAIN: Final = msgspec.json.Decoder(list[_Plain])
_REMEMBERED: Final = 128  # series in a layout: larger ones are made anew each time


def decode_pack(payload: bytes, device: str) -> Pack:
    """Read a SenML pack sent by `device` as `decode_senml` does, into columns.

    Raises:
        BadMessage: `json`, `shape` or `senml`.
    """
    try:
        records = _PLAIN.decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        records = []
    if not records:
        return Pack.of(decode_senml(payload, device))
    values, names, seconds, units, base_names, base_times = zip(*map(astuple, records), strict=True)
    others = len(records) - 1
    base = base_times[0] or 0.0
    rebased = base_names[1:].count(None) < others or base_times[1:].count(None) < others
    if rebased or "" in units or base + max(seconds) > LATEST:
        return Pack.of(decode_senml(payload, device))
    make = _remembered if others < _REMEMBERED else _layout
    layout = make(device, base_names[0] or "", names, units)
    return Pack(layout=layout, base=base, seconds=seconds, values=values, numeric=True)


def _layout(device: str, base_name: str, names: tuple[str, ...], units: tuple[str | None, ...]) -> Layout:
    return Layout(tuple([_series(f"{base_name}{name}", f"{device}/") for name in names]), units)


_remembered: Final = lru_cache(maxsize=8192)(_layout)
_series: Final = lru_cache(maxsize=65_536)(series_name)
