"""What goes wrong with a device, and when: by chance, the same for the same seed."""

import random
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal["none", "dropout", "late", "stuck", "out_of_range", "wrong_clock"]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)[1:]
OFFSETS: Final = (-3 * 3600.0, 1800.0, -40.0, -7.9e8)
"""Seconds; the last is a clock that was never set: it shows a firmware's build date."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """It comes every `every_s` seconds and lasts for `lasting_s`; a wrong clock is wrong all the time."""

    kind: Kind = "none"
    every_s: float = 1.0
    lasting_s: float = 0.0
    phase_s: float = 0.0
    offset_s: float = 0.0  # of the clock

    def is_on(self, kind: Kind, at: float) -> bool:
        """Whether this ails the device at a time (Unix seconds)."""
        return self.kind == kind and (at + self.phase_s) % self.every_s < self.lasting_s


def draw_trouble(chance: random.Random, share: float, every_s: tuple[float, float]) -> Trouble:
    """Return the trouble of one device, of which a `share` has any."""
    if chance.random() >= share:
        return Trouble()
    kind = chance.choice(KINDS)
    every = chance.uniform(*every_s)
    if kind == "wrong_clock":
        return Trouble(kind=kind, offset_s=chance.choice(OFFSETS))
    return Trouble(
        kind=kind, every_s=every, lasting_s=every * chance.uniform(0.2, 0.5), phase_s=chance.uniform(0, every)
    )
