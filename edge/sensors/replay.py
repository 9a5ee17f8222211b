"""Readings out of a file, shifted by whole weeks (or days) to now: days of history at once, then live, for ever.

The file is CSV with the header `at,series,value,unit`, `at` in RFC 3339 with a zone.
"""

import csv
import logging
import math
from array import array
from bisect import bisect_right
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import Final

from edge.sensors.sensor import Content, Made
from edge.settings import Replay
from events.about import Sensor as Described
from events.envelope import MessageId
from events.reading import NAME, Reading

log = logging.getLogger(__name__)

HEADER: Final = ["at", "series", "value", "unit"]
LOOP_S: Final = {"week": 7 * 86_400.0, "day": 86_400.0}
PACK: Final = 500  # readings in a message, at most
PACKS: Final = 40  # messages made at one asking: history does not crowd out what is measured now


class BadReplay(ValueError):
    """A replay file that can't be used; the message says where, what and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """A file's readings in order of time, in columns: a million take 18 MB."""

    at: "array[float]"  # Unix seconds, sorted
    series: "array[int]"  # which of `names`
    value: "array[float]"
    names: tuple[str, ...]
    units: tuple[str | None, ...]
    periods: tuple[float | None, ...]  # of each series: the usual seconds between two readings; None: it has one only
    span: float  # seconds after which it begins again: whole weeks or days


def load(path: Path, loop: float, prefix: str = "") -> Recording:
    """Read a replay file; of its readings the last whole loops are kept.

    Raises:
        BadReplay: it can't be read, a line is wrong, or it is shorter than one loop.
    """
    rows: list[tuple[float, int, float]] = []
    names: dict[str, int] = {}
    units: list[str | None] = []
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            if next(reader, None) != HEADER:
                raise BadReplay(f"{path} line 1: the header must be {','.join(HEADER)}")
            for row in reader:
                at, name, value, unit = _parse(row, f"{path} line {reader.line_num}")
                if name not in names:
                    names[name] = len(names)
                    units.append(unit)
                rows.append((at, names[name], value))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadReplay(f"{path}: {error}") from error
    return _recording(path, sorted(rows), tuple(prefix + name for name in names), tuple(units), loop)


def _parse(row: list[str], where: str) -> tuple[float, str, float, str | None]:
    try:
        at, name, value, unit = row
        moment = datetime.fromisoformat(at)
        number = float(value)
    except ValueError as error:
        raise BadReplay(f"{where}: expected {','.join(HEADER)}: {error}") from error
    if moment.tzinfo is None:
        raise BadReplay(f"{where}: {at} has no zone; write for example 2024-04-18T07:15:00+07:00")
    if not math.isfinite(number):
        raise BadReplay(f"{where}: value {value} is no number; leave the line out")
    if not NAME.fullmatch(name):
        raise BadReplay(f"{where}: series {name!r}: letters, digits and -:./_ only")
    return moment.timestamp(), name, number, unit or None


def _recording(
    path: Path, rows: list[tuple[float, int, float]], names: tuple[str, ...], units: tuple[str | None, ...], loop: float
) -> Recording:
    step = _step(rows)
    loops = int((rows[-1][0] - rows[0][0] + step) // loop) if rows else 0
    if loops < 1:
        raise BadReplay(f"{path}: holds less than one loop of {loop / 86_400:g} days; use `loop: day` or a longer file")
    span = loops * loop
    kept = rows[bisect_right(rows, (rows[-1][0] - span, math.inf)) :]
    return Recording(
        at=array("d", [row[0] for row in kept]),
        series=array("L", [row[1] for row in kept]),
        value=array("d", [row[2] for row in kept]),
        names=names,
        units=units,
        periods=tuple(_period([at for at, which, _ in kept if which == series]) for series in range(len(names))),
        span=span,
    )


def _step(rows: list[tuple[float, int, float]]) -> float:
    """Seconds between two readings of the first series: how long the file's last reading speaks for."""
    times = [at for at, which, _ in rows if which == 0][:100]
    return min((later - earlier for earlier, later in pairwise(times) if later > earlier), default=0)


def note_key(settings: Replay) -> str:
    """What a replay's progress is noted under."""
    return f"replay {settings.prefix or ''} {settings.file}"


def _period(times: list[float]) -> float | None:
    return median(later - earlier for earlier, later in pairwise(times)) if len(times) > 1 else None


class ReplaySensor:
    """Plays a recording. How far it has come is remembered with what it sent: nothing is sent twice."""

    needs_clock = True
    wants_kept = False

    def __init__(self, settings: Replay, folder: Path, known: str | None) -> None:
        """Load the file.

        Args:
            settings: which file, and how.
            folder: where relative paths begin.
            known: what was noted with the last pack in the run before; None: it is new.
        """
        self._settings = settings
        prefix = f"{settings.prefix}/" if settings.prefix else ""
        self._recording = load(folder / settings.file, LOOP_S[settings.loop], prefix)
        self._sent_up_to: float | None = float(known) if known else None  # Unix seconds, in shifted time

    def read(self, now: float) -> list[Made]:
        """What the recording has between the last asking and now."""
        if self._sent_up_to is None or self._sent_up_to > now:
            self._sent_up_to = now - self._settings.history_days * 86_400 if self._sent_up_to is None else now
        packs: list[Made] = []
        while len(packs) < PACKS:
            readings = self._some(self._sent_up_to, now)
            if not readings:
                self._sent_up_to = now
                break
            self._sent_up_to = readings[-1].at or now
            packs.append(Made(readings, (note_key(self._settings), repr(self._sent_up_to))))
        return packs

    def _some(self, after: float, now: float) -> list[Reading]:
        """Readings of (after, now], at most about PACK; all of one instant stay together."""
        recording = self._recording
        base = recording.at[0]
        turn = math.floor((after - base) / recording.span)
        shift = turn * recording.span
        index = bisect_right(recording.at, after - shift)
        readings: list[Reading] = []
        while True:
            if index == len(recording.at):
                index, shift = 0, shift + recording.span
            at = recording.at[index] + shift
            if at > now or (len(readings) >= PACK and at != readings[-1].at):
                return readings
            which = recording.series[index]
            readings.append(Reading(recording.names[which], at, recording.value[index], recording.units[which]))
            index += 1

    def kept(self, message_id: MessageId, content: Content) -> None:
        """Not asked for."""

    def describe(self) -> tuple[Described, ...]:
        """Its series."""
        told = {sensor.name: sensor for sensor in self._settings.describe}
        recording = self._recording
        for name, unit, period in zip(recording.names, recording.units, recording.periods, strict=True):
            told.setdefault(name, Described(name=name, unit=unit, period_s=period))
        return tuple(told.values())
