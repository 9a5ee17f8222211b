"""How a connection ends, and how soon there is a new one: each minute without is a minute of alerts that wait."""

import math
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Thread

import pytest

from edge.link import Address
from edge.outbox import Outbox
from edge.outgoing import INCIDENT
from edge.uplink import RIVALS, Pace, Uplink
from ngatu.faults.line import Lines
from tests.edge.acknowledger import Acknowledger
from tests.edge.making import incident
from tests.edge.test_uplink import Send, Sender, send
from tests.servers import Broker, WaitFor

__all__ = ["send"]  # a fixture

SOON_S = 7.0  # less than the shortest wait for a broker that does not want us


@dataclass(frozen=True)
class Behind:
    """The broker, at the other end of a line."""

    port: int
    host: str = Broker.host


def is_connected(sender: Sender) -> bool:
    """Let in, and hearing acks."""
    return sender.uplink._settled < math.inf


WELCOME = bytes([0x20, 3, 0, 0, 0])
UNAVAILABLE = bytes([0x20, 3, 0, 0x88, 0])
SHUTTING_DOWN = bytes([0xE0, 1, 0x8B])
TAKEN_OVER = bytes([0xE0, 1, 0x8E])


@contextmanager
def saying(answer: bytes) -> Iterator[tuple[int, Callable[[float], None]]]:
    """A broker that answers CONNECT so and hangs up; gives its port, and what lets one agent in within some seconds.

    Mosquitto hangs up without a word; others say that they shut down, or are not ready yet.
    """
    with socket.create_server(("127.0.0.1", 0)) as server:

        def take(timeout: float) -> None:
            server.settimeout(timeout)
            connection, _ = server.accept()
            with connection:
                connection.settimeout(SOON_S)
                assert connection.recv(1)[0] == 0x10  # CONNECT
                connection.sendall(answer)

        yield server.getsockname()[1], take


@pytest.mark.parametrize("answer", [WELCOME + SHUTTING_DOWN, UNAVAILABLE, WELCOME + TAKEN_OVER])
def test_a_broker_that_goes_in_good_order_is_looked_for_again_at_once(
    outbox: Outbox, send: Send, answer: bytes
) -> None:
    with saying(answer) as (port, take):
        sender = send(Behind(port), "good-order", outbox)
        take(SOON_S)
        take(SOON_S)
        sender.stop()


def test_where_two_agents_have_one_name_they_take_it_from_each_other_slowly(outbox: Outbox, send: Send) -> None:
    with saying(WELCOME + TAKEN_OVER) as (port, take):
        sender = send(Behind(port), "two-of-us", outbox)
        for _ in range(RIVALS):
            take(SOON_S)
        with pytest.raises(TimeoutError):
            take(4.0)
        sender.stop()


def test_a_broker_that_takes_everything_and_answers_nothing_is_left_soon(
    broker: Broker,
    outbox: Outbox,
    acknowledger: Acknowledger,
    send: Send,
    wait_for: WaitFor,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr("edge.link.ANSWER_S", 1.0)
    monkeypatch.setattr("edge.uplink.HELLO_S", 1.0)
    with Lines() as lines:
        line = lines.to(broker.port)
        sender = send(Behind(line.port), acknowledger.device, outbox)
        wait_for(lambda: is_connected(sender))
        line.stall()
        outbox.put(incident())
        wait_for(lambda: "no answer in 1 s" in caplog.text, timeout=SOON_S)
        line.mend()
        wait_for(lambda: outbox.depth().messages == 0, timeout=SOON_S)
        sender.stop()


def test_at_the_end_it_stays_until_alerts_are_stored(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    acknowledger.silent = True
    sender = send(broker, acknowledger.device, outbox)
    wait_for(lambda: is_connected(sender))
    ident = outbox.put(incident())
    wait_for(lambda: acknowledger.times[ident] >= 1)
    ending = Thread(target=sender.stop)
    ending.start()
    wait_for(sender._stop.is_set)
    acknowledger.speak()
    ending.join()
    assert outbox.depth().messages == 0
    wait_for(lambda: acknowledger.statuses[-1].state == "offline")


def test_at_the_end_it_does_not_wait_for_ever(
    broker: Broker,
    outbox: Outbox,
    acknowledger: Acknowledger,
    send: Send,
    wait_for: WaitFor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge.uplink.FAREWELL_S", 0.3)
    acknowledger.silent = True
    sender = send(broker, acknowledger.device, outbox)
    wait_for(lambda: is_connected(sender))
    ident = outbox.put(incident())
    wait_for(lambda: acknowledger.times[ident] >= 1)
    sender.stop()
    assert [row.seq for row in outbox.fetch_newest(INCIDENT, (), 9)] == [ident.seq]


@pytest.mark.parametrize(("reason", "least", "most"), [(0x87, 20.0, 31.0), (0x97, 0.0, 3.0), (0x83, 0.0, 3.0)])
def test_what_the_broker_has_no_room_for_waits_less_than_what_it_does_not_allow(
    outbox: Outbox, reason: int, least: float, most: float
) -> None:
    def nothing(_: object) -> None: ...

    uplink = Uplink("d", Address(host="127.0.0.1", port=1), outbox, Pace(), on_config=nothing, on_command=nothing)
    outbox.put(incident())
    (uplink._unanswered[7],) = outbox.fetch_newest(INCIDENT, (), 1)
    uplink._taken(7, reason)
    now = time.monotonic()
    assert uplink._is_paused(INCIDENT, now + least)
    assert not uplink._is_paused(INCIDENT, now + most)
    assert outbox.depth().messages == 1, "it is kept"
    uplink.close()
