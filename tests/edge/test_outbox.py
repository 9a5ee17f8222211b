"""What is put is there, in order, until an ack covers it or the budget is full; and never under another's number."""

import sqlite3
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from ulid import ULID

from edge import boxfile
from edge.boxfile import Row
from edge.eviction import evict
from edge.outbox import PENDING_BYTES, Outbox, OutboxBusy
from edge.outgoing import RANKS, Rank
from events.envelope import MessageId
from events.message import MAX_BYTES
from tests.edge.making import message
from tests.servers import WaitFor


def everything(outbox: Outbox) -> list[Row]:
    return [row for rank in RANKS for row in outbox.fetch(rank, 0, 10_000)]


def ids(outbox: Outbox) -> set[MessageId]:
    return {MessageId(row.stream, row.seq) for row in everything(outbox)}


def given_up(outbox: Outbox) -> dict[MessageId, str]:
    return {
        MessageId(span.stream, seq): span.reason
        for span in outbox.given_up(100_000)
        for seq in range(span.first, span.last + 1)
    }


def test_numbers_count_from_one_in_a_stream_for_each_kind(outbox: Outbox) -> None:
    found = [outbox.put(message(5)), outbox.put(message(5)), outbox.put(message(4)), outbox.put(message(5))]
    assert [seq for _, seq in found] == [1, 2, 1, 3]
    assert len({stream for stream, _ in found}) == 2


def test_an_incident_is_on_disk_when_put_returns(outbox: Outbox, outbox_path: Path) -> None:
    outbox.put(message(0))
    with boxfile.connect_to_read(outbox_path) as conn:
        assert conn.execute("SELECT count(*) FROM message").fetchone() == (1,)
    conn.close()


def test_readings_are_on_disk_soon_without_being_asked_for(outbox: Outbox, wait_for: WaitFor) -> None:
    outbox.put(message(5))
    wait_for(lambda: len(everything(outbox)) == 1, timeout=2)


def test_messages_outlive_a_restart_under_their_numbers_and_new_ones_get_others(outbox_path: Path) -> None:
    first = Outbox(outbox_path, 10_000_000)
    old = first.put(message(5, b"old"))
    first.close()
    second = Outbox(outbox_path, 10_000_000)
    new = second.put(message(5, b"new"))
    second.commit()
    assert {(row.stream, row.seq): row.payload for row in everything(second)} == {old: b"old", new: b"new"}
    assert old.stream != new.stream
    second.close()


def test_a_restored_image_never_gives_an_old_number_to_a_new_message(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 10_000_000)
    outbox.put(message())
    outbox.close()
    image = outbox_path.read_bytes()
    seen = set()
    for _ in range(3):
        outbox_path.write_bytes(image)
        outbox = Outbox(outbox_path, 10_000_000)
        seen.add(outbox.put(message()))
        seen.add(MessageId("connection", outbox.next_connection()))
        outbox.close()
    assert len(seen) == 6


def test_only_what_an_ack_covers_is_forgotten(outbox: Outbox) -> None:
    stream = next(iter([outbox.put(message()) for _ in range(10)])).stream
    outbox.commit()
    outbox.acknowledge({stream: [(2, 3), (9, 99)], str(ULID()): [(1, 10)]})
    outbox.commit()
    assert {seq for _, seq in ids(outbox)} == {1, 4, 5, 6, 7, 8}
    assert outbox.depth().messages == 6


def test_a_message_that_is_acknowledged_twice_is_counted_off_once(outbox: Outbox) -> None:
    stream = next(iter([outbox.put(message()) for _ in range(10)])).stream
    outbox.commit()
    for _ in range(2):
        outbox.acknowledge({stream: [(1, 4)]})
        outbox.acknowledge({stream: [(3, 5)]})
        outbox.commit()
    assert {seq for _, seq in ids(outbox)} == {6, 7, 8, 9, 10}
    assert outbox.depth().messages == 5
    assert outbox.put(message()).seq == 11


@pytest.mark.parametrize("covered", [[(0, 2**70)], [(-5, 1), (2, 1)], [(1, 1), (1, 1)]])
def test_an_absurd_ack_does_no_harm(outbox: Outbox, covered: list[tuple[int, int]]) -> None:
    stream = outbox.put(message()).stream
    outbox.commit()
    outbox.acknowledge({stream: covered})
    assert outbox.commit()
    assert not ids(outbox)
    assert outbox.put(message()).seq == 2


def test_incidents_come_newest_first_and_others_oldest_first(outbox: Outbox) -> None:
    for rank in (0, 5):
        for number in range(5):
            outbox.put(message(rank, b"%d" % number))
    outbox.commit()
    newest = outbox.fetch_newest(0, set(), 2)
    assert [row.payload for row in newest] == [b"4", b"3"]
    assert [row.payload for row in outbox.fetch_newest(0, {row.id for row in newest}, 2)] == [b"2", b"1"]
    assert [row.payload for row in outbox.fetch(5, 0, 2)] == [b"0", b"1"]


