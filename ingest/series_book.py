"""Which series readings are of: looked up, and entered where they are new, for a whole batch in a few queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np
import psycopg
from numpy.typing import NDArray

from events import BadMessage
from events.pack import Layout, Pack
from ingest.described import Described, Descriptions
from ingest.item import Item
from ingest.past import Past
from ingest.units import SAME, conversion, is_known, ucum
from storage import registry
from storage.registry import Series

MAX_SERIES: Final = 20_000  # of one device: a name made of a counter or a time must not fill the registry
MAX_CODES: Final = 500_000  # remembered; more than that, and all is asked again
MAX_LAYOUTS: Final = 8192  # remembered, each of at most so many series as the next line says
LAYOUT_SERIES: Final = 128

Label = tuple[str, str | None]  # a series' name, and the unit that a reading names


class Lesson(NamedTuple):
    """A message of which not all labels are known."""

    item: Item
    device_id: int
    labels: Sequence[Label]


class SeriesBook:
    """Everything in it can be asked again."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        self._forget_all()

    def _forget_all(self) -> None:
        self._series: dict[int, dict[str, Series]] = {}  # by device, by name
        self._codes: dict[int, dict[Label, int]] = {}  # by device
        self._layouts: dict[Layout, NDArray[np.int64]] = {}  # each is one device's
        self._slots: dict[int, int] = {}  # by series id
        self._descriptions = Descriptions()
        self.past = Past()

    def forget(self, device_id: int) -> None:
        """The device described itself anew: limits and units may be others."""
        self._layouts.clear()
        self._series.pop(device_id, None)
        self._codes.pop(device_id, None)

    def learn(self, items: Sequence[Item], devices: Mapping[str, int]) -> None:
        """Get to know the series of `items`; a message that can't be stored for them becomes bad."""
        if len(self._descriptions) > MAX_CODES:
            self._forget_all()
        met: dict[Layout, Item] = {}
        for item in items:
            if item.bad is None and isinstance(item.body, Pack) and item.body.layout not in self._layouts:
                met.setdefault(item.body.layout, item)
        if met:
            self._learn_devices({devices[item.device] for item in met.values()})
            lessons = self._lessons(items, devices)
            self._enter_series(lessons)
            for lesson in lessons:
                self._learn_labels(lesson)

    def codes(self, device_id: int, layout: Layout) -> NDArray[np.int64]:
        """For each reading the index of its series in the arrays of `described`; `learn` has met them all."""
        codes = self._layouts.get(layout)
        if codes is None:
            known = self._codes[device_id]
            codes = np.array([known[label] for label in _labels(layout)], np.int64)
            if len(self._layouts) >= MAX_LAYOUTS:
                self._layouts.clear()
            if len(layout.series) <= LAYOUT_SERIES:
                self._layouts[layout] = codes
        return codes

    def described(self) -> Described:
        """What is known of the series behind all codes; there is one at least."""
        return self._descriptions.arrays()

    def _learn_devices(self, device_ids: Iterable[int]) -> None:
        new = sorted(set(device_ids) - self._series.keys())
        if new:
            self._series |= {device_id: {} for device_id in new}
            self._codes |= {device_id: {} for device_id in new}
            self._enter(registry.series_of(self._conn, new))

    def _lessons(self, items: Sequence[Item], devices: Mapping[str, int]) -> list[Lesson]:
        """Which messages have labels that have no code yet."""
        lessons: list[Lesson] = []
        for item in items:
            if item.bad is not None or not isinstance(item.body, Pack) or item.body.layout in self._layouts:
                continue
            device_id = devices[item.device]
            known = self._codes[device_id]
            if missing := [label for label in _labels(item.body.layout) if label not in known]:
                lessons.append(Lesson(item, device_id, missing))
        return lessons

    def _enter_series(self, lessons: Sequence[Lesson]) -> None:
        """Make the series that are missing, with the unit that the first reading names."""
        new: dict[tuple[int, str], str | None] = {}
        added: dict[int, int] = defaultdict(int)
        for item, device_id, labels in lessons:
            known = self._series[device_id]
            wanted = {
                (device_id, name): unit and ucum(unit)
                for name, unit in labels
                if name not in known and (device_id, name) not in new
            }
            if len(known) + added[device_id] + len(wanted) > MAX_SERIES:
                first = min(name for _, name in wanted)
                item.bad = BadMessage("too_many_series", f"{len(known)} are known, {first!r} is one too many")
            else:
                item.bad = _unknown_unit([(name, unit) for name, unit in labels if name not in known])
            if item.bad is None:
                new |= wanted
                added[device_id] += len(wanted)
        if new:
            self._enter(registry.ensure_series(self._conn, new))

    def _enter(self, found: Iterable[Series]) -> None:
        """Give codes to readings in the series' own unit, and without one."""
        for series in found:
            self._series[series.device_id][series.name] = series
            for label in ((series.name, series.unit), (series.name, None)):
                if label not in self._codes[series.device_id]:
                    self._codes[series.device_id][label] = self._descriptions.add(self._slot(series.id), series, SAME)

    def _learn_labels(self, lesson: Lesson) -> None:
        """Give codes to readings in other units; a unit that can't be converted makes the message bad."""
        item, device_id, labels = lesson
        for label in labels:
            name, unit = label
            if item.bad is not None or label in self._codes[device_id]:
                continue
            assert unit is not None  # without one it has a code since it was entered
            series = self._series[device_id][name]
            item.bad = _unknown_unit([label])
            into = conversion(unit, series.unit) if series.unit and not item.bad else SAME
            if into is None:
                into_what = f"{name}: {unit!r} can't be converted into {series.unit!r}, the series' unit"
                item.bad = BadMessage("unit", into_what)
            elif item.bad is None:
                self._codes[device_id][label] = self._descriptions.add(self._slot(series.id), series, into)

    def _slot(self, series_id: int) -> int:
        slot = self._slots.get(series_id)
        if slot is None:
            slot = self._slots[series_id] = self.past.add(series_id)
        return slot


def _labels(layout: Layout) -> list[Label]:
    return list(zip(layout.series, layout.units, strict=True))


def _unknown_unit(labels: Iterable[Label]) -> BadMessage | None:
    """Return what is wrong with the first unit that is none."""
    for name, unit in labels:
        if unit and not is_known(unit):
            return BadMessage("unit", f"{name}: {unit[:60]!r} is no unit (UCUM code, or a name of SenML's)")
    return None
