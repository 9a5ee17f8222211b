"""The last reading of each series that a connection has stored: columns, a row a series, some 50 bytes each."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from storage.history import NEVER, Before

UNASKED: Final = NEVER - 1  # not even the database was asked yet
FIRST_SIZE: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Latest:
    """What a batch would leave behind: arrays (n,), a slot once."""

    slot: NDArray[np.int64]
    at: NDArray[np.int64]
    value: NDArray[np.float64]
    since: NDArray[np.int64]


class Past:
    """Rows by slot; the catalogue gives the slots out. Times are microseconds since 1970."""

    def __init__(self) -> None:
        self._size = 0
        self.series_id: NDArray[np.int32] = np.zeros(FIRST_SIZE, np.int32)
        self.at: NDArray[np.int64] = np.full(FIRST_SIZE, UNASKED)
        self.value: NDArray[np.float64] = np.full(FIRST_SIZE, np.nan)
        self.since: NDArray[np.int64] = np.full(FIRST_SIZE, NEVER)  # since when the value stands
        self.sure: NDArray[np.int64] = np.full(FIRST_SIZE, NEVER)  # until when the database knew of no other value

    def __len__(self) -> int:
        return self._size

    def add(self, series_id: int) -> int:
        """Return the slot of a new series."""
        slot = self._size
        if slot == len(self.series_id):
            self._grow()
        self.series_id[slot] = series_id
        self._size += 1
        return slot

    def learn(self, slots: NDArray[np.int64], known: Before) -> None:
        """Enter what the database has."""
        self.at[slots], self.value[slots], self.since[slots] = known

    def keep(self, latest: Latest) -> None:
        """Enter what has been stored, where it is the newest."""
        newer = latest.at > self.at[latest.slot]
        slot = latest.slot[newer]
        self.at[slot], self.value[slot], self.since[slot] = latest.at[newer], latest.value[newer], latest.since[newer]

    def _grow(self) -> None:
        more = len(self.series_id)
        self.series_id = np.concatenate([self.series_id, np.zeros(more, np.int32)])
        self.at = np.concatenate([self.at, np.full(more, UNASKED)])
        self.value = np.concatenate([self.value, np.full(more, np.nan)])
        self.since = np.concatenate([self.since, np.full(more, NEVER)])
        self.sure = np.concatenate([self.sure, np.full(more, NEVER)])
