"""What a reading's own past says of it: changed too fast, stuck, or not the only one of its time.

Readings are laid out by series and time, in runs whose readings follow each other. What stands before a run is known
here for what is newer than all that this connection stored (the usual case: nobody is asked), and asked of the database
for what comes late, and for a series met for the first time. A change that another process has stored is asked for
before a value is called stuck.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import psycopg
from numpy.typing import NDArray

from ingest.past import UNASKED, Latest, Past
from storage import history
from storage.readings import DUPLICATE_TIME, STUCK, TOO_FAST

SURE_US: Final = 10_000_000  # microseconds of a series' time for which an answer holds


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Readings in any order, all arrays (n,)."""

    slot: NDArray[np.int64]
    at: NDArray[np.int64]  # microseconds since 1970
    value: NDArray[np.float64]
    max_rate: NDArray[np.float64]  # units a second; NaN: not declared
    stuck_after_s: NDArray[np.float64]  # NaN: not declared
    numbered: NDArray[np.bool_]  # others are unique by series and time anyway

    def at_index(self, order: NDArray[np.int64]) -> "Rows":
        """Those at these places."""
        return Rows(**{name: getattr(self, name)[order] for name in self.__slots__})


def judge(conn: psycopg.Connection, past: Past, rows: Rows) -> tuple[NDArray[np.int16], Latest]:
    """Return the quality bits of each reading, and what `past` is to keep once the batch is committed.

    Args:
        conn: to ask; the batch itself is not stored yet.
        past: of all series of `rows`.
        rows: at least one.
    """
    order = np.lexsort((rows.at, rows.slot))
    laid = rows.at_index(order)
    other_series = laid.slot[1:] != laid.slot[:-1]
    _ask_of_new(conn, past, laid, np.flatnonzero(np.concatenate([[True], other_series])))
    late = laid.at <= past.at[laid.slot]
    _break_runs(conn, past, laid, late)
    start, standing = _standing(conn, past, laid, late)
    gap, step, since = _follow(laid, start, standing)
    duplicate = ((gap == 0) | _held(conn, past, laid, late)) & laid.numbered
    too_fast = (gap > 0) & (np.abs(step) > laid.max_rate * (gap / 1e6))
    stuck = (step == 0) & _stands_too_long(laid, since)
    if stuck.any():
        _hear_of_others(conn, past, laid, since, stuck)
        stuck &= _stands_too_long(laid, since)
    bits = np.empty(len(order), np.int16)
    bits[order] = duplicate * DUPLICATE_TIME + too_fast * TOO_FAST + stuck * STUCK
    end = _last_of_each(laid.slot, np.arange(len(order)))
    return bits, Latest(slot=laid.slot[end], at=laid.at[end], value=laid.value[end], since=since[end])


def _ask_of_new(conn: psycopg.Connection, past: Past, laid: Rows, first: NDArray[np.int64]) -> None:
    """Learn of series that nothing is known of; `first` is the place of the first reading of each."""
    first = first[past.at[laid.slot[first]] == UNASKED]
    if len(first):
        ids = past.series_id[laid.slot[first]]
        known = history.before(conn, ids, laid.at[first], laid.stuck_after_s[first], newest=True)
        past.learn(laid.slot[first], known)


def _break_runs(conn: psycopg.Connection, past: Past, laid: Rows, late: NDArray[np.bool_]) -> None:
    """What stood unchanged did not, where another value comes late from amidst: it stands since the next one."""
    amidst = late & (laid.at > past.since[laid.slot]) & (laid.value != past.value[laid.slot])
    broken = _last_of_each(laid.slot, np.flatnonzero(amidst & ~np.isnan(laid.stuck_after_s)))
    if len(broken):
        slot = laid.slot[broken]
        after = np.minimum(broken + 1, len(late) - 1)
        following = np.where((laid.slot[after] == slot) & (after > broken), laid.at[after], history.AFTER_ALL)
        stored = history.next_after(conn, past.series_id[slot], laid.at[broken])
        past.since[slot] = np.minimum(following, stored)


def _last_of_each(slot: NDArray[np.int64], places: NDArray[np.int64]) -> NDArray[np.int64]:
    """The last of `places` of each slot; `slot` is sorted."""
    of = slot[places]
    last = np.ones(len(of), np.bool_)
    last[:-1] = of[1:] != of[:-1]
    return places[last]


def _standing(
    conn: psycopg.Connection, past: Past, laid: Rows, late: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], history.Before]:
    """Return the places of readings that follow on none of the batch, and what stands before each of them."""
    previous = np.concatenate([[history.NEVER], laid.at[:-1]])
    previous[1:][laid.slot[1:] != laid.slot[:-1]] = history.NEVER
    begins = (previous == history.NEVER) | (~late & np.concatenate([[False], late[:-1]]))
    standing = history.Before(past.at[laid.slot], past.value[laid.slot], past.since[laid.slot])
    standing.at[late], standing.value[late] = history.NEVER, np.nan  # where there is no limit, nobody wants to know
    asked = np.flatnonzero(late & ~(np.isnan(laid.max_rate) & np.isnan(laid.stuck_after_s)))
    if len(asked):
        answer = history.before(conn, past.series_id[laid.slot[asked]], laid.at[asked], laid.stuck_after_s[asked])
        standing.at[asked], standing.value[asked], standing.since[asked] = answer
        begins[asked] |= answer.at > previous[asked]
    start = np.flatnonzero(begins)
    return start, history.Before(standing.at[start], standing.value[start], standing.since[start])


def _follow(
    laid: Rows, start: NDArray[np.int64], standing: history.Before
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64]]:
    """Return time (microseconds) and change since the reading before (NaN: none), and since when the value stands."""
    gap, step = np.diff(laid.at, prepend=0), np.diff(laid.value, prepend=0.0)
    gap[start], step[start] = laid.at[start] - standing.at, laid.value[start] - standing.value
    begun = laid.at.copy()
    begun[start] = np.where(step[start] == 0, standing.since, laid.at[start])
    marks = step != 0
    marks[start] = True
    return gap, step, begun[np.maximum.accumulate(np.where(marks, np.arange(len(marks)), 0))]


def _held(conn: psycopg.Connection, past: Past, laid: Rows, late: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which of the late readings find one of their time in the database."""
    found = np.zeros(len(late), np.bool_)
    asked = np.flatnonzero(late & laid.numbered)
    if len(asked):
        found[asked] = history.held(conn, past.series_id[laid.slot[asked]], laid.at[asked])
    return found


def _stands_too_long(laid: Rows, since: NDArray[np.int64]) -> NDArray[np.bool_]:
    too_long: NDArray[np.bool_] = laid.at - since >= laid.stuck_after_s * 1e6
    return too_long


def _hear_of_others(
    conn: psycopg.Connection, past: Past, laid: Rows, since: NDArray[np.int64], stuck: NDArray[np.bool_]
) -> None:
    """Correct `since` where another process has stored another value meanwhile; asked now and then of each series."""
    asked = _last_of_each(laid.slot, np.flatnonzero(stuck & (laid.at - past.sure[laid.slot] > SURE_US)))
    if not len(asked):
        return
    slot, until = laid.slot[asked], laid.at[asked]
    after = until - (laid.stuck_after_s[asked] * 1e6).astype(np.int64)
    other = history.last_otherwise(conn, past.series_id[slot], laid.value[asked], after, until)
    past.sure[slot[other == history.NEVER]] = until[other == history.NEVER]
    changed = np.full(len(past), history.NEVER)
    changed[slot] = other
    np.maximum(since, changed[laid.slot], out=since)
