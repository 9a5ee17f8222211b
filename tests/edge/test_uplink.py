"""From the outbox to a real broker and back: order, windows, resends, refusals, what is said about it."""

import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread

import pytest

from edge.link import Address, Link, parse_url
from edge.outbox import Outbox
from edge.outgoing import of_evidence, of_readings
from edge.uplink import Pace, Uplink
from events.config import Command, Config
from events.evidence import Evidence
from events.fact import to_json
from events.reading import Reading
from events.status import LAST_WORD, Status
from ngatu.process.guard import Guard
from ngatu.servers import mosquitto
from tests.edge.acknowledger import Acknowledger
from tests.edge.making import NOW, incident, message
from tests.servers import Broker, WaitFor, running_broker

PACE = Pace(resend_s=0.5, resend_max_s=2.0, status_s=0.5)
ULIDS = (f"01JD{number:022d}" for number in itertools.count())


class Sender:
    """An uplink in a thread of its own."""

    def __init__(self, broker: Broker, device: str, outbox: Outbox, pace: Pace = PACE, **address: str | None) -> None:
        self.heard: list[Config | Command] = []
        where = Address(host=broker.host, port=broker.port, **address)  # type: ignore[arg-type] # user and password
        self.uplink = Uplink(device, where, outbox, pace, on_config=self.heard.append, on_command=self.heard.append)
        self._stop = Event()
        self._thread = Thread(target=self.uplink.run, args=(self._stop,))
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self.uplink.wake()
        self._thread.join(10)
        assert not self._thread.is_alive()


Send = Callable[..., Sender]


@pytest.fixture
def send() -> Iterator[Send]:
    made: list[Sender] = []

    def start(broker: Broker, device: str, outbox: Outbox, pace: Pace = PACE, **address: str | None) -> Sender:
        made.append(Sender(broker, device, outbox, pace, **address))
        return made[-1]

    yield start
    for sender in made:
        sender.stop()


def some_readings(count: int, series: str = "a") -> list[Reading]:
    return [Reading(series, 1_760_000_000.0 + number, float(number), "1") for number in range(count)]


