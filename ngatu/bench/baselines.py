"""What is normal, judged on labelled series: ours and a plain threshold, chosen on some, reported on the others."""

import logging
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from dags.baseline.days import THRESHOLD
from dags.baseline.normal import HISTORY, compare
from ngatu.bench.nab import Series, Verdict, judge, read_series

log: Final = logging.getLogger(__name__)

SEED: Final = 20260302
NAB: Final = "NAB realTraffic"
AS_IN_THE_DAG: Final = "ours, as the DAG has it"
CANDIDATES: Final = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0)
Scored = tuple[Series, "pd.Series"]
Method = Callable[[Sequence[Series]], "list[pd.Series]"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OneSeries:
    """How a method did on a series that had no part in choosing its threshold."""

    data: str
    method: str
    series: str
    windows: int
    found: int
    false_alarms: int
    score: float
    precision: float
    recall: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """A method on all reported series of a data set; `at_ours` is the same at the threshold that the DAG uses."""

    data: str
    method: str
    threshold: float
    score: float
    precision: float
    recall: float
    at_ours: float
    by_series: list[OneSeries]


def measure(nab: Path | None, *, as_counts_choose: bool = False) -> list[Figures]:
    """Judge both methods on real counts with made-up trouble, and on NAB's traffic series where a checkout is given.

    Args:
        nab: a checkout of NAB.
        as_counts_choose: report every series of NAB, at the thresholds that the counts chose, ours at the DAG's too;
            else every second of them chooses for the others.

    Raises:
        BadNab: the folder is no checkout of NAB.
    """
    labelled = [] if nab is None else read_series(nab)
    counts = _measure("counts with made-up trouble", troubled_counts())
    if nab is None:
        return counts
    chosen = {one.method: one.threshold for one in counts}
    return [*(_at(NAB, labelled, chosen) if as_counts_choose else _measure(NAB, labelled)), *counts]


def headline(figures: Sequence[Figures]) -> dict[str, Any]:
    """One JSON object: each method's score on each data set, how much more ours gets, and all the rest."""
    scores = {(one.data, one.method): one.score for one in figures}
    told: dict[str, Any] = {}
    for data in dict.fromkeys(one.data for one in figures):
        name = data.split()[0].lower()
        mine, plain_score = scores[data, "ours"], scores[data, "plain threshold"]
        told |= {f"{name}_score": mine, f"{name}_score_of_plain": plain_score, f"{name}_gain": mine - plain_score}
    return told | {"figures": [asdict(one) for one in figures]}


def lines(figures: Sequence[Figures]) -> list[str]:
    """The figures as a table: each method on each data set, then each series."""
    told = []
    for one in figures:
        told.append(
            f"{one.data}, {one.method}: NAB score {one.score:.1f}, "
            f"precision {one.precision:.2f}, recall {one.recall:.2f}"
            f" at threshold {one.threshold:g}; at the DAG's {THRESHOLD:g}: {one.at_ours:.1f}"
        )
        told += [
            f"  {row.series}: NAB score {row.score:.1f}, {row.found} of {row.windows} windows, "
            f"{row.false_alarms} false alarms"
            for row in one.by_series
        ]
    return told


def _measure(data: str, series: Sequence[Series]) -> list[Figures]:
    """Every second series, by name, chooses the threshold; the others are reported. One alone has the DAG's."""
    ordered = sorted(series, key=lambda one: one.name)
    methods: dict[str, Method] = {"ours": ours, "plain threshold": plain}
    return [_figures(data, name, ordered, method(ordered)) for name, method in methods.items()]


def _at(data: str, series: Sequence[Series], chosen: Mapping[str, float]) -> list[Figures]:
    """Every series, at thresholds that others chose."""
    found, limited = ours(series), plain(series)
    return [
        _reported(data, AS_IN_THE_DAG, list(zip(series, found, strict=True)), THRESHOLD),
        _reported(data, "ours", list(zip(series, found, strict=True)), chosen["ours"]),
        _reported(data, "plain threshold", list(zip(series, limited, strict=True)), chosen["plain threshold"]),
    ]


def _figures(data: str, method: str, series: Sequence[Series], scores: Sequence[pd.Series]) -> Figures:
    pairs = list(zip(series, scores, strict=True))
    choosing, reported = (pairs[::2], pairs[1::2]) if len(pairs) > 1 else ([], pairs)
    chosen = max(CANDIDATES, key=lambda threshold: _total(choosing, threshold).score) if choosing else THRESHOLD
    return _reported(data, method, reported, chosen)


def _total(pairs: Sequence[Scored], threshold: float) -> Verdict:
    return reduce(add, (judge(one, alarms(one, found, threshold)) for one, found in pairs))


def _reported(data: str, method: str, reported: Sequence[Scored], chosen: float) -> Figures:
    verdict = _total(reported, chosen)
    rows = []
    for one, found in reported:
        told = judge(one, alarms(one, found, chosen))
        rows.append(
            OneSeries(
                data=data, method=method, series=one.name, windows=told.windows, found=told.found,
                false_alarms=told.false_alarms, score=told.score, precision=told.precision, recall=told.recall,
            )
        )  # fmt: skip
    return Figures(
        data=data, method=method, threshold=chosen, score=verdict.score, precision=verdict.precision,
        recall=verdict.recall, at_ours=_total(reported, THRESHOLD).score, by_series=rows,
    )  # fmt: skip


def alarms(series: Series, scores: pd.Series, threshold: float) -> list[int]:
    """Rows at which a deviation is known: the first row after its first hour has ended."""
    side = np.sign(scores).where(scores.abs() >= threshold, 0)
    before = side.reindex(side.index - timedelta(hours=1)).to_numpy()
    begins = side.index[(side != 0) & (side.to_numpy() != before)]
    ends = np.array([hour + timedelta(hours=1) for hour in begins], dtype="datetime64[us]")
    rows = np.searchsorted(np.array(series.times, dtype="datetime64[us]"), ends)
    return [int(row) for row in rows if row < len(series.times)]


def ours(series: Sequence[Series]) -> list[pd.Series]:
    """Scores of the DAG's own comparison, day by day, of each hour; the days before it are all that it knows."""
    hours = pd.concat([_hourly(number, one) for number, one in enumerate(series)], ignore_index=True)
    days = hours["at"].dt.normalize()
    told = []
    for day in sorted(days.unique()):
        history = hours[(hours["at"] < day) & (hours["at"] >= day - HISTORY)]
        told.append(compare(history, hours[days == day]))
    scored = pd.concat(told, ignore_index=True)
    return [scored[scored["measure"] == number].set_index("at")["score"] for number in range(len(series))]


def plain(series: Sequence[Series]) -> list[pd.Series]:
    """Standard deviations from the mean of the learning part: what an alarm limit on a dashboard does."""
    told = []
    for number, one in enumerate(series):
        hours = _hourly(number, one).set_index("at")["value"]
        begin = one.times[one.learning]
        learned = hours[hours.index < begin]
        told.append((hours - learned.mean()) / max(float(learned.std()), 1e-9))
    return told


def troubled_counts() -> list[Series]:
    """Hourly counts of the 26 days of detectors that traffic-anomaly carries (Oregon), with two troubles in each.

    In the second half of each series, six busy hours are halved and six are doubled, where a seeded die falls.
    """
    from traffic_anomaly import sample_data  # noqa: PLC0415 - reads its files when asked

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ibis and DuckDB warn about each other's versions
        counts: Any = sample_data.vehicle_counts
    chance = np.random.default_rng(SEED)
    found = []
    for detector, rows in counts.groupby("detector"):
        hours = rows.set_index("timestamp")["total"].astype(float).resample("1h").sum()
        if len(hours) >= 24 * 20 and hours.median() >= 10:
            found.append(_troubled(f"detector {detector}", hours, chance))
    return found


def _troubled(name: str, hours: pd.Series, chance: np.random.Generator) -> Series:
    values = hours.to_numpy(copy=True)
    days = len(values) // 24
    windows = []
    for times, first, last in ((0.5, days // 2, 3 * days // 4), (2.0, 3 * days // 4, days)):
        begin = int(24 * chance.integers(first, last) + chance.integers(8, 14))
        values[begin : begin + 6] *= times
        windows.append((begin, begin + 6))  # an hour is known when it has ended
    return Series(
        name=name,
        times=[at.to_pydatetime() for at in hours.index],
        values=values.tolist(),
        windows=windows,
        counted=True,
    )


def _hourly(number: int, series: Series) -> pd.DataFrame:
    rows = pd.Series(series.values, index=pd.DatetimeIndex(series.times))
    hours = rows.groupby(rows.index.floor("h")).mean()
    return pd.DataFrame({"measure": number, "at": hours.index, "value": hours.to_numpy(), "counted": series.counted})
