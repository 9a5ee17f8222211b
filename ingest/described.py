"""What a batch must know of the series of its readings: arrays by code, for each series and unit that it comes in."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.units import SAME, Conversion
from storage.registry import Series


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """By code; NaN: not declared."""

    slot: NDArray[np.int64]  # of the series, in `Past`
    series_id: NDArray[np.int32]
    minimum: NDArray[np.float64]
    maximum: NDArray[np.float64]
    max_rate: NDArray[np.float64]
    stuck_after_s: NDArray[np.float64]
    numerator: NDArray[np.float64]  # of the conversion from the reading's unit into the series'
    offset: NDArray[np.float64]
    denominator: NDArray[np.float64]
    converts: NDArray[np.bool_]  # the conversion does something


class Descriptions:
    """Grows by a code at a time; the arrays are made when they are asked for."""

    def __init__(self) -> None:
        self._rows: list[tuple[int, Series, Conversion]] = []
        self._described: Described | None = None

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, slot: int, series: Series, conversion: Conversion) -> int:
        """Return the code of readings of `series` that need this conversion."""
        self._described = None
        self._rows.append((slot, series, conversion))
        return len(self._rows) - 1

    def arrays(self) -> Described:
        """Everything by code."""
        if self._described is None:
            slots, series, conversions = zip(*self._rows, strict=True)
            self._described = Described(
                slot=np.array(slots, np.int64),
                series_id=np.array([one.id for one in series], np.int32),
                minimum=np.array([one.minimum for one in series], np.float64),
                maximum=np.array([one.maximum for one in series], np.float64),
                max_rate=np.array([one.max_rate for one in series], np.float64),
                stuck_after_s=np.array([one.stuck_after_s for one in series], np.float64),
                numerator=np.array([one.numerator for one in conversions], np.float64),
                offset=np.array([one.offset for one in conversions], np.float64),
                denominator=np.array([one.denominator for one in conversions], np.float64),
                converts=np.array([one != SAME for one in conversions], np.bool_),
            )
        return self._described
