"""Compares what was made with what is stored: nothing may be missing, nothing there twice, no gap without a reason."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from psycopg import Connection

from events.envelope import MessageId
from ngatu.faults.truth import EVIDENCE, INCIDENT, Made
from storage import audit
from storage.audit import Gap

Key = tuple[str, str, str, int]  # device, series, value, time in microseconds

EVICTED: Final = "evicted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the tables hold."""

    readings: Counter[Key]
    incidents: dict[str, int]  # highest revision of each
    evidence: Counter[str]  # `incident sha256`
    gaps: Sequence[Gap]

    def holds(self, made: Made) -> bool:
        """Whether it is there; of an incident, this revision or a later one."""
        match made.series:
            case "incident":
                incident, _, rev = made.value.partition(" ")
                return self.incidents.get(incident, 0) >= int(rev)
            case "evidence":
                return made.value in self.evidence
            case _:
                return self.reading(made) is not None

    def reading(self, made: Made) -> Key | None:
        """Find its row. SenML sends times as sums of floats: the last microsecond may differ."""
        us = round(made.at * 1e6)
        near = ((made.device, made.series, made.value, us + off) for off in (0, 1, -1))
        return next((key for key in near if key in self.readings), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What one comparison found."""

    lost: tuple[Made, ...] = ()  # committed by an outbox, not in the tables, not given up
    evicted: frozenset[MessageId] = frozenset()  # given up for want of room, and accounted for
    doubled: tuple[str, ...] = ()  # in the tables more often than made
    unlogged: frozenset[Key] = frozenset()  # in the tables, in no log: killed between the outbox's commit and the log


def stored(conn: Connection) -> Stored:
    """Read the tables."""
    return Stored(
        readings=Counter(
            (device, series, repr(value), round(at.timestamp() * 1e6))
            for device, series, value, at in audit.stored_readings(conn)
        ),
        incidents=audit.stored_incidents(conn),
        evidence=Counter(f"{incident} {sha256}" for incident, sha256 in audit.stored_evidence(conn)),
        gaps=audit.gaps(conn),
    )


def compare(made: Iterable[Made], there: Stored, forgotten_until: float = 0.0) -> Finding:
    """Find what is missing, doubled, or in no log.

    Args:
        made: what the logs say, all that has not been forgotten.
        there: what the tables hold.
        forgotten_until: readings up to this time (Unix seconds) were checked and deleted: one that is there again was
            stored twice.
    """
    expected: Counter[Key] = Counter()
    absent: list[Made] = []
    for thing in made:
        if (row := there.reading(thing)) is not None:
            expected[row] += 1
        elif not there.holds(thing):
            absent.append(thing)
    evicted = frozenset(message for message in {thing.message for thing in absent} if given_up(message, there.gaps))
    return Finding(
        lost=tuple(thing for thing in absent if thing.message not in evicted),
        evicted=evicted,
        doubled=(
            *(str(k) for k, n in there.readings.items() if n > max(1, expected[k]) or k[3] <= forgotten_until * 1e6),
            *(name for name, n in there.evidence.items() if n > 1),
        ),
        unlogged=frozenset(k for k in there.readings if k not in expected),
    )


def given_up(message: MessageId, gaps: Sequence[Gap]) -> bool:
    """Whether the database knows that the agent had no room for `message`."""
    stream, seq = message
    return any(g.reason == EVICTED and g.stream == stream and g.first <= seq <= g.last for g in gaps)


@dataclass(slots=True)
class Books:
    """What was made and is not yet checked for good, and the sums of what was."""

    made: list[Made] = field(default_factory=list)
    forgotten_until: float = 0.0
    messages: int = 0
    readings: int = 0
    evicted: int = 0
    unlogged: int = 0
    doubled: set[str] = field(default_factory=set)
    _last: dict[str, int] = field(default_factory=dict)  # stream → highest number seen

    def add(self, things: Iterable[Made]) -> None:
        """Take over what the logs have new."""
        for thing in things:
            self.made.append(thing)
            self.readings += thing.series not in {INCIDENT, EVIDENCE}
            stream, seq = thing.message
            self.messages += seq > self._last.get(stream, 0)
            self._last[stream] = max(seq, self._last.get(stream, 0))

    def check(self, conn: Connection) -> Finding:
        """Compare with the tables now. What is under way counts as lost: ask again until nothing is."""
        finding = compare(self.made, stored(conn), self.forgotten_until)
        self.doubled.update(finding.doubled)
        return finding

    def forget(self, conn: Connection, finding: Finding, until: float) -> None:
        """Drop from books and tables what was checked and is older than `until`: both stay small for ever."""
        old = {thing.message for thing in self.made if thing.at <= until}
        self.evicted += len(finding.evicted & old)
        self.unlogged += sum(k[3] <= until * 1e6 for k in finding.unlogged)
        audit.forget(conn, datetime.fromtimestamp(until, UTC))
        self.made = [thing for thing in self.made if thing.at > until]
        self.forgotten_until = until
