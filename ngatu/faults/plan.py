"""Which fault comes when: drawn from a seed, so that a campaign can be run again."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, get_args

Kind = Literal[
    "agent_killed",
    "broker_killed",
    "broker_wiped",
    "ingest_killed",
    "database_killed",
    "line_cut",
    "line_stalled",
    "line_slow",
    "budget_filled",
]
KINDS: Final[tuple[Kind, ...]] = get_args(Kind)
KILLS: Final = frozenset(kind for kind in KINDS if kind.endswith(("_killed", "_wiped")))

AGENTS: Final = 3
INGESTS: Final = 2
# One line for each agent to the broker, and two for each ingest process: to the broker, to the database.
LINES: Final = AGENTS + 2 * INGESTS

_TARGETS: Final[dict[Kind, int]] = {
    "agent_killed": AGENTS,
    "ingest_killed": INGESTS,
    "line_cut": LINES,
    "line_stalled": LINES,
    "line_slow": LINES,
    "budget_filled": AGENTS,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One round: what breaks, when, and for how long."""

    number: int  # 1, 2, 3 …
    kind: Kind
    target: int  # which of those that there are several of
    after: float  # seconds of peace before it
    lasts: float  # seconds until it is mended


def faults(rounds: int, seed: int) -> Iterator[Fault]:
    """Draw `rounds` faults; in each run of nine every kind occurs once."""
    chance = random.Random(seed)  # noqa: S311 - a campaign that can be repeated, nothing secret
    deck: list[Kind] = []
    for number in range(1, rounds + 1):
        if not deck:
            deck = [*KINDS]
            chance.shuffle(deck)
        kind = deck.pop()
        yield Fault(
            number=number,
            kind=kind,
            target=chance.randrange(_TARGETS.get(kind, 1)),
            after=chance.uniform(1.0, 2.0),
            lasts=chance.uniform(0.2, 2.0),
        )
