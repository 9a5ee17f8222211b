"""What breaks around ingest, and what is in the tables afterwards. Real processes, really killed."""

import re
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from itertools import count
from statistics import median

import psycopg
import pytest

from events.envelope import MessageId
from events.fact import to_json
from events.reading import Reading, encode_senml
from events.status import LAST_WORD, Status
from ingest.clock import Heard
from ingest.inbox import Inbox
from ingest.item import Item
from ingest.store import Store
from storage import rejected
from storage.connect import connect
from storage.migrate import migrate
from storage.status import fold
from tests.ingest.conftest import Device, StartIngest, arrive, ingesting, new_stream, now, scalar
from tests.ingest.test_line import incident
from tests.servers import Broker, PostgresServer, WaitFor

DIE_BEFORE_PUBACK = """
import os, signal
from ingest.consumer import Consumer
Consumer.acknowledge = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
"""


GOOD, BAD = new_stream(), new_stream()


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    with connect(dsn, application="test") as conn:
        yield Store(conn)


def send(device: Device, numbers: range) -> list[MessageId]:
    return [device.send_readings(Reading("n", now(), float(n))) for n in numbers]


def resend(device: Device, messages: list[MessageId]) -> None:
    """As the agent does with what no ack covers."""
    for message in messages:
        if not device.knows_stored(message):
            device.send_readings(Reading("n", now(), float(message.seq)), message_id=message)


def values(db: psycopg.Connection) -> list[float]:
    return [value for (value,) in db.execute("SELECT value FROM reading ORDER BY value")]


def test_ingest_ends_with_0_on_sigterm(start_ingest: StartIngest) -> None:
    child = start_ingest()
    child.stop()
    assert child.exit_code == 0


def test_a_missing_setting_is_one_line_that_says_which(start_ingest: StartIngest) -> None:
    with pytest.raises(Exception, match=r"ended with code 2:\n.* ERROR ingest set NGATU_DSN, such as postgresql://"):
        start_ingest(NGATU_DSN="")


