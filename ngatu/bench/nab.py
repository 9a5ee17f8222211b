"""Numenta's anomaly benchmark: its series, its windows, its score. The data is the caller's: a checkout of NAB.

Scoring after Lavin and Ahmad, "Evaluating real-time anomaly detection algorithms, the Numenta Anomaly Benchmark",
ICMLA 2015, standard profile: early in a window is worth more, a false alarm costs 0.11, a missed window 1; the first
15 % of a series are for learning. 0 is what silence gets, 100 what a perfect detector gets.
"""

import csv
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

FALSE: Final = 0.11  # what a false alarm costs
LEARNING: Final = 0.15
MOST_LEARNING: Final = 750  # rows
SLACK: Final = timedelta(milliseconds=1)  # labels are written in microseconds
FAR: Final = 3.0  # window widths past a window: as false as can be


class BadNab(ValueError):
    """The folder is no checkout of NAB; the message says what is missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One labelled series; windows are pairs of row numbers, both inside."""

    name: str
    times: list[datetime]
    values: list[float]
    windows: list[tuple[int, int]]
    counted: bool = False  # whether the values are counts

    @property
    def learning(self) -> int:
        """How many rows at the beginning are not scored."""
        return int(min(LEARNING * len(self.times), MOST_LEARNING))


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How alarms did on a series: raw score, counts, and what silence and perfection would get."""

    raw: float
    found: int
    windows: int
    false_alarms: int
    silence: float
    perfect: float

    def __add__(self, other: "Verdict") -> "Verdict":
        sums = {name: getattr(self, name) + getattr(other, name) for name in Verdict.__slots__}
        return Verdict(**sums)

    @property
    def score(self) -> float:
        """NAB's score, 100 at best; below 0 is worse than silence."""
        return 100 * (self.raw - self.silence) / (self.perfect - self.silence) if self.windows else math.nan

    @property
    def recall(self) -> float:
        """Share of windows in which there was an alarm."""
        return self.found / self.windows if self.windows else math.nan

    @property
    def precision(self) -> float:
        """Share of alarms that were true: windows found, among those and the false alarms."""
        alarms = self.found + self.false_alarms
        return self.found / alarms if alarms else math.nan


def read_series(folder: Path, group: str = "realTraffic") -> list[Series]:
    """Read the series of a group with their combined windows.

    Raises:
        BadNab: files of a checkout are missing.
    """
    labels = folder / "labels" / "combined_windows.json"
    files = sorted((folder / "data" / group).glob("*.csv"))
    if not files or not labels.is_file():
        raise BadNab(f"{folder}: no checkout of NAB: data/{group}/*.csv and labels/combined_windows.json are needed")
    windows = json.loads(labels.read_text("utf-8"))
    return [_read(file, windows[f"{group}/{file.name}"]) for file in files]


def judge(series: Series, alarms: Iterable[int]) -> Verdict:
    """Score alarms, given as row numbers. Rows of the same run of alarms each count, as in NAB."""
    scored = sorted({row for row in alarms if row >= series.learning})
    windows = [window for window in series.windows if window[1] >= series.learning]
    raw = 0.0
    found = 0
    for lo, hi in windows:
        inside = [row for row in scored if lo <= row <= hi]
        raw += _sigmoid(-(hi - inside[0] + 1) / (hi - lo + 1)) / _sigmoid(-1) if inside else -1
        found += bool(inside)
    false = [row for row in scored if not any(lo <= row <= hi for lo, hi in series.windows)]
    raw += sum(FALSE * _sigmoid(_past(series.windows, row)) for row in false)
    many = len(windows)
    return Verdict(raw=raw, found=found, windows=many, false_alarms=_runs(false), silence=-many, perfect=many)


def _past(windows: Sequence[tuple[int, int]], row: int) -> float:
    """How far past the last window a row is, in widths of it."""
    before = [(hi - lo, row - hi) for lo, hi in windows if hi < row]
    return before[-1][1] / max(before[-1][0], 1) if before else FAR


def _sigmoid(place: float) -> float:
    """What an alarm is worth: -1 the window's left edge, 0 its right edge, past it less than nothing."""
    return -1.0 if place >= FAR else 2 / (1 + math.exp(5 * place)) - 1


def _runs(rows: Sequence[int]) -> int:
    """How many alarms people would hear: rows next to each other are one."""
    return sum(1 for number, row in enumerate(rows) if number == 0 or row > rows[number - 1] + 1)


def _read(file: Path, windows: list[list[str]]) -> Series:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [(datetime.fromisoformat(row["timestamp"]), float(row["value"])) for row in csv.DictReader(lines)]
    rows.sort()
    at = [row[0] for row in rows]
    bounds = [(datetime.fromisoformat(a), datetime.fromisoformat(b)) for a, b in windows]
    inside = [[n for n, when in enumerate(at) if lo - SLACK <= when <= hi + SLACK] for lo, hi in bounds]
    return Series(
        name=file.stem,
        times=at,
        values=[row[1] for row in rows],
        windows=[(rows_in[0], rows_in[-1]) for rows_in in inside if rows_in],
    )
