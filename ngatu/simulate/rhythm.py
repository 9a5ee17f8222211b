"""How busy a street is, and how warm: by hour and day of the week."""

import math
from datetime import datetime

SATURDAY = 5


def busyness(local: datetime) -> float:
    """Share of the busiest time, 0 … 1: two peaks on a working day, one long afternoon at the weekend.

    >>> from datetime import datetime
    >>> round(busyness(datetime(2026, 1, 14, 7, 45)), 1), round(busyness(datetime(2026, 1, 14, 3)), 1)
    (1.0, 0.1)
    """
    hour = local.hour + local.minute / 60 + local.second / 3600
    if local.weekday() >= SATURDAY:
        level = 0.55 * _peak(hour, 16.5, 4.5) + 0.3 * _peak(hour, 10.0, 2.5)
    else:
        level = 0.9 * _peak(hour, 7.75, 1.1) + 0.85 * _peak(hour, 17.5, 1.4) + 0.45 * _peak(hour, 12.5, 3.5)
    return min(1.0, 0.06 + level)


def warmth(local: datetime) -> float:
    """-1 (before dawn) … 1 (early afternoon)."""
    return math.cos(2 * math.pi * (local.hour + local.minute / 60 - 14) / 24)


def _peak(hour: float, at: float, width: float) -> float:
    """A bell around an hour, round the clock."""
    away = min(abs(hour - at), 24 - abs(hour - at))
    return math.exp(-((away / width) ** 2) / 2)
