"""The agent with the real other end: broker, ingest and database."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from edge.inspection import inspect
from edge.outbox import Outbox
from edge.outgoing import of_readings
from events.reading import Reading
from ngatu.home import CHECKOUT
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from tests.edge.test_agent import Process, made, written
from tests.servers import Broker, WaitFor

BACKLOG = 400  # messages of 100 readings


@pytest.fixture
def ingest(dsn: str, private_broker: Broker, guard: Guard, tmp_path: Path) -> Iterator[Child]:
    """Not yet started."""
    program = Program(
        name="ingest",
        command=(sys.executable, "-m", "ingest"),
        log=tmp_path / "ingest.log",
        environ={"NGATU_DSN": dsn, "NGATU_MQTT_URL": private_broker.url},
        cwd=CHECKOUT,
    )
    child = Child(program, guard)
    yield child
    child.stop()


def count(db: psycopg.Connection, table: str) -> int:
    row = db.execute(f"SELECT count(*) FROM {table}").fetchone()
    assert row is not None
    return int(row[0])


def test_an_outage_ends_in_the_database_exactly_once_and_new_incidents_go_first(
    tmp_path: Path, private_broker: Broker, ingest: Child, db: psycopg.Connection, wait_for: WaitFor
) -> None:
    path = tmp_path / "agent" / "outbox.db"
    began = time.time() - BACKLOG
    outbox = Outbox(path, 100_000_000)
    for second in range(BACKLOG):
        pack = [Reading(f"old/{which}", round(began + second, 3), float(which), "1") for which in range(100)]
        outbox.put(of_readings(pack, "outage"))
    outbox.close()
    sensors = [{"kind": "generator", "rate": 50, "series": 5, "incidents_per_s": 5, "log": "made.csv"}]
    document: dict[str, object] = {
        "device": "outage",
        "broker": {"url": private_broker.url},
        "uplink": {"status_s": 1, "resend_s": 1},
        "sensors": sensors,
    }
    agent = Process(written(tmp_path, document))
    try:
        wait_for((tmp_path / "made.csv").exists, timeout=20)
        ingest.start()
        wait_for(lambda: count(db, "incident"), timeout=30)
        wait_for(lambda: count(db, "reading") >= BACKLOG * 100, timeout=60)
        wait_for(lambda: count(db, "evidence") >= 3)
        assert agent.end() == 0
    finally:
        agent.popen.kill()
        agent.popen.wait()
    again = Process(written(tmp_path, document | {"sensors": []}))
    try:
        wait_for(lambda: count(db, "ledger WHERE kind = 'about' AND NOT isempty(received)") == 2, timeout=60)  # its own
        wait_for(lambda: inspect(path, None).messages == 0, timeout=60)
        wait_for(lambda: all(stream.done == stream.last for stream in inspect(path, None).streams))
    finally:
        assert again.end() == 0
    noted = made(tmp_path)
    kinds = [line.split(",")[1] for line in (tmp_path / "made.csv").read_text().splitlines()]
    made_readings = sum(kind.startswith("gen/") for kind in kinds)
    assert noted
    assert count(db, "reading") == BACKLOG * 100 + made_readings
    assert count(db, "(SELECT DISTINCT series_id, at FROM reading) AS distinct_ones") == count(db, "reading")
    assert count(db, "evidence") == kinds.count("evidence")
    assert count(db, "incident") == kinds.count("evidence")
    assert count(db, "gap") == 0
    assert count(db, "rejected") == 0
    assert count(db, "device WHERE about IS NOT NULL AND name = 'outage'") == 1


def test_what_was_given_up_explains_the_gap_and_is_forgotten_when_the_database_knows(
    tmp_path: Path, private_broker: Broker, ingest: Child, db: psycopg.Connection, wait_for: WaitFor
) -> None:
    path = tmp_path / "agent" / "outbox.db"
    outbox = Outbox(path, 100_000)
    for second in range(100):
        pack = [Reading(f"old/{which}", 1.76e9 + second, float(which), "1") for which in range(100)]
        outbox.put(of_readings(pack, "too-much"))
    outbox.close()
    evicted = sum(span.last - span.first + 1 for span in inspect(path, None).given_up)
    assert evicted > 50
    ingest.start()
    document: dict[str, object] = {
        "device": "too-much",
        "broker": {"url": private_broker.url},
        "outbox": {"budget": "100kB"},
        "uplink": {"status_s": 0.5, "resend_s": 1},
    }
    agent = Process(written(tmp_path, document))
    try:
        wait_for(lambda: count(db, "reading") == (100 - evicted) * 100, timeout=60)
        wait_for(lambda: not inspect(path, None).given_up, timeout=30)
        wait_for(lambda: len(inspect(path, None).streams) == 1, timeout=30)  # this run's own: its about
    finally:
        assert agent.end() == 0
    found = db.execute("SELECT sum(messages), bool_and(explained), min(reason) FROM gap").fetchone()
    assert found == (evicted, True, "evicted")
