"""Compare days with what was normal: load the weeks before, ask the library, store hours and deviations."""

import logging
from datetime import date, datetime, timedelta
from typing import Any, Final

import pandas as pd
from psycopg import Connection

from dags.baseline.normal import HISTORY, compare
from storage.aggregates import Done
from storage.baselines import (
    Hours,
    Scored,
    begin,
    bounds_of,
    due_days,
    hours_between,
    measures_between,
    record_compared,
    store_scored,
)

log: Final = logging.getLogger(__name__)

THRESHOLD: Final = 4.0  # docs/reports.md says how it was chosen
LOOKBACK: Final = timedelta(days=40)
TOGETHER: Final = 500  # measures in memory at once: 35 days of hours are 420,000 rows


def compare_due_days(conn: Connection[Any], *, now: datetime) -> Done:
    """Compare every day whose hours have changed since its last comparison. Safe to repeat."""
    return sum((compare_day(conn, day) for day in due_days(conn, now=now, lookback=LOOKBACK)), Done())


def compare_day(conn: Connection[Any], day: date) -> Done:
    """Compare the hours of `day` with what the weeks before it foretell; return hours read, rows written, changed."""
    lo, hi = bounds_of(conn, day)
    done = Done()
    with conn.transaction():
        at = begin(conn)
        for some in _by(measures_between(conn, lo, hi)):
            hours = _frame(hours_between(conn, some, lo - HISTORY.to_pytimedelta(), hi))
            told = compare(hours[hours["bucket"] < lo], hours[hours["bucket"] >= lo])
            done += Done(read=len(hours)) + store_scored(conn, some, lo, hi, _columns(told), THRESHOLD)
        record_compared(conn, day, at)
    log.info("compared day=%s read=%d written=%d changed=%d", day, done.read, done.written, done.changed)
    return done


def _by(measures: list[int]) -> list[list[int]]:
    return [measures[first : first + TOGETHER] for first in range(0, len(measures), TOGETHER)]


def _frame(hours: Hours) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "measure": pd.Series(hours.measure_ids, dtype="int64"),
            "bucket": pd.Series(hours.buckets, dtype="datetime64[us, UTC]"),
            "at": pd.Series(hours.local, dtype="datetime64[us]"),
            "value": pd.Series(hours.values, dtype="float64"),
            "counted": pd.Series(hours.counted, dtype="bool"),
        }
    )


def _columns(told: pd.DataFrame) -> Scored:
    """As the database takes them; seven digits, so that the same hours always give the same rows."""
    expected, spreads, scores = (
        [float(f"{value:.7g}") for value in told[name]] for name in ("expected", "spread", "score")
    )
    return Scored(
        measure_ids=told["measure"].tolist(),
        buckets=[bucket.to_pydatetime() for bucket in told["bucket"]],
        values=told["value"].tolist(),
        expected=expected,
        spreads=spreads,
        scores=scores,
    )
