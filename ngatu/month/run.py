"""The month from its first message to its last comparison."""

import logging
import random
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import duckdb
import psycopg

from ngatu.city_lists import load_city
from ngatu.month import plain
from ngatu.month.checks import Moment, checks
from ngatu.month.deliver import Ingest, deliver
from ngatu.month.making import BEGIN, DAY, Message, make
from ngatu.month.planner import Planner, run_step
from ngatu.month.report import Report
from ngatu.month.sites import CITY, town
from ngatu.month.step import STEPS
from ngatu.process.guard import Guard
from storage import audit, audit_numbers

log: Final = logging.getLogger(__name__)

SETTLED: Final = timedelta(minutes=5)  # after a part's end: its last buckets are closed
AT_WORK_S: Final = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to simulate, and how it is broken."""

    devices: int = 8
    days: int = 30
    seed: int = 20_250_701
    part_days: int = 8  # after so many all is worked off, and planners look
    ingest_kills: int = 2  # in each part
    dag_kill_share: float = 0.4

    @property
    def end(self) -> datetime:
        """Of what is measured; some of it comes later."""
        return BEGIN + self.days * DAY


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where it happens."""

    dsn: str  # of a database with the schema, and nothing in it
    broker: str  # the address of one that nobody else uses
    guard: Guard  # ends what is running if we die
    folder: Path  # for logs and open data

    @property
    def open_data(self) -> Path:
        """Where days are published."""
        return self.folder / "open-data"


@dataclass(frozen=True, slots=True, kw_only=True)
class Month:
    """What stands in the database, what was said, and what happened on the way."""

    place: Place
    plan: Plan
    raw: duckdb.DuckDBPyConnection
    moments: tuple[Moment, ...]
    report: Report  # without comparisons

    def verify(self) -> Report:
        """Compare everything."""
        with psycopg.connect(self.place.dsn, autocommit=True, options="-c timezone=UTC") as conn:
            compared = []
            for name, check in checks(self.plan.days, self.moments, self.place.open_data):
                compared.append(check(conn, self.raw))
                log.info("compared what=%r rows=%d differing=%d", name, compared[-1].rows, compared[-1].differing)
            problems = not_stored_once(conn, self.raw)
        return replace(self.report, compared=tuple(compared), problems=tuple(problems))


def live(place: Place, plan: Plan) -> Month:
    """Bring the month through the real pipeline, break it on the way, and leave nothing to do.

    Raises:
        ChildFailed: something ended that nobody had killed, or nothing is acknowledged.
    """
    began = time.monotonic()
    chance = random.Random(f"{plan.seed}:run")  # noqa: S311 - a simulation
    load_city(place.dsn, CITY)
    raw, messages = _made(plan)
    log.info("made messages=%d seconds=%.0f", len(messages), time.monotonic() - began)
    report, moments = Report(devices=plan.devices, days=plan.days, seed=plan.seed, messages=len(messages)), []
    with (
        psycopg.connect(place.dsn, autocommit=True) as conn,
        Ingest(place.dsn, place.broker, place.folder, place.guard) as ingest,
    ):
        audit_numbers.trust_half(conn)  # its cameras tell one minute in twelve
        for until, part in _parts(messages, plan):
            report = _part(place, plan, ingest, part, report, chance)
            if part[-1] is messages[-1]:
                audit_numbers.act(conn, plain.actions(raw))
            report = replace(report, dag_kills=report.dag_kills + _late_killed(conn, place, until))
            _settle(conn, min(until, plan.end) + SETTLED, place.open_data)
            moments.append(_moment(conn, until))
            log.info("settled until=%s seconds=%.0f kills=%d", until.date(), time.monotonic() - began, report.kills)
        buckets, revisions = audit_numbers.changed(conn)
    report = replace(
        report,
        readings=plain.count(raw).readings,
        late_readings=plain.came_late(raw),
        recomputed_buckets=buckets,
        revisions=revisions,
        reissued=sum(revision > 1 for _, revision, _ in moments[-1].issues),
        seconds=round(time.monotonic() - began, 1),
    )
    return Month(place=place, plan=plan, raw=raw, moments=tuple(moments), report=report)


def not_stored_once(conn: psycopg.Connection, raw: duckdb.DuckDBPyConnection) -> list[str]:
    """What is lost, doubled, rejected, missing or left undone."""
    made = plain.count(raw)
    due = (made.readings, made.misdated, made.incidents, made.minutes, 0, 0)
    names = ("readings", "misdated readings", "incidents", "minutes of traffic", "rejected messages", "late buckets")
    wrong = [
        f"{ours} {name} in the database, {theirs} are due"
        for name, ours, theirs in zip(names, audit_numbers.stored(conn), due, strict=True)
        if ours != theirs
    ]
    gaps = [f"{gap.device} {gap.stream}:{gap.first}…{gap.last} {gap.reason}" for gap in audit.gaps(conn)]
    return wrong + [f"missing: {gap}" for gap in gaps[:5]]


def _made(plan: Plan) -> tuple[duckdb.DuckDBPyConnection, list[Message]]:
    raw, messages = plain.open_raw(), []
    for site in town(plan.devices, plan.days, plan.seed):
        said = make(site, plan.days, plan.seed)
        plain.log_said(raw, said)
        messages += said.messages
    messages.sort(key=lambda message: (message.comes, message.device, message.kind))
    return raw, messages


def _parts(messages: Sequence[Message], plan: Plan) -> list[tuple[datetime, list[Message]]]:
    """What comes until each cut, and at last the rest, however late."""
    cuts = [BEGIN + days * DAY for days in range(plan.part_days, plan.days, plan.part_days)]
    cuts.append(max(messages[-1].comes, plan.end))
    begins = [BEGIN - DAY, *cuts]
    return [
        (cut, [message for message in messages if begin < message.comes <= cut])
        for begin, cut in zip(begins, cuts, strict=False)
    ]


def _part(
    place: Place, plan: Plan, ingest: Ingest, messages: list[Message], report: Report, chance: random.Random
) -> Report:
    """Deliver it while the DAGs run at any moments; what happened, added to `report`."""
    planner = Planner(place.dsn, place.open_data, place.guard, plan.dag_kill_share, chance)
    with planner:
        again = deliver(
            ingest, place.broker, messages, plan.ingest_kills, chance, lambda at: planner.tell(min(at, plan.end))
        )
    return replace(
        report,
        sent_again=report.sent_again + again,
        ingest_kills=report.ingest_kills + plan.ingest_kills,
        dag_runs=report.dag_runs + planner.runs,
        dag_kills=report.dag_kills + planner.kills,
    )


def _late_killed(conn: psycopg.Connection, place: Place, now: datetime) -> bool:
    """Work off what is late, in a process that is killed once it has claimed it."""
    claimed = partial(_wait_until_claimed, conn)
    code, _ = run_step("late", place.dsn, now, place.open_data, place.guard, claimed)
    return code == -signal.SIGKILL


def _wait_until_claimed(conn: psycopg.Connection) -> None:
    deadline = time.monotonic() + AT_WORK_S
    while audit_numbers.is_late_unclaimed(conn) and time.monotonic() < deadline:
        time.sleep(0.005)


def _settle(conn: psycopg.Connection, now: datetime, folder: Path) -> None:
    for step in STEPS.values():
        step(conn, now, folder)


def _moment(conn: psycopg.Connection, until: datetime) -> Moment:
    issues = tuple(audit_numbers.issued(conn, "readings"))
    return Moment(month=until, clock=audit_numbers.clock(conn), issues=issues)
