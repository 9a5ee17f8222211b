"""What is to be expected of an hour, out of the weeks before it: traffic-anomaly's medians, never the hour itself.

traffic-anomaly (Oregon DOT, MIT) takes a series apart into a rolling median, a daily and a weekly pattern of medians.
It fits and judges the same rows; here it is given the rows before a day only, so that what is judged has no part in
what it is judged by, and a score does not change when the rest of the day arrives.
"""

import warnings
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from traffic_anomaly import decompose

HISTORY: Final = pd.Timedelta(days=35)  # five weeks: each hour of each weekday five times
CHECKED: Final = pd.Timedelta(days=7)  # of those, how long forecasts are compared with what came
WEEKLY: Final = 3  # so many weeks before a weekday has a pattern of its own
ALIKE: Final = 2  # else so many days of its kind, working days or weekend
SATURDAY: Final = 5
LEAST: Final = 72  # hours, before anything is expected
TO_SD: Final = 1.4826  # median absolute deviation to standard deviation, of a normal distribution
TAIL: Final = 0.95  # of the errors of all hours; they lie within 1.96 standard deviations, were they normal
TAIL_TO_SD: Final = 1 / 1.96
FITTED: Final = (
    1.5  # how much smaller errors look on rows that were fitted than on new ones, where only those are known
)
FLOOR: Final = 0.02  # of the series' usual size: nothing is so steady that less is worth telling
COLUMNS: Final = ["measure", "at", "value"]


def compare(history: pd.DataFrame, wanted: pd.DataFrame) -> pd.DataFrame:
    """Say of each wanted hour what was to be expected, how far off hours usually are, and how far off it was.

    Args:
        history: measure (int), at (naive local time), value: the weeks before the first wanted hour.
        wanted: the same columns, counted (bool: no count is steadier than chance makes it), and any more: the hours to
            judge.

    Returns:
        `wanted` with expected, spread (a robust standard deviation) and score; without the hours of which nothing
        could be expected.
    """
    if history.empty or wanted.empty:
        return wanted.assign(expected=np.nan, spread=np.nan, score=np.nan).iloc[:0]
    told = wanted.assign(expected=expect(history, wanted), spread=spread(history, wanted))
    told = told[told["expected"].notna() & told["spread"].notna()]
    chance = np.sqrt(told["expected"].clip(lower=1)).where(told["counted"], 0)  # Poisson's
    told["spread"] = np.maximum(told["spread"], chance)
    return told.assign(score=(told["value"] - told["expected"]) / told["spread"])


def expect(history: pd.DataFrame, wanted: pd.DataFrame) -> pd.Series:
    """What the history foretells of the wanted hours; NaN where it is too short.

    The level is the last week's median; the hour's pattern is added, then the weekday's. Of a weekday that was seen
    less than three times, working days or weekends speak; before a second day of its kind nothing is expected.
    """
    parts = _parts(history)
    if parts.empty:
        return pd.Series(np.nan, index=wanted.index)
    level = parts.sort_values("at").groupby("measure")["median"].last()
    hour, weekday = parts["at"].dt.hour, parts["at"].dt.dayofweek
    day = parts.groupby(["measure", hour])["season_day"].first()
    rest = parts["value"] - parts["median"] - parts["season_day"]
    kind = _seen(rest.groupby([parts["measure"], weekday >= SATURDAY, hour]), ALIKE)
    week = _seen(parts.groupby(["measure", weekday, hour])["season_week"], WEEKLY)
    of, hour, weekday = wanted["measure"], wanted["at"].dt.hour, wanted["at"].dt.dayofweek
    pattern = _of(week, of, weekday, hour)
    pattern = np.where(np.isnan(pattern), _of(kind, of, weekday >= SATURDAY, hour), pattern)
    told = of.map(level).to_numpy(dtype=float) + _of(day, of, hour) + pattern
    lowest = wanted["measure"].map(history.groupby("measure")["value"].min()).to_numpy(dtype=float)
    return pd.Series(np.where(lowest >= 0, np.maximum(told, 0), told), index=wanted.index)