def test_killed_between_commit_and_puback_nothing_is_lost_and_nothing_doubled(
    db: psycopg.Connection, device: Device, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    doomed = start_ingest(DIE_BEFORE_PUBACK)
    messages = send(device, range(1, 21))
    wait_for(lambda: not doomed.running)
    assert doomed.exit_code == -signal.SIGKILL
    stored_by_the_dead = len(values(db))
    assert stored_by_the_dead > 0
    assert not device.knows_stored(messages[0])
    start_ingest()
    resend(device, messages)
    wait_for(lambda: device.knows_stored(*messages))
    assert values(db) == [float(n) for n in range(1, 21)]


def test_two_processes_with_the_same_backlog_store_it_once(
    db: psycopg.Connection, device: Device, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    start_ingest()
    start_ingest()
    messages = send(device, range(1, 201))
    for message in messages * 2:  # copies, which the shared subscription deals out to both
        device.send_readings(Reading("n", now(), float(message.seq)), message_id=message)
    wait_for(lambda: device.knows_stored(*messages))
    wait_for(lambda: len(values(db)) >= 200)
    assert values(db) == [float(n) for n in range(1, 201)]


def test_a_process_that_dies_and_never_returns_holds_nothing_back(
    db: psycopg.Connection, broker: Broker, device: Device, start_ingest: StartIngest, wait_for: WaitFor
) -> None:
    lost = start_ingest()
    start_ingest()
    clients = re.findall(r"subscribed client=(\S+)", lost.tail(1000))
    lost.kill()
    # Before the broker has noticed, it deals to the dead as well; devices send again what nobody stored.
    wait_for(lambda: all(f"Client {client} closed its connection" in broker.tail(400) for client in clients))
    messages = send(device, range(1, 101))  # were a session parked for the dead, half of these would go there
    wait_for(lambda: device.knows_stored(*messages), timeout=15)
    assert values(db) == [float(n) for n in range(1, 101)]


def test_a_broker_that_is_wiped_loses_nothing_that_devices_still_hold(
    dsn: str, db: psycopg.Connection, private_broker: Broker, wait_for: WaitFor
) -> None:
    device = Device(private_broker)
    with ingesting(dsn, private_broker):
        first = send(device, range(1, 11))
        wait_for(lambda: device.knows_stored(*first))
        private_broker.kill()
        private_broker.wipe()
        private_broker.start()
        messages = [device.next_id("readings") for _ in range(10)]

        def all_stored() -> bool:
            resend(device, messages)
            return device.knows_stored(*messages)

        wait_for(all_stored, timeout=30)
    device.close()
    assert sorted(set(values(db))) == [float(n) for n in range(1, 21)]
    assert len(values(db)) == 20


@pytest.fixture
def fragile(private_postgres: PostgresServer) -> Iterator[Callable[[], psycopg.Connection]]:
    """A database whose server the test may stop; gives connections to it."""
    private_postgres.execute("CREATE DATABASE fragile")
    dsn = private_postgres.cluster.dsn("fragile")
    migrate(dsn)
    opened: list[psycopg.Connection] = []

    def connect() -> psycopg.Connection:
        opened.append(psycopg.connect(dsn, autocommit=True))
        return opened[-1]

    yield connect
    for conn in opened:
        conn.close()


def test_nothing_is_lost_while_the_database_is_away(
    private_postgres: PostgresServer,
    fragile: Callable[[], psycopg.Connection],
    broker: Broker,
    device: Device,
    wait_for: WaitFor,
) -> None:
    with ingesting(private_postgres.cluster.dsn("fragile"), broker):
        first = send(device, range(1, 51))
        wait_for(lambda: device.knows_stored(*first))
        private_postgres.kill()
        waiting = send(device, range(51, 151))
        assert not any(device.knows_stored(message) for message in waiting)
        private_postgres.start()
        wait_for(lambda: device.knows_stored(*waiting), timeout=20)
        private_postgres.stop()
        again = send(device, range(151, 161))
        private_postgres.start()
        wait_for(lambda: device.knows_stored(*again), timeout=20)
    with fragile() as db:
        assert values(db) == [float(n) for n in range(1, 161)]


def test_memory_is_bounded_while_the_database_is_away_and_what_was_let_go_comes_again(
    private_postgres: PostgresServer,
    fragile: Callable[[], psycopg.Connection],
    private_broker: Broker,
    wait_for: WaitFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bound: what may wait, and the message with which it is reached, however many arrive in one go."""
    monkeypatch.setattr("ingest.lane.MAX_WAITING", 2_000)
    waiting: list[int] = []
    largest: list[int] = []
    put = Inbox.put

    def watch(inbox: Inbox, items: Sequence[Item], *, first: bool = False) -> None:
        put(inbox, items, first=first)
        waiting.append(inbox.payload_bytes)
        largest.append(max(len(item.arrival.payload) for item in items))

    monkeypatch.setattr(Inbox, "put", watch)
    device = Device(private_broker)  # nobody else's: what carries no number is never let go
    with ingesting(private_postgres.cluster.dsn("fragile"), private_broker):
        private_postgres.stop()
        messages = send(device, range(1, 101))
        private_postgres.start()

        def all_stored() -> bool:
            resend(device, messages)
            return device.knows_stored(*messages)

        wait_for(all_stored, timeout=30)
    device.close()
    assert 2_000 < max(waiting) <= 2_000 + max(largest)
    with fragile() as db:
        assert values(db) == [float(n) for n in range(1, 101)]


def test_a_full_disk_is_waited_out(db: psycopg.Connection, device: Device, ingest: None, wait_for: WaitFor) -> None:
    del ingest
    db.execute("""
        CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = '53100'; END $$;
        CREATE TRIGGER full_disk BEFORE UPDATE ON ledger EXECUTE FUNCTION full_disk();
    """)
    messages = send(device, range(1, 11))
    tried = "SELECT count(*) FROM ledger"  # the rows are begun in a transaction of their own
    wait_for(lambda: scalar(db, tried) == 1)
    assert values(db) == []
    assert not device.knows_stored(messages[0])
    db.execute("DROP TRIGGER full_disk ON ledger")
    wait_for(lambda: device.knows_stored(*messages))
    assert values(db) == [float(n) for n in range(1, 11)]


def test_an_incident_does_not_wait_behind_what_devices_say_of_their_outboxes(
    dsn: str, db: psycopg.Connection, device: Device, other_device: Device, ingest: None, wait_for: WaitFor
) -> None:
    """Each process hears every device's status, and at its start all at once."""
    del ingest
    device.send_status(Status(state="online", connection=1, n=1))
    known = "SELECT coalesce(max(status_n), 0) FROM device WHERE name = %s"
    wait_for(lambda: scalar(db, known, device.name) == 1)
    with psycopg.connect(dsn) as slow:  # storing it takes for ever, for all that ingest knows
        slow.execute("SELECT FROM device WHERE name = %s FOR UPDATE", [device.name])
        device.send_status(Status(state="online", connection=1, n=2))
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        wait_for(lambda: scalar(db, waiting))
        told = other_device.send_fact("incident", incident())
        wait_for(lambda: other_device.knows_stored(told), timeout=10)
        assert scalar(db, known, device.name) == 1
    wait_for(lambda: scalar(db, known, device.name) == 2)


def test_a_flood_of_bad_messages_of_one_device_does_not_slow_the_others(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As many bad messages as good ones, far beyond what is kept: a ratio of two times in one run."""
    monkeypatch.setattr(rejected, "MAX_MESSAGES", 100)
    numbers = count(1)

    def good() -> list[Item]:
        body = [[Reading(f"s{which}", now(), 1.0) for which in range(20)] for _ in range(500)]
        return [arrive("good", "readings", encode_senml(some, "good"), next(numbers), GOOD) for some in body]

    def bad() -> list[Item]:
        return [arrive("bad", "readings", b"nonsense", next(numbers), BAD) for _ in range(500)]

    def took(items: Sequence[Item]) -> float:
        began = time.perf_counter()
        store.store(items)
        return time.perf_counter() - began

    took([*good(), *bad()])
    alone, beside = [], []
    for _ in range(7):
        alone.append(took(good()))
        beside.append(took([*good(), *bad()]))
    assert median(beside) < 3 * median(alone)


def test_noting_when_devices_were_heard_does_not_hold_up_what_they_send(dsn: str, db: psycopg.Connection) -> None:
    """Every row that names a device would wait for it, and two such rows for two notes are a deadlock."""
    with connect(dsn, application="test") as noting, connect(dsn, application="test") as storing:
        Store(storing).store([arrive("d", "status", to_json(Status(state="online", connection=1, n=1)), None)])
        storing.execute("SET lock_timeout = '5s'")
        with noting.transaction():
            Store(noting).touch([Heard("d", now(), 0.0)])
            told = arrive("d", "incident", to_json(incident()), 1, new_stream())
            assert Store(storing).store([told]).stored == 1
    assert scalar(db, "SELECT count(*) FROM incident") == 1


def test_of_many_statuses_that_wait_only_the_last_of_each_connection_costs_a_transaction(
    store: Store, db: psycopg.Connection
) -> None:
    old, new = new_stream(), new_stream()
    said = [Status(state="online", connection=1, n=n, streams={old: n}) for n in range(1, 40)]
    said += [Status(state="offline", connection=1, n=LAST_WORD)]  # says nothing of its streams
    said += [Status(state="online", connection=2, n=n, streams={new: n}) for n in range(1, 10)]
    outcome = store.store([arrive("d", "status", to_json(status), None) for status in said])
    assert (outcome.stored, outcome.duplicates) == (3, len(said) - 3)
    announced = db.execute("SELECT stream, announced FROM ledger ORDER BY announced DESC").fetchall()
    assert announced == [(old, 39), (new, 9)], "of an earlier run's streams nothing is forgotten"
    assert db.execute("SELECT online, status_connection, status_n FROM device").fetchall() == [(True, 2, 9)]


def test_the_unfinished_business_of_an_outbox_that_was_thrown_away_stays_visible(
    store: Store, dsn: str, db: psycopg.Connection
) -> None:
    """Nobody will ever send it, and no later status of the device speaks of it."""
    old, new = new_stream(), new_stream()
    before = Status(state="online", connection=1, n=1, streams={old: 5})
    after = [Status(state="online", connection=2, n=n, streams={new: 1}) for n in (1, 2)]
    body = encode_senml([Reading("n", now(), 1.0)], "d")
    store.store([arrive("d", "status", to_json(before), None)])
    store.store([arrive("d", "readings", body, seq, old) for seq in (1, 2, 4)])
    store.store([arrive("d", "readings", body, 1, new)])
    store.store([arrive("d", "status", to_json(status), None) for status in after])
    with connect(dsn, application="test") as conn:
        device = scalar(db, "SELECT id FROM device WHERE name = 'd'")
        assert isinstance(device, int)
        fold(conn, [device], idle=timedelta(0))
    gaps = db.execute("SELECT stream, first, last, explained FROM gap ORDER BY first").fetchall()
    assert gaps == [(old, 3, 3, False), (old, 5, 5, False)]


def test_bad_input_of_one_device_stops_nobody(
    db: psycopg.Connection, device: Device, other_device: Device, ingest: None, wait_for: WaitFor
) -> None:
    del ingest
    bad = [device.next_id("readings") for _ in range(4)]
    for message, payload in zip(
        bad,
        (b"no json", b"[" + b" " * 5_000_000 + b"]", b'[{"n":"x","v":NaN}]', b'[{"n":"u","vs":"\\u0000"}]'),
        strict=True,
    ):
        device.send("readings", payload, message)
        other_device.send_readings(Reading("n", now(), float(message.seq)))
    device.send("nonsense", b"?", None)
    wait_for(lambda: device.knows_stored(*bad))
    wait_for(lambda: len(values(db)) == 4)
    wait_for(lambda: scalar(db, "SELECT count(*) FROM rejected") == 4)
    reasons = db.execute("SELECT reason FROM rejected ORDER BY seq").fetchall()
    assert reasons == [("json",), ("size",), ("json",), ("refused",)]