def test_the_least_valuable_goes_first_and_of_those_the_oldest(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 200_000)
    for rank in RANKS:
        for _ in range(4):
            outbox.put(message(rank, bytes(6000)))
    outbox.commit()
    kept: dict[int, int] = {}
    for row in everything(outbox):
        kept[row.rank] = kept.get(row.rank, 0) + 1
    assert kept == {0: 4, 1: 4, 2: 4, 3: 4, 4: 4, 5: 4}
    for _ in range(20):
        outbox.put(message(0, bytes(6000)))
    outbox.commit()
    left = everything(outbox)
    assert {row.rank for row in left} == {0}
    assert outbox.depth().bytes <= 200_000
    assert {row.seq for row in left} == set(range(25 - len(left), 25))  # the newest
    assert set(given_up(outbox).values()) == {"evicted"}
    assert len(given_up(outbox)) + len(left) == 48
    outbox.close()


def test_what_was_given_up_is_told_until_an_ack_confirms_it_over_restarts(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 100_000)
    stream = next(iter([outbox.put(message(5, bytes(3000))) for _ in range(100)])).stream
    outbox.commit()
    before = given_up(outbox)
    assert before
    outbox.close()
    outbox = Outbox(outbox_path, 100_000)
    assert given_up(outbox) == before
    outbox.acknowledge({stream: [(1, 3)]})
    outbox.close()
    outbox = Outbox(outbox_path, 100_000)
    assert given_up(outbox) == {ident: why for ident, why in before.items() if ident.seq > 3}
    outbox.acknowledge({stream: [(1, 100)]})
    outbox.commit()
    assert not given_up(outbox)
    assert not outbox.streams()
    outbox.close()


