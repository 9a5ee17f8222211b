"""What simulated sensors measure: a rhythm, the sensor's own bias, and noise that wanders."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from events.about import Sensor
from ngatu.simulate.rhythm import busyness, warmth

STEP: Final = 12.0  # standard deviations between two readings
STILL: Final = 20.0  # readings of the same value: chance makes a handful


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """A kind of series."""

    name: str
    unit: str
    minimum: float
    maximum: float
    usual: Callable[[datetime], float]  # by local time
    spread: float  # standard deviation of the noise, and of the bias
    rests: bool = False  # at night it may say the same for long

    def sensor(self, period_s: float) -> Sensor:
        """How `about` describes it: limits that a sensor which works does not touch."""
        return Sensor(
            name=self.name,
            unit=self.unit,
            minimum=self.minimum,
            maximum=self.maximum,
            max_rate=round(STEP * self.spread / period_s, 6),
            stuck_after_s=None if self.rests else round(STILL * period_s, 3),
            period_s=round(period_s, 3),
        )


def _gauge(
    name: str,
    unit: str,
    between: tuple[float, float],
    spread: float,
    usual: Callable[[datetime], float],
    *,
    rests: bool = False,
) -> Gauge:
    return Gauge(name=name, unit=unit, minimum=between[0], maximum=between[1], usual=usual, spread=spread, rests=rests)


AIR: Final = (
    _gauge("air/temperature", "Cel", (-10, 50), 0.8, lambda at: 26 + 4 * warmth(at)),
    _gauge("air/humidity", "%", (0, 100), 3.0, lambda at: 72 - 12 * warmth(at)),
    _gauge("air/pm2_5", "ug/m3", (0, 1000), 6.0, lambda at: 28 + 40 * busyness(at)),
)
NOISE: Final = (_gauge("noise/level", "dB", (20, 140), 2.0, lambda at: 48 + 26 * busyness(at)),)
LOOP: Final = (
    _gauge("loop/flow", "/min", (0, 200), 4.0, lambda at: 3 + 70 * busyness(at), rests=True),
    _gauge("loop/occupancy", "%", (0, 100), 2.5, lambda at: 4 + 45 * busyness(at), rests=True),
)
BOX: Final = (_gauge("box/temperature", "Cel", (-20, 90), 1.0, lambda at: 45 + 6 * warmth(at)),)
SENSORS: Final = (AIR, NOISE, LOOP)


class Wanderer:
    """One series: its gauge, its bias, and where its noise is just now (an AR(1) process)."""

    def __init__(self, gauge: Gauge, chance: random.Random) -> None:
        self.gauge = gauge
        self._chance = chance
        self._bias = chance.gauss(0, gauge.spread)
        self._noise = 0.0

    def measure(self, local: datetime) -> float:
        """Return the next value, within what the sensor can measure."""
        self._noise = 0.9 * self._noise + self._chance.gauss(0, 0.44 * self.gauge.spread)
        value = self.gauge.usual(local) + self._bias + self._noise
        return round(min(max(value, self.gauge.minimum), self.gauge.maximum), 2)
