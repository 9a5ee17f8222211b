import threading
import time
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from events.reading import Reading, encode_senml
from ingest.clock import Clocks
from ingest.inbox import Inbox, Limits
from ingest.item import Arrival, Item, understand
from storage.ledger import to_ranges
from tests.ingest.conftest import now


def item(size: int = 100, *, at: float | None = None, sent: float | None = None) -> Item:
    payload = encode_senml([Reading("n", now(), 1.0)], "a").ljust(size)
    made = understand(Arrival(topic="ngatu/v1/a/readings", payload=payload, at=now() if at is None else at))
    made.sent = sent
    return made


def test_a_batch_is_cut_by_messages_and_by_bytes() -> None:
    inbox = Inbox(Limits(messages=3, payload_bytes=1000))
    for size in (100, 100, 100, 100, 900, 900):
        inbox.put([item(size)])
    assert [len(inbox.take(1)) for _ in range(3)] == [3, 2, 1]
    assert (len(inbox), inbox.payload_bytes) == (0, 0)


def test_the_first_of_a_batch_waits_for_company_but_not_longer_than_told() -> None:
    inbox = Inbox(Limits(messages=100, payload_bytes=10_000, flush_s=0.2))
    began = time.monotonic()
    inbox.put([item()])
    threading.Timer(0.05, lambda: inbox.put([item()])).start()
    assert len(inbox.take(1)) == 2
    assert 0.1 < time.monotonic() - began < 1


def test_a_full_batch_does_not_wait() -> None:
    inbox = Inbox(Limits(messages=2, payload_bytes=10_000, flush_s=30))
    inbox.put([item()])
    threading.Timer(0.05, lambda: inbox.put([item()])).start()
    began = time.monotonic()
    assert len(inbox.take(1)) == 2
    assert time.monotonic() - began < 5


def test_what_is_urgent_goes_first() -> None:
    inbox = Inbox(Limits(messages=2, payload_bytes=10_000))
    usual, urgent = item(), item()
    inbox.put([usual])
    inbox.put([urgent], first=True)
    assert inbox.take(1) == [urgent, usual]


def test_an_empty_inbox_gives_up_after_its_timeout() -> None:
    assert Inbox(Limits(messages=2, payload_bytes=10_000)).take(0.01) == []


def test_the_least_delayed_message_tells_a_clocks_offset() -> None:
    clocks = Clocks()
    clocks.note([item(at=1000 + n, sent=1000 + n + 3600 - delay) for n, delay in enumerate((5.0, 0.1, 30.0))])
    clocks.note([item(at=1003)])
    (heard,) = clocks.report()
    assert (heard.device, heard.at) == ("a", 1003)
    assert heard.offset_s is not None
    assert abs(heard.offset_s - 3599.9) < 1e-6
    assert clocks.report() == []


def test_a_clock_that_was_set_right_is_right_after_two_windows() -> None:
    clocks = Clocks()
    clocks.note([item(at=1000.0, sent=4600.0)])
    clocks.note([item(at=1000.0 + 70 * n, sent=1000.0 + 70 * n) for n in (1, 2, 3)])
    assert clocks.report()[0].offset_s == 0


@given(st.sets(st.integers(1, 60)))
def test_ranges_hold_exactly_the_numbers_that_they_were_made_of(numbers: set[int]) -> None:
    ranges = to_ranges(numbers)
    assert {n for first, last in ranges for n in range(first, last + 1)} == numbers
    assert all(later[0] > earlier[1] + 1 for earlier, later in pairwise(ranges))