def spread(history: pd.DataFrame, wanted: pd.DataFrame) -> pd.Series:
    """How far values usually are from what was expected at that hour of the day; NaN where nobody knows yet.

    The last week of the history is foretold by the weeks before it: errors on what was fitted look too small.
    """
    begin = history["at"].max() - CHECKED
    before, after = history[history["at"] <= begin], history[history["at"] > begin]
    parts = _parts(history)
    foretold = _usual(after.assign(error=after["value"] - expect(before, after)), wanted)
    fitted = _usual(parts.assign(error=FITTED * (parts["value"] - parts["prediction"])), wanted)
    usual = np.where(np.isnan(foretold), fitted, foretold)
    size = history["value"].abs().groupby(history["measure"]).median()
    floor = FLOOR * wanted["measure"].map(size).to_numpy(dtype=float)
    return pd.Series(np.maximum(usual, floor), index=wanted.index).replace(0, np.nan)


def _usual(rows: pd.DataFrame, wanted: pd.DataFrame) -> NDArray[np.float64]:
    """Robust standard deviations of the errors of an hour and its neighbours, and never under those of all hours.

    Of all hours that is by their tail: of what is far off now and then (travel times, little that passes at night), the
    median error says too little, and each time would be a deviation.
    """
    rows = rows[rows["error"].notna()]
    error, of, hour = rows["error"].abs(), rows["measure"], rows["at"].dt.hour
    whole = TAIL_TO_SD * _seen(error.groupby(of), 24, TAIL)
    near = pd.concat(
        [pd.DataFrame({"measure": of, "hour": (hour + shift) % 24, "error": error}) for shift in (-1, 0, 1)]
    )
    by_hour = TO_SD * _seen(near.groupby(["measure", "hour"])["error"], 9)
    local = _of(by_hour, wanted["measure"], wanted["at"].dt.hour)
    told: NDArray[np.float64] = np.fmax(local, wanted["measure"].map(whole).to_numpy(dtype=np.float64))
    return told


def _seen(groups: Any, least: int, share: float = 0.5) -> pd.Series:
    """Medians, or other quantiles, of the groups that have at least so many rows."""
    return groups.quantile(share)[groups.count() >= least]


def _of(pattern: pd.Series, *keys: pd.Series) -> NDArray[np.float64]:
    """What the pattern says of each key; NaN where it says nothing."""
    told: NDArray[np.float64] = pattern.reindex(pd.MultiIndex.from_arrays(list(keys))).to_numpy(dtype=np.float64)
    return told


def _parts(history: pd.DataFrame) -> pd.DataFrame:
    """The library's parts of every measure that has enough hours.

    A rolling median needs a week before it says anything: one over all stands in for it in the first fortnight.
    """
    hours = history.groupby("measure")["at"].agg(["count", "min"])
    begun = history["at"].max() - 2 * CHECKED
    long = hours.index[hours["min"] <= begun]
    short = hours.index[(hours["min"] > begun) & (hours["count"] >= LEAST)]
    some = [_decomposed(history[history["measure"].isin(names)], rolling=names is long) for names in (long, short)]
    return pd.concat([parts for parts in some if not parts.empty] or some[:1], ignore_index=True)


def _decomposed(history: pd.DataFrame, *, rolling: bool) -> pd.DataFrame:
    if history.empty:
        return history[COLUMNS].assign(median=[], season_day=[], season_week=[], prediction=[])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # ibis and DuckDB warn about each other's versions
        return decompose(
            history[COLUMNS],
            datetime_column="at",
            value_column="value",
            entity_grouping_columns=["measure"],
            freq_minutes=60,
            rolling_window_days=7,
            drop_days=7,
            min_rolling_window_samples=LEAST,
            min_time_of_day_samples=2,
            rolling_window_enable=rolling,
            drop_extras=False,
        ).reset_index(drop=True)
