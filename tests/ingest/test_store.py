"""Batches into a real database, without MQTT: what is a duplicate, what is refused, and what is said about it."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.fact import to_json
from events.incident import Incident, Place
from events.reading import Reading, encode_senml
from events.status import Range, Status
from events.traffic import TrafficMinute
from ingest.item import Item
from ingest.outcome import Outcome
from ingest.store import Store
from storage import rejected
from storage.connect import connect, is_absence
from storage.status import fold
from tests.ingest.conftest import STREAM, arrive, new_stream, now, scalar
from tests.servers import WaitFor


@pytest.fixture
def store(dsn: str) -> Iterator[Store]:
    with connect(dsn, application="test") as conn:
        yield Store(conn)


def reading(seq: int | None, *, device: str = "a", stream: str = STREAM, at: float | None = None) -> Item:
    readings = [Reading("n", now() if at is None else at, float(seq or 0))]
    return arrive(device, "readings", encode_senml(readings, device), seq, stream)


def incident(seq: int, why: str = "", device: str = "a") -> Item:
    at = datetime.now(UTC)
    fact = Incident(
        id=new_stream(), rev=1, kind="speeding", state="open", severity="minor", camera="c", started_at=at,
        decided_at=at, at=at, confidence=1, place=Place(), why={"zone": why},
    )  # fmt: skip
    return arrive(device, "incident", to_json(fact), seq, "01J0000000000000000000000B")


def received(db: psycopg.Connection, stream: str = STREAM) -> object:
    return scalar(db, "SELECT received::text FROM ledger WHERE stream = %s", stream)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    batches=st.lists(
        st.tuples(st.booleans(), st.lists(st.integers(1, 12), min_size=1, max_size=12)), min_size=1, max_size=8
    )
)
def test_each_number_is_stored_once_whatever_comes_in_whatever_order_and_through_whom(
    dsn: str, db: psycopg.Connection, batches: list[tuple[bool, list[int]]]
) -> None:
    stream, other = new_stream(), new_stream()
    with connect(dsn, application="one") as one, connect(dsn, application="two") as two:
        stores = (Store(one), Store(two))
        for first, numbers in batches:
            items = [reading(n, device="h", stream=s) for n in numbers for s in (stream, other)]
            outcome = stores[first].store(items)
            assert outcome.stored + outcome.duplicates == len(items)
            assert {n for a, b in outcome.acks["h"][stream] for n in range(a, b + 1)} >= set(numbers)
    came = sorted({n for _, numbers in batches for n in numbers})
    rows = db.execute("SELECT value, count(*) FROM reading GROUP BY value ORDER BY value").fetchall()
    db.execute("TRUNCATE reading, series, ledger, device RESTART IDENTITY CASCADE")
    assert rows == [(n, 2) for n in came]


def test_a_batch_that_is_all_duplicates_is_acknowledged_with_all_that_is_held(
    store: Store, db: psycopg.Connection
) -> None:
    items = [reading(n) for n in range(1, 101)]
    assert store.store(items).stored == 100
    for _ in range(2):
        again = store.store(items[20:])
        assert (again.stored, again.duplicates, again.acks) == (0, 80, {"a": {STREAM: [(1, 100)]}})
    assert scalar(db, "SELECT count(*) FROM reading") == 100


def test_one_message_that_postgresql_refuses_is_singled_out_of_a_batch(store: Store, db: psycopg.Connection) -> None:
    items = [incident(n, "\x00" if n == 37 else "lane") for n in range(1, 65)]
    outcome = store.store(items)
    assert (outcome.stored, [item.id and item.id.seq for item in outcome.rejected]) == (63, [37])
    assert outcome.acks["a"] == {"01J0000000000000000000000B": [(1, 64)]}
    assert scalar(db, "SELECT count(*) FROM incident") == 63
    row = db.execute("SELECT seq, reason, payload FROM rejected").fetchall()
    assert row == [(37, "refused", items[36].arrival.payload)]


def test_a_unit_that_postgresql_refuses_spoils_no_other_message(store: Store, db: psycopg.Connection) -> None:
    bad = arrive("a", "readings", b'[{"n":"x","u":"\\u0000","t":1.7e9,"v":1}]', 2)
    outcome = store.store([reading(1), bad, reading(3)])
    assert (outcome.stored, len(outcome.rejected)) == (2, 1)
    assert received(db) == "{[1,4)}"


def test_a_stream_belongs_to_the_device_that_first_used_it(store: Store, db: psycopg.Connection) -> None:
    store.store([reading(1, device="owner")])
    assert store.store([reading(2, device="thief")]).acks == {"thief": {STREAM: [(2, 2)]}}
    outcome = store.store([reading(3, device="thief"), reading(4, device="owner")])
    assert outcome.acks == {"thief": {STREAM: [(3, 3)]}, "owner": {STREAM: [(1, 1), (4, 4)]}}
    assert received(db) == "{[1,2),[4,5)}"
    assert db.execute("SELECT device, reason, count(*) FROM rejected GROUP BY 1, 2").fetchall() == [
        ("thief", "stream", 2)
    ]
    assert scalar(db, "SELECT count(*) FROM reading") == 2


def test_an_incident_belongs_to_the_device_that_first_told_of_it(store: Store, db: psycopg.Connection) -> None:
    mine = incident(1, device="owner")
    theirs = arrive("thief", "incident", mine.arrival.payload.replace(b'"rev":1', b'"rev":2'), 1, new_stream())
    store.store([mine])
    outcome = store.store([theirs])
    assert [item.bad and item.bad.reason for item in outcome.rejected] == ["owner"]
    assert db.execute("SELECT rev FROM incident").fetchall() == [(1,)]


def test_a_flood_of_bad_messages_is_kept_up_to_a_bound_counted_beyond_and_shows_as_a_gap(
    store: Store, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "MAX_MESSAGES", 10)
    store.store([arrive("a", "readings", b"nonsense", n) for n in range(1, 9)])
    outcome = store.store([arrive("a", "readings", b"nonsense", n) for n in range(9, 31)])
    assert outcome.discarded == 20
    assert outcome.acks == {"a": {STREAM: [(1, 30)]}}
    assert scalar(db, "SELECT count(*) FROM rejected") == 10
    assert db.execute("SELECT device, reason, messages, discarded FROM rejected_tally").fetchall() == [
        ("a", "json", 30, 20)
    ]
    assert db.execute("SELECT first, last, explained, reason FROM gap").fetchall() == [(11, 30, True, "discarded")]
    assert store.store([arrive("a", "readings", b"nonsense", n) for n in range(9, 31)]).duplicates == 22


def test_wrong_clocks_are_stored_beside_and_flagged(store: Store, db: psycopg.Connection) -> None:
    soon = now() + 3600
    items = [reading(1, at=1e9), reading(2, at=soon), reading(3, at=now() + 60)]
    items.append(arrive("a", "readings", b'[{"n":"n","t":-5,"v":4}]', 4))  # five seconds ago, by no clock
    items.append(
        arrive(
            "a",
            "traffic",
            to_json(TrafficMinute(camera="c", zone="z", start=datetime(1970, 1, 1, tzinfo=UTC))),
            1,
            "01J0000000000000000000000C",
        )
    )
    store.store(items)
    assert db.execute("SELECT value, quality FROM misdated_reading ORDER BY value").fetchall() == [(1, 2), (2, 2)]
    assert db.execute("SELECT value, quality FROM reading ORDER BY value").fetchall() == [(3, 0), (4, 4)]
    assert scalar(db, "SELECT extract(epoch FROM received - at)::float8 FROM reading WHERE value = 4") == pytest.approx(
        5
    )
    assert scalar(db, "SELECT count(*) FROM misdated_traffic") == 1
    assert scalar(db, "SELECT count(*) FROM traffic") == 0


def test_a_reading_without_a_number_is_unique_by_series_and_time(store: Store, db: psycopg.Connection) -> None:
    at = now()
    for _ in range(2):
        outcome = store.store([reading(None, at=at), reading(None, at=at + 1), reading(None, at=at)])
        assert outcome.acks == {}
    state = [arrive("a", "readings", b'[{"n":"door","t":%d,"vb":true}]' % int(at), None) for _ in range(2)]
    store.store(state)
    minute = to_json(TrafficMinute(camera="c", zone="z", start=datetime.now(UTC)))
    store.store([arrive("a", "traffic", minute, None)])
    store.store([arrive("a", "traffic", minute, None)])
    assert scalar(db, "SELECT count(*) FROM foreign_reading") == 2
    assert scalar(db, "SELECT count(*) FROM any_reading") == 2
    assert scalar(db, "SELECT count(*) FROM state") == 1
    assert scalar(db, "SELECT count(*) FROM traffic") == 1
    assert scalar(db, "SELECT numbers_messages FROM device") is False


def test_what_is_given_up_is_confirmed_and_explained(store: Store, db: psycopg.Connection) -> None:
    store.store([reading(n) for n in (1, 2, 7)])
    given_up = (
        Range(stream=STREAM, first=3, last=4, reason="evicted"),
        Range(stream=STREAM, first=2, last=3, reason="torn"),
    )
    status = Status(state="online", connection=1, n=1, streams={STREAM: 9}, given_up=given_up)
    outcome = store.store([arrive("a", "status", to_json(status), None)])
    assert outcome.acks == {"a": {STREAM: [(1, 4), (7, 7)]}}
    gaps = db.execute(
        "SELECT device, kind, first, last, messages, explained, reason FROM gap ORDER BY first"
    ).fetchall()
    assert gaps == [
        ("a", "readings", 3, 4, 2, True, "evicted"),
        ("a", "readings", 5, 6, 2, False, "not received"),
        ("a", "readings", 8, 9, 2, False, "not received"),
    ]
    store.store([reading(3)])  # it came after all
    assert db.execute("SELECT first, last FROM gap WHERE explained").fetchall() == [(4, 4)]


def test_nobody_can_announce_or_give_up_for_another_device(store: Store, db: psycopg.Connection) -> None:
    store.store([reading(1, device="owner")])
    status = Status(
        state="online",
        connection=1,
        n=1,
        streams={STREAM: 9},
        given_up=(Range(stream=STREAM, first=2, last=4, reason="torn"),),
    )
    store.store([arrive("thief", "status", to_json(status), None)])
    assert scalar(db, "SELECT count(*) FROM gap") == 0


def test_finished_streams_are_folded_away_and_still_known(store: Store, db: psycopg.Connection) -> None:
    lossy, open_, whole = new_stream(), new_stream(), STREAM
    store.store([reading(n, stream=s) for s in (whole, lossy, open_) for n in (1, 2, 4)] + [reading(3, stream=whole)])
    given_up = (Range(stream=lossy, first=3, last=3, reason="evicted"),)
    first = Status(state="online", connection=1, n=1, streams={whole: 4, lossy: 4, open_: 4}, given_up=given_up)
    store.store([arrive("a", "status", to_json(first), None)])
    store.store([arrive("a", "status", to_json(Status(state="online", connection=2, n=1)), None)])
    device_id = scalar(db, "SELECT id FROM device")
    assert isinstance(device_id, int)
    assert fold(db, [device_id], idle=timedelta(0)) == 2
    assert db.execute("SELECT stream FROM ledger").fetchall() == [(open_,)]  # unfinished: stays visible
    assert set(db.execute("SELECT stream, first, last, explained FROM gap").fetchall()) == {
        (lossy, 3, 3, True),
        (open_, 3, 3, False),
    }
    outcome = store.store([reading(2, stream=whole), reading(3, stream=lossy), reading(5, stream=whole)])
    assert (outcome.stored, outcome.duplicates) == (2, 1)
    assert received(db, whole) == "{[1,6)}"
    assert received(db, lossy) == "{[1,5)}"
    assert fold(db, [device_id], idle=timedelta(0)) == 2


def test_two_processes_that_touch_the_same_rows_in_opposite_order_both_finish(dsn: str, db: psycopg.Connection) -> None:
    db.execute("INSERT INTO closing (source, level, closed_until) VALUES ('reading', '15m', now() + interval '1 hour')")
    streams = [new_stream() for _ in range(20)]
    outcomes = list[Outcome]()

    def work(parity: int) -> None:
        with connect(dsn, application="test") as conn:
            mine = Store(conn)
            for round_ in range(20):
                items = [
                    reading(2 * round_ + parity + 1, device=f"d{index}", stream=stream)
                    for index, stream in enumerate(streams)
                ]
                outcomes.append(mine.store(items if parity else items[::-1]))

    threads = [threading.Thread(target=work, args=[parity]) for parity in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(outcome.stored for outcome in outcomes) == 800
    assert db.execute("SELECT DISTINCT received::text FROM ledger").fetchall() == [("{[1,41)}",)]
    assert scalar(db, "SELECT count(*) FROM late_mark") >= 20  # type: ignore[operator]  # a count


def test_a_deadlock_is_lost_once_and_then_won(
    store: Store, dsn: str, db: psycopg.Connection, wait_for: WaitFor
) -> None:
    low, high = "01J00000000000000000000000", "01J0000000000000000000000Z"
    store.store([reading(1, stream=low), reading(1, stream=high)])
    results = list[Outcome]()
    with psycopg.connect(dsn) as rival:
        lock = "SELECT FROM ledger WHERE stream = %s FOR UPDATE"
        rival.execute("SET deadlock_timeout = '60s'")  # it is the other one that must find out, and lose
        rival.execute(lock, [high])
        thread = threading.Thread(
            target=lambda: results.append(store.store([reading(2, stream=low), reading(2, stream=high)]))
        )
        thread.start()
        waiting = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        wait_for(lambda: scalar(db, waiting) == 1)
        rival.execute(lock, [low])
        rival.commit()
        thread.join(20)
    assert [outcome.stored for outcome in results] == [2]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"not json", "json"),
        (b'[{"n":"a","v":NaN}]', "json"),
        (b'{"n":1}', "shape"),
        (b'[{"n":"a"}]', "senml"),
        (b"[" + b" " * 5_000_000 + b"]", "size"),
        (b"\xff\x00", "json"),
    ],
)
def test_what_is_no_message_is_kept_as_it_came_with_its_reason(
    store: Store, db: psycopg.Connection, payload: bytes, reason: str
) -> None:
    outcome = store.store([reading(1), arrive("a", "readings", payload, 2), reading(3)])
    assert (outcome.stored, len(outcome.rejected)) == (2, 1)
    assert db.execute("SELECT device, stream, seq, reason, payload FROM rejected").fetchall() == [
        ("a", STREAM, 2, reason, payload)
    ]
    assert received(db) == "{[1,4)}"


def test_a_device_may_not_invent_series_without_end(
    store: Store, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.series_book.MAX_SERIES", 5)
    many = [arrive("a", "readings", encode_senml([Reading(f"s{n}", now(), 1.0)], "a"), n) for n in range(1, 9)]
    outcome = store.store(many)
    assert (outcome.stored, {item.bad and item.bad.reason for item in outcome.rejected}) == (5, {"too_many_series"})
    assert scalar(db, "SELECT count(*) FROM series") == 5


BEYOND_INT4 = {"flows": [{"class": "car", "direction": "in", "count": 2**40}]}
BEYOND_FLOAT4 = {"queue_m": 1e300}
AT_THE_END_OF_TIME = {"start": "9999-12-31T23:59:59-12:00"}
AT_THE_BEGINNING = {"start": "0001-01-01T00:00:00+14:00"}


@pytest.mark.parametrize("facts", [BEYOND_INT4, BEYOND_FLOAT4, AT_THE_END_OF_TIME, AT_THE_BEGINNING])
def test_what_no_column_can_hold_is_rejected_and_spoils_nothing(
    store: Store, db: psycopg.Connection, facts: dict[str, object]
) -> None:
    minute = {"camera": "c", "zone": "z", "start": datetime.now(UTC).isoformat()}
    payloads = [msgspec.json.encode(minute), msgspec.json.encode(minute | facts), msgspec.json.encode(minute)]
    outcome = store.store([arrive("a", "traffic", payload, n) for n, payload in enumerate(payloads, 1)])
    kept = scalar(db, "SELECT count(*) FROM rejected")
    beside = scalar(db, "SELECT count(*) FROM misdated_traffic")
    assert (kept, beside) in {(1, 0), (0, 1)}
    assert len(outcome.rejected) == kept
    assert scalar(db, "SELECT count(*) FROM traffic") == 2
    assert received(db) == "{[1,4)}"


def test_a_server_that_goes_away_in_the_rollback_of_a_duplicate_is_only_away(
    dsn: str, db: psycopg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(dsn, application="doomed") as conn:
        store = Store(conn)
        store.store([reading(1)])

        def extend(_conn: psycopg.Connection, _entries: object) -> None:
            db.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'doomed'")

        monkeypatch.setattr("storage.ledger.extend", extend)
        with pytest.raises(psycopg.OperationalError) as caught:
            store.store([reading(1)])
        assert is_absence(caught.value)
