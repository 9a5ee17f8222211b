"""What one connection knows of devices, series and streams, so that a batch need not ask."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from events import BadMessage
from events.pack import Layout, Pack
from ingest.item import Item, is_foreign
from storage import ledger, registry

log: Final = logging.getLogger(__name__)

MAX_SERIES: Final = 20_000  # of one device: a name made of a counter or a time must not fill the registry
MAX_KNOWN: Final = 500_000  # streams or series remembered; more than that, and all is asked again
MAX_LAYOUTS: Final = 8192  # remembered, each of at most so many series as the next line says
LAYOUT_SERIES: Final = 128

Label = tuple[str, str | None]  # a series' name, and the unit that a reading names


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What is known of series, by code."""

    series_id: NDArray[np.int32]
    minimum: NDArray[np.float64]  # NaN: not declared
    maximum: NDArray[np.float64]
    differs: NDArray[np.bool_]  # the unit that the reading names is not the series'


class Catalogue:
    """Everything in it can be asked again: drop it with its connection."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        conn.execute(f"LISTEN {registry.ABOUT_CHANNEL}".encode())
        self._devices: dict[str, int] = {}
        self._streams: set[str] = set()
        self._heard: dict[
            int, datetime | None
        ] = {}  # devices without numbers: since when the durable session hears them
        self._codes: dict[int, dict[Label, int]] = {}  # device → label → index of the lists below
        self._layouts: dict[Layout, NDArray[np.int64]] = {}  # each is one device's
        self._ids: list[int] = []
        self._minima: list[float] = []
        self._maxima: list[float] = []
        self._differs: list[bool] = []
        self._described: Described | None = None  # the four lists as arrays, until one grows

    def device_id(self, name: str) -> int:
        """Id of a device that `learn` has met."""
        return self._devices[name]

    def heard_since(self, name: str) -> datetime | None:
        """Since when the durable session hears a device that numbers nothing, as far as is known here."""
        return self._heard.get(self._devices.get(name, 0))

    def learn(self, items: Sequence[Item]) -> None:
        """Enter what is new of `items`, in short transactions of its own; a message of too many series becomes bad."""
        self._hear_of_abouts()
        self._learn_devices({item.device for item in items if item.device} - self._devices.keys())
        streams = {item.id.stream: self._devices[item.device] for item in items if item.id and item.device}
        if new := {stream: device for stream, device in streams.items() if stream not in self._streams}:
            ledger.begin_streams(self._conn, new)
            self._streams = {*self._streams, *new} if len(self._streams) < MAX_KNOWN else set(new)
        unnumbered = [item for item in items if is_foreign(item) and not item.adapted and not item.bad]
        foreign = {self._devices[item.device] for item in unnumbered if item.device}
        if new_foreign := foreign - self._heard.keys():
            self._heard |= registry.mark_unnumbered(self._conn, sorted(new_foreign))
        for item in items:
            if item.bad is None and isinstance(item.body, Pack) and item.body.layout not in self._layouts:
                self._learn_series(item, item.body.layout)

    def forget_streams(self, streams: Iterable[str]) -> None:
        """They may have been folded away."""
        self._streams -= set(streams)

    def codes(self, device: str, layout: Layout) -> NDArray[np.int64]:
        """For each reading the index of its series in the arrays of `describe`; `learn` has met them all."""
        codes = self._layouts.get(layout)
        if codes is None:
            known = self._codes[self._devices[device]]
            codes = np.array([known[label] for label in zip(layout.series, layout.units, strict=True)], np.int64)
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            if len(layout.series) <= LAYOUT_SERIES:
                self._layouts[layout] = codes
        return codes

    def describe(self) -> Described:
        """What is known of the series behind all codes."""
        if self._described is None:
            self._described = Described(
                series_id=np.array(self._ids, np.int32),
                minimum=np.array(self._minima, np.float64),
                maximum=np.array(self._maxima, np.float64),
                differs=np.array(self._differs, np.bool_),
            )
        return self._described

    def _hear_of_abouts(self) -> None:
        """A device that described itself anew has new limits and units."""
        for notice in self._conn.notifies(timeout=0):
            self._layouts.clear()
            self._codes.pop(int(notice.payload), None)
            self._heard.pop(int(notice.payload), None)

    def _learn_devices(self, names: set[str]) -> None:
        if names:
            self._devices |= registry.ensure_devices(self._conn, sorted(names))

    def _learn_series(self, item: Item, layout: Layout) -> None:
        device_id = self._devices[item.device]
        known = self._codes.get(device_id)
        if known is None:
            known = self._codes[device_id] = {}
            self._enter(device_id, registry.series_of(self._conn, device_id), ())
        wanted = set(zip(layout.series, layout.units, strict=True))
        if missing := wanted - known.keys():
            names = {name for name, _ in known}
            new = {name: unit for name, unit in missing if name not in names}
            if len(names) + len(new) > MAX_SERIES:
                item.bad = BadMessage("too_many_series", f"{len(names)} are known, {min(new)!r} is one too many")
                return
            self._enter(device_id, registry.ensure_series(self._conn, device_id, new), missing)

    def _enter(self, device_id: int, found: Iterable[registry.Series], labels: Iterable[Label]) -> None:
        """Give codes to the series' own labels, and to `labels`: a reading without unit has the series' unit."""
        known = self._codes[device_id]
        by_name = {series.name: series for series in found}
        for series in by_name.values():
            for label in ((series.name, series.unit), (series.name, None)):
                self._code(known, label, series)
        for label in labels:
            self._code(known, label, by_name[label[0]])

    def _code(self, known: dict[Label, int], label: Label, series: registry.Series) -> None:
        if label in known:
            return
        self._described = None
        known[label] = len(self._ids)
        self._ids.append(series.id)
        self._minima.append(np.nan if series.minimum is None else series.minimum)
        self._maxima.append(np.nan if series.maximum is None else series.maximum)
        self._differs.append(None not in {label[1], series.unit} and label[1] != series.unit)
