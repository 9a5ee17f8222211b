"""The month, brought through the real pipeline: broker, ingest, aggregates, scores, publication; killed on the way."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from ingest.consumer import BrokerAddress
from ngatu.city_lists import load_city
from ngatu.home import CHECKOUT
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from ngatu.simulate import outgoing
from ngatu.simulate.uplink import Uplink
from storage.aggregates import aggregate, recompute_late
from storage.incident_days import count_incidents
from storage.level import LEVELS
from storage.publish import publish_due_days
from storage.quality import score_due_days
from tests.servers import Broker, WaitFor
from tests.storage.month import END, MIDDLE, Log, Message, make_month

IMPORTS = """
import sys, psycopg
from datetime import datetime
from storage import aggregates
from storage.level import LEVELS
"""
AGGREGATE = f"""{IMPORTS}
with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    for level in LEVELS.values():
        aggregates.aggregate(conn, level, now=datetime.fromisoformat(sys.argv[2]))
"""
LATE = f"""{IMPORTS}
with psycopg.connect(sys.argv[1], autocommit=True) as conn:
    aggregates.recompute_late(conn)
"""


@dataclass(frozen=True, kw_only=True)
class Month:
    """What the tests look at."""

    dsn: str
    log: Log
    folder: Path  # of the open data
    seen: datetime  # the database's clock when the first half was computed, and what was late had not come
    killed: dict[str, int]  # exit codes of what was killed on the way


def load_month(dsn: str, broker: Broker, guard: Guard, wait_for: WaitFor, folder: Path) -> Month:
    """Bring it all in; return when nothing is left to do."""
    log = make_month()
    load_city(dsn, "hanoi")
    killed: dict[str, int] = {}
    with psycopg.connect(dsn, autocommit=True) as conn:
        # Its cameras tell one minute in twelve: this city asks for half of what is due, not for nine tenths.
        conn.execute("UPDATE city SET value = value || '{\"complete\": 0.5}' WHERE key = 'thresholds'")
        first = [message for message in log.messages if message.comes <= MIDDLE]
        second = [message for message in log.messages if message.comes > MIDDLE]
        _deliver(dsn, broker, guard, folder, first, kill=True)
        killed["aggregates"] = _killed(
            AGGREGATE, dsn, MIDDLE + timedelta(minutes=5), wait_for, lambda: _count(conn, "reading_15m") > 0
        )
        _compute(conn, MIDDLE + timedelta(minutes=5), folder)
        seen = _now(conn)
        _deliver(dsn, broker, guard, folder, second, kill=True)
        _dismiss(conn, log)
        killed["late"] = _killed(LATE, dsn, END, wait_for, lambda: _count(conn, "late_work") > 0)
        _compute(conn, END + timedelta(minutes=5), folder)
    return Month(dsn=dsn, log=log, folder=folder / "open-data", seen=seen, killed=killed)


def _deliver(dsn: str, broker: Broker, guard: Guard, folder: Path, messages: list[Message], *, kill: bool) -> None:
    """Speak for all devices until everything is acknowledged; ingest is killed half-way and started again."""
    started: list[Child] = []

    def start() -> None:
        program = Program(
            name="ingest",
            command=(sys.executable, "-m", "ingest"),
            log=folder / f"ingest-{time.monotonic_ns()}.log",
            environ={"NGATU_DSN": dsn, "NGATU_MQTT_URL": broker.url, "PYTHONPATH": str(CHECKOUT)},
            cwd=CHECKOUT,
        )
        child = Child(program, guard)
        child.start()
        started.append(child)
        child.wait_ready(lambda: child.tail(4000).count("subscribed client=") >= 3, 60)

    start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outgoing, "RESEND_S", 2.0)  # a device would wait ten seconds
        waiting = outgoing.Outgoing(len(messages) + 1)
        uplink = Uplink(BrokerAddress.parse(broker.url), waiting, lambda _: time.time())
        try:
            assert uplink.ready.wait(30)
            _speak(uplink, waiting, messages, start, started, kill=kill)
        finally:
            uplink.close()
            started[-1].stop()


def _speak(
    uplink: Uplink,
    waiting: outgoing.Outgoing,
    messages: list[Message],
    start: Callable[[], None],
    started: list[Child],
    *,
    kill: bool,
) -> None:
    deadline = time.monotonic() + 100
    to_say = iter(messages)
    while len(waiting) or waiting.tally.messages < len(messages):
        assert time.monotonic() < deadline, f"{len(waiting)} messages are not acknowledged"
        for message in (next(to_say, None) for _ in range(100 if len(waiting) < 2000 else 0)):
            if message is not None:
                with uplink.lock:
                    sent = waiting.number(message.device, message.kind, message.payload, time.time(), message.readings)
                assert sent is not None
                uplink.send(sent)
        if kill and len(started) == 1 and waiting.tally.acknowledged > len(messages) / 3:
            started[0].kill()
            start()
        uplink.send_again()
        time.sleep(0.005)


def _killed(code: str, dsn: str, now: datetime, wait_for: WaitFor, when: Callable[[], bool]) -> int:
    """Run a computation in a process of its own, and kill it once it has begun to write."""
    run = subprocess.Popen([sys.executable, "-c", code, dsn, now.isoformat()], cwd=CHECKOUT)
    wait_for(lambda: when() or run.poll() is not None, 60)
    run.send_signal(signal.SIGKILL)
    return run.wait()


def _compute(conn: psycopg.Connection, now: datetime, folder: Path) -> None:
    """What the DAGs do: aggregate, work off what was late, count incidents, score, publish."""
    for level in LEVELS.values():
        aggregate(conn, level, now=now)
    recompute_late(conn)
    count_incidents(conn, now=now)
    score_due_days(conn)
    publish_due_days(conn, folder / "open-data")


def _dismiss(conn: psycopg.Connection, log: Log) -> None:
    """Somebody calls each seventh incident a false alarm, and acknowledges each third."""
    for index, (name, *_) in enumerate(sorted(log.incidents)):
        for action, every in (("acknowledge", 3), ("false_alarm", 7)):
            if index % every == 0:
                conn.execute(
                    "INSERT INTO incident_action (incident_id, who, action) VALUES (%s, 'lan', %s)", (name, action)
                )


def _count(conn: psycopg.Connection, table: str) -> int:
    row = conn.execute(f"SELECT count(*) FROM {table}".encode()).fetchone()
    assert row is not None
    return int(row[0])


def _now(conn: psycopg.Connection) -> datetime:
    row = conn.execute("SELECT clock_timestamp()").fetchone()
    assert row is not None
    at: datetime = row[0]
    return at
