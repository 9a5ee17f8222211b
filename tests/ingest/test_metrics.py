"""What a monitor sees of agents that it can't reach itself, at ingest's /metrics."""

from datetime import UTC, datetime, timedelta

import psycopg
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from events.fact import to_json
from events.status import Outbox, Status
from ingest.item import Item
from ingest.store import Store
from ingest.web import DatabaseCollector
from storage.connect import connect
from tests.ingest.conftest import arrive


def status(device: str, messages: int, size: int, *, online: bool = True) -> Item:
    now = datetime.now(UTC)
    outbox = Outbox(messages=messages, bytes=size, budget_bytes=1000, oldest_at=now - timedelta(minutes=10))
    told = Status(state="online" if online else "offline", connection=1, n=1, at=now, outbox=outbox)
    return arrive(device, "status", to_json(told), None)


def shown(dsn: str) -> dict[str, float]:
    registry = CollectorRegistry()
    registry.register(DatabaseCollector(dsn))
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_agents_are_counted_by_state_and_their_outboxes_summed_up(dsn: str, db: psycopg.Connection) -> None:
    with connect(dsn, application="one") as conn:
        Store(conn).store([status("a", 3, 100), status("b", 4, 900), status("c", 0, 0, online=False)])
    db.execute("UPDATE device SET last_seen = now() - interval '6 minutes', clock_offset_s = -40 WHERE name = 'a'")
    db.execute("UPDATE device SET clock_offset_s = 9000 WHERE name = 'c'")
    told = shown(dsn)
    assert {state: told[f'ngatu_agents{{state="{state}"}}'] for state in ("online", "offline", "silent")} == {
        "online": 2.0,
        "offline": 1.0,
        "silent": 1.0,
    }
    assert (told["ngatu_agent_outbox_messages"], told["ngatu_agent_outbox_bytes"]) == (7.0, 1000.0)
    assert told["ngatu_agent_outbox_fullest"] == 0.9
    assert told["ngatu_agent_outbox_oldest_seconds"] == pytest.approx(600, abs=60)
    assert told["ngatu_agent_clock_offset_seconds"] == 40.0


def test_a_city_without_agents_has_none(dsn: str) -> None:
    told = shown(dsn)
    assert told['ngatu_agents{state="online"}'] == told["ngatu_agent_outbox_oldest_seconds"] == 0.0


def test_while_the_database_is_away_nothing_is_said_of_it() -> None:
    assert shown("postgresql://nobody@127.0.0.1:1/none") == {}