def test_what_is_stored_in_the_moment_of_its_eviction_is_not_told_for_ever(
    outbox_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(outbox_path, 100_000)
    stream = next(iter([outbox.put(message(payload=bytes(10_000))) for _ in range(8)])).stream
    outbox.commit()

    def and_meanwhile_an_ack(*args: Any) -> Any:
        victims = evict(*args)
        outbox.acknowledge({stream: [(1, 8)]})
        return victims

    monkeypatch.setattr("edge.outbox.evict", and_meanwhile_an_ack)
    for _ in range(6):
        outbox.put(message(payload=bytes(10_000)))
    outbox.commit()
    monkeypatch.undo()
    outbox.acknowledge({stream: [(1, 14)]})
    outbox.commit()
    assert not outbox.given_up()
    outbox.close()
    again = Outbox(outbox_path, 100_000)
    assert not again.given_up()
    again.close()


def test_a_message_that_is_too_large_for_anyone_is_accounted_for(outbox: Outbox) -> None:
    ident = outbox.put(message(6, bytes(MAX_BYTES + 1)))
    outbox.commit()
    assert given_up(outbox) == {ident: "too_large"}
    assert outbox.streams() == {ident.stream: 1}


def test_a_message_larger_than_the_budget_is_accounted_for(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 100_000)
    ident = outbox.put(message(0, bytes(200_000)))
    assert given_up(outbox) == {ident: "evicted"}
    outbox.close()


def test_the_file_stays_near_its_budget(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 1_000_000)
    for size in (10, 500, 3000, 5000, 70_000) * 200:
        outbox.put(message(5, bytes(size)))
    outbox.commit()
    assert outbox.depth().bytes <= 1_000_000
    outbox.close()
    assert outbox_path.stat().st_size < 1_300_000


def test_streams_of_earlier_runs_are_told_until_they_are_stored(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 10_000_000)
    ident = outbox.put(message())
    outbox.close()
    outbox = Outbox(outbox_path, 10_000_000)
    assert outbox.streams() == {ident.stream: 1}
    outbox.acknowledge({ident.stream: [(1, 1)]})
    outbox.commit()
    assert outbox.streams() == {}
    outbox.close()


def test_a_note_becomes_true_with_its_message(outbox_path: Path) -> None:
    outbox = Outbox(outbox_path, 10_000_000)
    outbox.put(message(), ("replay", "7"))
    outbox.close()
    outbox = Outbox(outbox_path, 10_000_000)
    assert outbox.note("replay") == "7"
    assert outbox.note("nothing") is None
    outbox.close()


def test_connections_are_numbered_upwards_even_when_the_file_is_lost(outbox_path: Path) -> None:
    found = []
    for _ in range(3):
        outbox = Outbox(outbox_path, 10_000_000)
        found += [outbox.next_connection(), outbox.next_connection()]
        outbox.close()
        outbox_path.unlink()
    assert found == sorted(set(found))


def test_a_second_agent_is_refused_with_a_reason(outbox: Outbox, outbox_path: Path) -> None:
    with pytest.raises(OutboxBusy, match="another agent"):
        Outbox(outbox_path, 10_000_000)
    assert outbox.put(message())


def test_a_disk_that_takes_nothing_loses_nothing_that_fits_in_memory(
    outbox: Outbox, outbox_path: Path, wait_for: WaitFor
) -> None:
    outbox.commit()
    blocker = sqlite3.connect(outbox_path, isolation_level=None)
    outbox._conn.execute("PRAGMA busy_timeout = 50")
    blocker.execute("BEGIN IMMEDIATE")
    found = {outbox.put(message(rank)) for rank in (0, 5, 5)}
    assert not outbox.commit()
    assert not ids(outbox)
    blocker.execute("ROLLBACK")
    blocker.close()
    wait_for(lambda: ids(outbox) == found)


def test_while_the_disk_takes_nothing_memory_stays_bounded_and_what_is_shed_accounted_for(
    outbox: Outbox, outbox_path: Path
) -> None:
    blocker = sqlite3.connect(outbox_path, isolation_level=None)
    outbox._conn.execute("PRAGMA busy_timeout = 1")
    blocker.execute("BEGIN IMMEDIATE")
    precious = outbox.put(message(0))
    made = {outbox.put(message(5, bytes(500_000))) for _ in range(60)}
    assert outbox._work.bytes <= PENDING_BYTES
    blocker.execute("ROLLBACK")
    blocker.close()
    assert outbox.commit()
    assert precious in ids(outbox)
    assert ids(outbox) | given_up(outbox).keys() == made | {precious}


def test_many_threads_put_at_once(outbox: Outbox) -> None:
    found: list[MessageId] = []

    def work(rank: Rank) -> None:
        found.extend([outbox.put(message(rank)) for _ in range(50)])

    threads = [threading.Thread(target=work, args=(rank,)) for rank in (0, 4, 5, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    outbox.commit()
    assert len(set(found)) == 200
    assert ids(outbox) == set(found)


class Model(RuleBasedStateMachine):
    """An outbox beside sets that say what must be in it."""

    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.path = self.folder / f"{ULID()}.db"
        self.budget = 150_000
        self.outbox = Outbox(self.path, self.budget)
        self.put: dict[MessageId, Rank] = {}
        self.acked: set[MessageId] = set()

    @rule(rank=st.sampled_from(get_args(Rank)), size=st.sampled_from([0, 100, 3_000, 20_000]), times=st.integers(1, 6))
    def put_some(self, rank: Rank, size: int, times: int) -> None:
        for _ in range(times):
            ident = self.outbox.put(message(rank, bytes(size)))
            assert ident not in self.put
            self.put[ident] = rank

    @precondition(lambda self: self.put)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        self.outbox.commit()
        covered = data.draw(st.sets(st.sampled_from(sorted(self.put)), max_size=8))
        for ident in covered:
            self.outbox.acknowledge({ident.stream: [(ident.seq, ident.seq)]})
        self.acked |= covered

    @rule()
    def restart(self) -> None:
        self.outbox.close()
        self.outbox = Outbox(self.path, self.budget)

    @rule()
    def crash(self) -> None:
        """What was committed is there; memory is gone."""
        self.outbox.commit()
        saved = {name: name.read_bytes() for name in self.path.parent.glob(f"{self.path.name}*")}
        self.outbox.close()
        for name, data in saved.items():
            name.write_bytes(data)
        self.path.with_name(f"{self.path.name}-shm").unlink(missing_ok=True)
        self.outbox = Outbox(self.path, self.budget)

    @invariant()
    def every_message_is_kept_or_acknowledged_or_accounted_for(self) -> None:
        self.outbox.commit()
        kept, gone = ids(self.outbox), set(given_up(self.outbox))
        assert kept | gone | self.acked == self.put.keys()
        assert not kept & gone
        assert not gone & self.acked
        depth = self.outbox.depth()
        assert depth.bytes <= self.budget
        assert depth.messages == len(kept)
        assert depth.bytes == sum(row.size for row in everything(self.outbox))

    @invariant()
    def unfinished_streams_are_told(self) -> None:
        told = self.outbox.streams()
        for ident in self.put.keys() - self.acked:
            assert told[ident.stream] >= ident.seq

    def teardown(self) -> None:
        self.outbox.close()
        assert not list(self.folder.glob("*.torn-*"))


def test_whatever_happens_every_message_is_kept_stored_or_accounted_for(tmp_path: Path) -> None:
    Model.folder = tmp_path
    run_state_machine_as_test(
        Model,
        settings=settings(
            max_examples=25, stateful_step_count=20, deadline=None, derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )  # fmt: skip
