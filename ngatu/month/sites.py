"""The city of the month: eight devices that have every trouble once, and as many more as wanted, drawn by chance."""

import random
from dataclasses import dataclass
from functools import cache
from typing import Final

from events.about import Position
from ngatu.city import city_file, read_city
from ngatu.city_lists import read_wards
from ngatu.simulate.gauges import AIR, BOX, LOOP, NOISE, Gauge
from storage.wards import UNTIL_FURTHER_NOTICE, Ward

CITY: Final = "hanoi"
NEVER: Final = (99.0, 99.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A device; `ward` is a code of today's, or of before the change."""

    name: str
    gauges: tuple[Gauge, ...] = BOX
    period_s: float = 600.0
    jitter_s: float = 90.0  # how much later than due a reading may be taken
    ward: str | None = None
    position: Position | None = None
    camera: bool = False
    scale: float = 1.0  # of its street, to the usual one
    silent: tuple[float, float] = NEVER  # days of the month on which it measures nothing
    kept_back: tuple[float, float] = NEVER  # days whose messages come two weeks late
    wrong: tuple[float, float] = NEVER  # days on which a third of its values are out of range
    unset: tuple[float, float] = NEVER  # days on which its clock is not set
    stutters: bool = False  # tells some readings twice, in two messages


LAKE: Final = Position(latitude=21.0287, longitude=105.8524)
WEST: Final = Position(latitude=21.0381, longitude=105.7826)
EIGHT: Final = (
    Site(name="cam-lake", camera=True, ward="00070", position=LAKE),
    Site(name="cam-west", camera=True, position=WEST, scale=0.6, kept_back=(9, 10.5)),
    Site(name="cam-old", camera=True, ward="00115", scale=0.3, silent=(4, 5.5)),
    Site(name="air-lake", gauges=AIR, ward="00070", position=LAKE, silent=(20, 20.7)),
    Site(name="air-west", gauges=AIR, position=WEST, wrong=(2, 12)),
    Site(name="loop-lake", gauges=LOOP, position=LAKE, period_s=300, stutters=True),
    Site(name="loop-west", gauges=LOOP, position=WEST, kept_back=(5, 9)),
    Site(name="noise-unset", gauges=NOISE, position=LAKE, unset=(12, 15)),
)
KINDS: Final[tuple[tuple[str, tuple[Gauge, ...]], ...]] = (("cam", BOX), ("air", AIR), ("loop", LOOP), ("noise", NOISE))
PERIODS: Final = (60.0, 120.0, 300.0, 600.0)
AILING: Final = 0.15  # of the drawn devices, by each trouble


def town(devices: int, days: int, seed: int) -> tuple[Site, ...]:
    """The eight, and `devices` - 8 drawn by chance, anywhere in the city; some name a ward of then or of now."""
    wards = _wards()
    return EIGHT + tuple(_drawn(number, days, wards, seed) for number in range(len(EIGHT), devices))


def is_of_today(ward: str) -> bool:
    """Whether a ward of this code exists today; a code may have been another ward's before."""
    return ward in {known.code for known in _wards() if known.valid_to == UNTIL_FURTHER_NOTICE}


@cache
def _wards() -> tuple[Ward, ...]:
    path = city_file(CITY)
    return tuple(read_wards(read_city(path), path.parent))


def _drawn(number: int, days: int, wards: tuple[Ward, ...], seed: int) -> Site:
    chance = random.Random(f"{seed}:{number}")  # noqa: S311 - a simulation
    kind, gauges = chance.choice(KINDS)
    ward, period_s = chance.choice(wards), chance.choice(PERIODS)
    near = Position(
        latitude=round(ward.latitude + chance.gauss(0, 0.01), 6),
        longitude=round(ward.longitude + chance.gauss(0, 0.01), 6),
    )
    says = chance.choice(("ward", "position", "both"))
    return Site(
        name=f"{kind}-{number:04d}",
        gauges=gauges,
        period_s=period_s,
        jitter_s=0.15 * period_s,
        ward=None if says == "position" else ward.code,
        position=None if says == "ward" else near,
        camera=kind == "cam",
        scale=chance.uniform(0.2, 1.5),
        silent=_spell(chance, days, 2),
        kept_back=_spell(chance, days, 4),
        wrong=_spell(chance, days, 10),
        unset=_spell(chance, days, 3),
        stutters=chance.random() < AILING,
    )


def _spell(chance: random.Random, days: int, longest: float) -> tuple[float, float]:
    begin, length, has = chance.uniform(0, days), chance.uniform(0.1, longest), chance.random() < AILING
    return (begin, begin + length) if has else NEVER
