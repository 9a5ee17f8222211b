"""What a campaign found, and whether that is good."""

from collections import Counter
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any, Final

from ngatu.faults.plan import KILLS, KINDS, Kind

ENOUGH_MESSAGES: Final = 2000
UNLOGGED_A_KILL: Final = 100  # readings that an agent commits in one go, killed before it could log them


@dataclass(slots=True, kw_only=True)
class Report:
    """Grows round by round."""

    seed: int
    rounds: int = 0
    messages: int = 0
    readings: int = 0
    evicted: int = 0
    evicted_outside: int = 0  # in rounds that did not fill a budget
    lost: int = 0
    duplicated: int = 0
    unexplained_gaps: int = 0
    unlogged: int = 0  # stored, in no log: the agent was killed between the outbox's commit and the generator's log
    crashes: int = 0  # processes that ended though nobody had killed them
    max_alert_delay_s: float = 0.0  # decided → announced by the database, while nothing was broken
    max_alert_delay_in_faults_s: float = 0.0
    alerts: int = 0  # incidents that the first of these two was measured on
    recovery_s: dict[Kind, list[float]] = field(default_factory=dict)  # from mended to all well, each round
    problems: list[str] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def kinds(self) -> Counter[Kind]:
        """How often each kind of fault happened."""
        return Counter({kind: len(times) for kind, times in self.recovery_s.items()})

    @property
    def kills(self) -> int:
        """How often something was killed."""
        return sum(n for kind, n in self.kinds.items() if kind in KILLS)

    def verdict(self) -> list[str]:
        """Say what is wrong, a line for each; nothing: all is well."""
        missing = [kind for kind in KINDS if not self.kinds[kind]]
        claims = {
            f"{self.lost} messages lost": not self.lost,
            f"{self.duplicated} readings or pictures stored twice": not self.duplicated,
            f"{self.unexplained_gaps} messages missing without a reason": not self.unexplained_gaps,
            f"{self.evicted_outside} messages evicted in rounds that filled no budget": not self.evicted_outside,
            f"nothing was evicted, though {self.kinds['budget_filled']} rounds filled a budget": (
                self.evicted > 0 or not self.kinds["budget_filled"]
            ),
            f"{self.unlogged} readings are stored that no log names, more than kills explain": (
                self.unlogged <= UNLOGGED_A_KILL * self.kinds["agent_killed"]
            ),
            f"{self.crashes} processes ended by themselves": not self.crashes,
            f"these faults never happened, run more rounds: {', '.join(missing)}": not missing,
            f"only {self.messages} messages went through, run more rounds": self.messages >= ENOUGH_MESSAGES,
        }
        return [*self.problems, *(claim for claim, holds in claims.items() if not holds)]

    def as_json(self) -> dict[str, Any]:
        """Return everything that can be counted, for `--json`."""
        return {
            **{k: v for k, v in asdict(self).items() if k not in {"recovery_s", "problems"}},
            "kills": self.kills,
            "faults": dict(self.kinds),
            "recovery_s": {
                kind: {"median": round(median(times), 2), "max": round(max(times), 2)}
                for kind, times in sorted(self.recovery_s.items())
            },
            "problems": self.verdict(),
        }
