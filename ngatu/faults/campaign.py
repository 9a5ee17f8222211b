"""Round after round: break something, mend it, wait until all is well again, and keep the books."""

import logging
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import psycopg

from ngatu.faults.inflict import inflicted
from ngatu.faults.plan import Fault
from ngatu.faults.report import Report
from ngatu.faults.site import QUIET, Agent, City
from ngatu.faults.truth import Log, Made
from ngatu.faults.verdict import Books, Finding
from ngatu.faults.watch import AlertTimes, AlertWatch
from ngatu.process.child import Child
from storage import audit

log: Final = logging.getLogger(__name__)

RECOVERY_S: Final = 60.0  # longer than this is not recovered
DRAIN_S: Final = 90.0  # what an agent holds and has not stored by then is lost
CHECK_EVERY: Final = 20  # rounds
KEEP_S: Final = 60.0  # younger than this is not forgotten
IDLE: Final = timedelta(seconds=5)  # after which a finished stream is folded away


class Campaign:
    """A city, what is done to it, and what came of that."""

    def __init__(self, city: City, seed: int, watch: AlertWatch, patience: float = DRAIN_S) -> None:
        """`patience`: seconds after which what is not stored is lost."""
        self.report = Report(seed=seed)
        self._patience = patience
        self._city = city
        self._alerts = AlertTimes(watch)
        self._books = Books()
        self._logs = tuple(Log(agent.device, agent.log) for agent in city.agents)
        self._given_up = 0

    def run(self, faults: Iterable[Fault]) -> Report:
        """Do all rounds, then let everything drain and settle the account."""
        began = time.monotonic()
        for agent in self._city.agents:
            agent.start()
        if ill := self._not_recovered(time.time()):
            self.report.problems.append(f"it never worked: {'; '.join(ill)}")
            faults = ()
        self._alerts.calm_begins()
        for fault in faults:
            if not self._round(fault):
                break
        self._settle()
        self.report.seconds = round(time.monotonic() - began, 1)
        return self.report

    def _round(self, fault: Fault) -> bool:
        time.sleep(fault.after)
        self._alerts.calm_ends()
        with inflicted(self._city, fault):
            time.sleep(fault.lasts)
        mended = time.time()
        if ill := self._not_recovered(mended):
            where = f"round {fault.number} ({fault.kind} {fault.target})"
            self.report.problems.append(f"{where}: no recovery in {RECOVERY_S:.0f} s: {'; '.join(ill)}")
            return False
        took = time.time() - mended
        self._alerts.calm_begins()
        self.report.recovery_s.setdefault(fault.kind, []).append(took)
        self.report.rounds = fault.number
        self._look_around(fault)
        log.info(
            "round=%d kind=%s target=%d lasts=%.1f recovery_s=%.2f messages=%d",
            *(fault.number, fault.kind, fault.target, fault.lasts, took, self._books.messages),
        )
        if fault.number % CHECK_EVERY == 0:
            self._check()
        return not self.report.lost

    def _not_recovered(self, since: float) -> list[str]:
        """Wait until ingest is well, and what each agent made after `since` is stored; return who is ill, after all."""
        deadline = time.monotonic() + RECOVERY_S
        with psycopg.connect(self._city.dsn, autocommit=True) as conn:
            while ill := self._ill(conn, datetime.fromtimestamp(since, UTC)):
                self._revive_crashed()
                if time.monotonic() > deadline:
                    return ill
                time.sleep(0.05)
        return []

    def _ill(self, conn: psycopg.Connection, since: datetime) -> list[str]:
        """What is not yet well, and what ails it."""
        readings, incidents = audit.freshest(conn, since), audit.newest_incidents(conn, since)
        ill = {ingest.child.program.name: ingest.ailments() for ingest in self._city.ingests}
        for agent in self._city.agents:
            missing = {"readings": agent.device not in readings, "incidents": agent.device not in incidents}
            ill[agent.device] = " and ".join(f"no new {what}" for what, lacks in missing.items() if lacks)
        return [f"{name}: {ailment}" for name, ailment in ill.items() if ailment]

    def _look_around(self, fault: Fault) -> None:
        """Read the logs; notice evictions where none should be, and processes that ended by themselves."""
        self._read_logs()
        if fault.kind == "budget_filled":
            self._wait_until_told(self._city.agents[fault.target])
        with psycopg.connect(self._city.dsn, autocommit=True) as conn:
            audit.fold_soon(conn, IDLE)  # what comes late must find its place all the same
            given_up = sum(gap.last - gap.first + 1 for gap in audit.gaps(conn) if gap.explained)
        if fault.kind != "budget_filled":
            self.report.evicted_outside += max(0, given_up - self._given_up)
        self._given_up = given_up

    def _revive_crashed(self) -> None:
        for ingest in self._city.ingests:
            self._revive(ingest.child, ingest.child.start)
        for agent in self._city.agents:
            self._revive(agent.child, agent.start)

    def _wait_until_told(self, agent: Agent) -> None:
        """Wait until the database knows what an agent gave up."""
        deadline = time.monotonic() + RECOVERY_S
        while agent.evicts():
            if time.monotonic() > deadline:
                self.report.problems.append(f"{agent.device} gave up messages, and could not say so")
                return
            time.sleep(0.1)

    def _revive(self, child: Child, start: Callable[[], None]) -> None:
        if not child.running:
            self.report.crashes += 1
            self.report.problems.append(f"{child.program.name} ended with code {child.exit_code}: {child.tail(4)}")
            start()

    def _read_logs(self) -> None:
        for record in self._logs:
            things = list(record.read())
            self._books.add(things)
            self._alerts.made(things)
        for delay, calm in self._alerts.delays():
            if calm:
                self.report.alerts += 1
                self.report.max_alert_delay_s = max(self.report.max_alert_delay_s, delay)
            else:
                self.report.max_alert_delay_in_faults_s = max(self.report.max_alert_delay_in_faults_s, delay)

    def _check(self) -> Finding:
        """Compare until nothing that the logs name by now is missing, or patience ends; then forget what is old."""
        deadline = time.monotonic() + self._patience
        old = time.time() - KEEP_S  # what is made later than the logs are read must not be forgotten
        self._read_logs()
        with psycopg.connect(self._city.dsn, autocommit=True) as conn:
            while (finding := self._books.check(conn)).lost and time.monotonic() < deadline:
                time.sleep(1)
            self.report.lost = len({thing.message for thing in finding.lost})
            if not finding.lost:
                self._books.forget(conn, finding, old)
        self._tell(finding)
        return finding

    def _tell(self, finding: Finding) -> None:
        report, books = self.report, self._books
        report.messages, report.readings, report.evicted = books.messages, books.readings, books.evicted
        report.unlogged, report.duplicated = books.unlogged, len(books.doubled)
        told = [f"lost: {_named(thing)}" for thing in finding.lost[:5]]
        told += [f"stored twice: {name}" for name in sorted(books.doubled)[:5]]
        report.problems += [line for line in told if line not in report.problems]

    def _settle(self) -> None:
        """Let the agents send what they have and make no more; then nothing may be open."""
        for agent in self._city.agents:
            agent.child.stop()
            agent.configure(QUIET)
            agent.start()
        finding = self._check()
        deadline = time.monotonic() + (0 if finding.lost else self._patience)
        with psycopg.connect(self._city.dsn, autocommit=True) as conn:
            while (missing := [g for g in audit.gaps(conn) if not g.explained]) and time.monotonic() < deadline:
                time.sleep(0.5)
            if not finding.lost:
                self._books.forget(conn, self._books.check(conn), time.time())
        self.report.unexplained_gaps = sum(gap.last - gap.first + 1 for gap in missing)
        self._tell(finding)
        for gap in missing[:5]:
            self.report.problems.append(f"gap: {gap.device} {gap.stream}:{gap.first}…{gap.last} {gap.reason}")


def _named(thing: Made) -> str:
    made = datetime.fromtimestamp(thing.at, UTC).time().isoformat("milliseconds")
    return f"{thing.device} {thing.message} {thing.series} {thing.value} of {made}"
