"""What `make bench` runs, and what it is to reach: each goal of the house, and where its figure stands."""

from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal

import msgspec

from ngatu.bench.every import Outcome, Part


class Goal(msgspec.Struct, frozen=True, kw_only=True):
    """`figure` of the benchmark `verb` is to be at most or at least `bound`."""

    what: str
    verb: str
    figure: str
    is_to_be: Literal["≥", "≤"]
    bound: float


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A goal and what was measured; None: its benchmark broke, or does not tell it here."""

    goal: Goal
    value: float | None
    met: bool


PAIR: Final = "ingest --readings-per-message 100 --processes 2 --no-foreign"
STEADY: Final = "ingest --readings-per-message 100 --steady 50000 --devices 500 --minutes 10"
# Quick ones first. What needs recorded runs from elsewhere (`trackers`, `baselines --nab`) is run by hand.
PARTS: Final = (
    Part(verb="agent", minutes=3),
    Part(verb="baselines", minutes=2),
    Part(verb="ingest", minutes=4),
    Part(verb=PAIR, minutes=2),
    Part(verb="recovery", minutes=4),
    Part(verb="vision", minutes=6),
    Part(verb=STEADY, minutes=13),
    Part(verb="aggregates", minutes=15),
)


def _goal(what: str, verb: str, figure: str, is_to_be: Literal["≥", "≤"], bound: float) -> Goal:
    return Goal(what=what, verb=verb, figure=figure, is_to_be=is_to_be, bound=bound)


GOALS: Final = (
    _goal("an agent's memory, MB", "agent", "resident_mb", "≤", 45),
    _goal("an agent's share of a core at 100 readings/s", "agent", "cpu_share", "≤", 0.02),
    _goal("a backlog drains, readings/s", "agent", "drain_rate", "≥", 20_000),
    _goal("a new incident while it drains, s", "agent", "slowest_alert_s", "≤", 1),
    _goal("messages lost by kills and cuts", "recovery", "lost", "≤", 0),
    _goal("messages doubled by them", "recovery", "duplicated", "≤", 0),
    _goal("missing without a reason", "recovery", "unexplained_gaps", "≤", 0),
    _goal("ingest ÷ bare COPY, 100 a message", "ingest", "ratio_to_copy_at_100", "≥", 0.6),
    _goal("ingest ÷ a null consumer, 1 a message", "ingest", "ratio_to_null_consumer_at_1", "≥", 1.3),
    _goal("readings lost at saturation", "ingest", "lost", "≤", 0),
    _goal("readings doubled", "ingest", "doubled", "≤", 0),
    _goal("two ingest processes: lost", PAIR, "lost", "≤", 0),
    _goal("two ingest processes: doubled", PAIR, "doubled", "≤", 0),
    _goal("50,000 readings/s for ten minutes: held", STEADY, "readings_per_s", "≥", 49_500),
    _goal("… publish → committed, p99, s", STEADY, "latency_p99_s", "≤", 0.5),
    _goal("… memory grown, MB", STEADY, "rss_growth_mb", "≤", 5),
    _goal("… lost", STEADY, "lost", "≤", 0),
    _goal("camera line ÷ its bare model", "vision", "ratio_to_model", "≥", 0.9),
    _goal("a quiet street's cost ÷ a busy one's", "vision", "quiet_share", "≤", 0.1),
    _goal("alerts that the motion gate changes", "vision", "gate_alerts_differ", "≤", 0),
    _goal("memory of a camera grown in an hour, MB", "vision", "mb_growth_per_hour", "≤", 5),
    _goal("aggregates ÷ one plain INSERT … SELECT", "aggregates", "ratio_to_plain", "≥", 0.8),
    _goal("a late reading, 100 million ÷ 1 million rows", "aggregates", "late_cost_growth", "≤", 3),
)


def judge(outcomes: Iterable[Outcome]) -> Iterator[Judged]:
    """Lay each goal beside its figure; goals of benchmarks that were not run are left out."""
    figures = {outcome.name: outcome.figures for outcome in outcomes}
    for goal in GOALS:
        if goal.verb in figures:
            value = _number(figures[goal.verb].get(goal.figure))
            met = value is not None and (value >= goal.bound if goal.is_to_be == "≥" else value <= goal.bound)
            yield Judged(goal=goal, value=value, met=met)


def lines(judged: Iterable[Judged]) -> Iterator[str]:
    """Return the table of goals."""
    for one in judged:
        value = "not told" if one.value is None else f"{one.value:,.4g}"
        bound = f"{one.goal.is_to_be} {one.goal.bound:,g}"
        yield f"{one.goal.what:<46} {bound:>10} {value:>10}  {'met' if one.met else 'MISSED'}"


def _number(value: Any) -> float | None:
    return float(value) if isinstance(value, int | float) else None