def test_everything_arrives_once_and_leaves_the_disk_when_it_is_stored(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    for reading in some_readings(500):
        outbox.put(of_readings([reading], acknowledger.device))
    outbox.commit()
    send(broker, acknowledger.device, outbox, replace(PACE, resend_s=10.0, resend_max_s=20.0))
    wait_for(lambda: outbox.depth().messages == 0, timeout=30)
    assert sorted(reading.value for reading in acknowledger.readings()) == list(range(500))
    assert set(acknowledger.times.values()) == {1}
    envelope = acknowledger.messages[0].envelope
    assert envelope.content_type == "application/senml+json"
    assert envelope.sent is not None


def test_what_is_not_stored_stays_on_disk_and_is_sent_again(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    acknowledger.silent = True
    ident = outbox.put(of_readings(some_readings(1), acknowledger.device))
    send(broker, acknowledger.device, outbox)
    wait_for(lambda: acknowledger.times[ident] >= 3)
    assert outbox.depth().messages == 1
    acknowledger.speak()
    wait_for(lambda: outbox.depth().messages == 0)


def test_a_message_expires_in_the_broker_when_it_would_be_sent_again(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    outbox.put(of_readings(some_readings(1), acknowledger.device))
    send(broker, acknowledger.device, outbox, replace(PACE, resend_s=4.0))
    wait_for(lambda: acknowledger.of_kind("readings"))
    raw = next(raw for raw in acknowledger.raw if raw.topic.endswith("readings"))
    assert 1 <= raw.properties.MessageExpiryInterval <= 11


def test_an_incident_and_its_still_overtake_a_backlog_and_the_newest_goes_first(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    for _ in range(300):
        outbox.put(of_readings(some_readings(5), acknowledger.device))
    names = [next(ULIDS) for _ in range(3)]
    for name in names:
        outbox.put(incident(name))
        still = Evidence(incident=name, camera="a", at=NOW, role="still", data=b"\xff\xd8\xff" + bytes(2000))
        outbox.put(of_evidence(still))
    send(broker, acknowledger.device, outbox)
    wait_for(lambda: len(acknowledger.messages) == 306, timeout=30)
    first = [message.body for message in acknowledger.messages[:6]]
    assert [getattr(body, "id", None) or getattr(body, "incident", None) for body in first] == names[::-1] * 2
    late = next(ULIDS)
    outbox.put(incident(late))
    wait_for(lambda: any(getattr(message.body, "id", "") == late for message in acknowledger.messages))


def test_an_incident_and_its_still_are_sent_once_though_the_disk_forgets_them_later(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    send(broker, acknowledger.device, outbox, replace(PACE, resend_s=10.0, resend_max_s=20.0))
    for number in range(20):
        outbox.put(incident(name := f"01JD{number:022d}"))
        outbox.put(of_evidence(Evidence(incident=name, camera="a", at=NOW, role="still", data=b"\xff\xd8\xff")))
        for reading in some_readings(20):
            outbox.put(of_readings([reading], acknowledger.device))  # so that there is always something to send
    wait_for(lambda: outbox.depth().messages == 0)
    assert set(acknowledger.times.values()) == {1}


def test_at_most_a_window_is_under_way_and_incidents_still_get_through(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    acknowledger.silent = True
    for _ in range(100):
        outbox.put(of_readings(some_readings(1), acknowledger.device))
    send(broker, acknowledger.device, outbox, replace(PACE, window_messages=20, resend_s=60.0, resend_max_s=60.0))
    wait_for(lambda: len(acknowledger.messages) == 18)
    outbox.put(incident(next(ULIDS)))
    wait_for(lambda: acknowledger.of_kind("incident"))
    assert len(acknowledger.messages) == 19
    acknowledger.speak()
    wait_for(lambda: outbox.depth().messages == 0)


def test_nothing_is_lost_when_the_broker_is_killed_and_wiped(
    private_broker: Broker, outbox: Outbox, send: Send, wait_for: WaitFor
) -> None:
    with Acknowledger(private_broker.host, private_broker.port, "wiped") as other_end:
        wait_for(lambda: other_end.ready)
        other_end.silent = True
        made = {outbox.put(of_readings(some_readings(2), "wiped")) for _ in range(50)}
        send(private_broker, "wiped", outbox)
        wait_for(lambda: other_end.ids() == made)
    private_broker.kill()
    private_broker.wipe()
    made |= {outbox.put(of_readings(some_readings(2), "wiped")) for _ in range(50)}
    private_broker.start()
    with Acknowledger(private_broker.host, private_broker.port, "wiped") as other_end:
        wait_for(lambda: outbox.depth().messages == 0, timeout=30)
        assert other_end.ids() == made


def test_what_the_retained_ack_covers_is_not_sent_again_after_a_reconnect(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    made = [outbox.put(of_readings(some_readings(1), acknowledger.device)) for _ in range(10)]
    acknowledger.stored[made[0].stream] = [(1, 9)]
    acknowledger.say()
    outbox.commit()
    send(broker, acknowledger.device, outbox, replace(PACE, resend_s=5.0))
    wait_for(lambda: outbox.depth().messages == 0)
    assert acknowledger.ids() == {made[9]}


def test_the_status_tells_depth_streams_and_what_was_given_up_until_it_is_confirmed(
    broker: Broker, outbox_path: Path, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    outbox = Outbox(outbox_path, 100_000)
    stream = next(iter([outbox.put(of_readings(some_readings(100), "x")) for _ in range(60)])).stream
    outbox.commit()
    gone = outbox.given_up()
    assert gone
    acknowledger.silent = True
    sender = send(broker, acknowledger.device, outbox)
    wait_for(lambda: acknowledger.statuses)
    status = acknowledger.statuses[0]
    assert status.state == "online"
    assert status.streams == {stream: 60}
    assert status.given_up == gone
    assert status.outbox is not None
    assert status.outbox.messages == outbox.depth().messages
    acknowledger.speak()
    wait_for(lambda: acknowledger.statuses[-1].given_up == ())
    sender.stop()
    wait_for(lambda: acknowledger.statuses[-1].state == "offline")
    numbers = [(status.connection, status.n) for status in acknowledger.statuses]
    assert numbers == sorted(set(numbers))
    assert LAST_WORD not in {n for _, n in numbers}
    outbox.close()


def test_the_last_will_speaks_when_the_agent_cannot(
    broker: Broker, acknowledger: Acknowledger, wait_for: WaitFor
) -> None:
    will = to_json(Status(state="offline", connection=7, n=LAST_WORD))
    address = Address(host=broker.host, port=broker.port)
    link = Link(address, acknowledger.device, will, heard=lambda *_: None, taken=lambda *_: None)
    never = os.eventfd(0)
    link.open()
    while not link.ready:
        link.wait(never, 0.1)
    link.abandon()
    os.close(never)
    wait_for(lambda: acknowledger.statuses)
    assert acknowledger.statuses[-1].n == LAST_WORD
    assert acknowledger.statuses[-1].connection == 7


def test_config_and_commands_are_heard_and_nonsense_is_not(
    broker: Broker, outbox: Outbox, acknowledger: Acknowledger, send: Send, wait_for: WaitFor
) -> None:
    sender = send(broker, acknowledger.device, outbox)
    wait_for(lambda: acknowledger.statuses)
    acknowledger.tell("config", b"{nonsense")
    acknowledger.tell("ack", b'{"not a stream": 1}')
    acknowledger.tell("config", to_json(Config(rev=3, document={"ward": "00070"})))
    acknowledger.tell("command", to_json(Command(id=next(ULIDS), action="restart", at=NOW)))
    wait_for(lambda: len(sender.heard) == 2)
    assert isinstance(sender.heard[0], Config)
    assert sender.heard[0].rev == 3


def test_a_wrong_password_is_said_and_tried_again(
    guarded_broker: Broker, outbox: Outbox, send: Send, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    send(guarded_broker, "camera-a", outbox, user="camera-a", password="guessed")
    wait_for(lambda: "check broker.user and the password" in caplog.text)


def test_the_right_password_gets_through(guarded_broker: Broker, outbox: Outbox, send: Send, wait_for: WaitFor) -> None:
    sender = send(guarded_broker, "camera-a", outbox, user="camera-a", password=guarded_broker.site.users["camera-a"])
    ident = outbox.put(of_readings(some_readings(1), "camera-a"))
    wait_for(lambda: sender.uplink._window.ids(5))
    assert ident.seq == 1
    assert not outbox.given_up()


@contextmanager
def changed_broker(site: mosquitto.BrokerSite, guard: Guard, *lines: str) -> Iterator[Broker]:
    mosquitto.initialise(site)
    with running_broker(site, guard) as broker:
        broker.stop()
        conf = site.folder / "mosquitto.conf"
        conf.write_text(conf.read_text() + "".join(f"{line}\n" for line in lines))
        broker.start()
        yield broker


def test_a_message_at_which_the_broker_breaks_off_is_found_out_and_given_up_and_the_rest_goes_on(
    private_broker_site: mosquitto.BrokerSite, guard: Guard, outbox: Outbox, send: Send, wait_for: WaitFor
) -> None:
    with changed_broker(private_broker_site, guard, "message_size_limit 20000") as broker:
        large = outbox.put(of_readings(some_readings(2000), "small-broker"))
        fits = outbox.put(of_readings(some_readings(10), "small-broker"))
        sender = send(broker, "small-broker", outbox)
        wait_for(outbox.given_up, timeout=30)
        assert [(span.stream, span.first, span.last, span.reason) for span in outbox.given_up()] == [
            (large.stream, 1, 1, "refused")
        ]
        with Acknowledger(broker.host, broker.port, "small-broker"):
            wait_for(lambda: outbox.depth().messages == 0)
        assert fits.seq == 2
        sender.stop()


def test_what_is_too_large_by_the_brokers_own_word_is_not_even_sent(
    private_broker_site: mosquitto.BrokerSite, guard: Guard, outbox: Outbox, send: Send, wait_for: WaitFor
) -> None:
    with running_broker(private_broker_site, guard) as broker:
        broker.stop()
        conf = private_broker_site.folder / "mosquitto.conf"
        conf.write_text(conf.read_text().replace("max_packet_size 16777216", "max_packet_size 20000"))
        broker.start()
        outbox.put(of_readings(some_readings(2000), "small-packets"))
        with Acknowledger(broker.host, broker.port, "small-packets") as other_end:
            sender = send(broker, "small-packets", outbox)
            wait_for(lambda: any(span.reason == "too_large" for s in other_end.statuses for span in s.given_up))
            wait_for(lambda: not outbox.given_up())
            sender.stop()
            assert {status.connection for status in other_end.statuses} == {other_end.statuses[0].connection}


def test_what_the_broker_does_not_allow_is_kept_and_does_not_hold_up_the_rest(
    guarded_broker: Broker, outbox: Outbox, send: Send, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    """An access list that forbids traffic is a mistake that somebody will mend: no reason to throw a week away."""
    guarded_broker.stop()
    acl = guarded_broker.site.folder / "acl"
    acl.write_text(acl.read_text().replace("pattern write ngatu/v1/%u/traffic\n", ""))
    guarded_broker.start()
    passwords = guarded_broker.site.users
    send(guarded_broker, "camera-a", outbox, user="camera-a", password=passwords["camera-a"])
    for _ in range(30):
        outbox.put(message(4, b"{}"))
    ident = outbox.put(of_readings(some_readings(1), "camera-a"))
    wait_for(lambda: "refuses kind=traffic" in caplog.text)
    outbox.acknowledge({ident.stream: [(1, 1)]})
    wait_for(lambda: outbox.depth().messages == 30)
    assert not outbox.given_up()


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("mqtt://broker", ("broker", 1883, False)),
        ("mqtts://b.example:99", ("b.example", 99, True)),
        ("mqtt://[::1]:5", ("::1", 5, False)),
    ],
)
def test_addresses_are_read(url: str, parts: tuple[str, int, bool]) -> None:
    assert parse_url(url) == parts


@pytest.mark.parametrize("url", ["http://broker", "broker:1883", "mqtt://", ""])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="mqtt"):
        parse_url(url)
