"""What became of a month, and whether that is good."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ngatu.month.compare import Compared


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How much there was, how it was broken, what differs."""

    devices: int
    days: int
    seed: int
    messages: int
    readings: int = 0
    late_readings: int = 0  # that came more than a day after they were measured
    sent_again: int = 0  # messages, of which ingest must store one
    ingest_kills: int = 0
    dag_runs: int = 0
    dag_kills: int = 0  # of these runs, at work
    recomputed_buckets: int = 0  # published, and changed later
    revisions: int = 0  # earlier numbers of those buckets
    reissued: int = 0  # issues of open data after a day's first
    compared: tuple[Compared, ...] = ()
    problems: tuple[str, ...] = ()
    seconds: float = 0.0  # without the comparison

    @property
    def kills(self) -> int:
        """How often something was killed at work."""
        return self.ingest_kills + self.dag_kills

    def verdict(self) -> list[str]:
        """Say what is wrong, a line for each; nothing: all is well."""
        claims = {
            "nothing was compared": self.compared,
            "nothing came late, take more days": self.late_readings,
            "no published number was recomputed, take more days": self.recomputed_buckets,
            "ingest was never killed": self.ingest_kills,
            "no run of a DAG was killed at work": self.dag_kills,
            "nothing was sent again": self.sent_again,
        }
        empty = [f"{one.name}: there was nothing to compare" for one in self.compared if not one.rows]
        differing = [
            f"{one.name}: {one.differing} of {one.numbers} numbers differ" for one in self.compared if one.differing
        ]
        examples = [example for one in self.compared for example in one.examples]
        return [*self.problems, *(told for told, holds in claims.items() if not holds), *empty, *differing, *examples]

    def figures(self) -> dict[str, int | float]:
        """Return everything that is a number."""
        told = {name: getattr(self, name) for name in self.__slots__ if name not in {"compared", "problems"}}
        rows, numbers = sum(one.rows for one in self.compared), sum(one.numbers for one in self.compared)
        differing = sum(one.differing for one in self.compared)
        return told | {"compared_rows": rows, "compared_numbers": numbers, "differing_numbers": differing}

    def as_json(self) -> dict[str, Any]:
        """Return the figures, each comparison, and what is wrong, for `--json`."""
        compared = {
            one.name: {"rows": one.rows, "numbers": one.numbers, "differing": one.differing} for one in self.compared
        }
        return self.figures() | {"compared": compared, "problems": self.verdict()}

    def lines(self) -> Iterator[str]:
        """Return the table for people."""
        for name, value in self.figures().items():
            yield f"{name.replace('_', ' '):>20}  {value:>14,}"
        yield ""
        yield f"{'compared':<40} {'rows':>10} {'numbers':>12} {'differing':>9}"
        for one in self.compared:
            yield f"{one.name:<40} {one.rows:>10,} {one.numbers:>12,} {one.differing:>9,}"
        yield from ("", *self.verdict())
