"""MQTT 5 on the wire: a real broker's bytes, any bytes, any split of them, and a broker that goes away."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING

import paho.mqtt.client as paho
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties as PahoProperties

from events.envelope import JSON
from ingest.consumer import BrokerAddress, Consumer, Subscription
from ingest.mqtt import commands
from ingest.mqtt.connection import Connection, Login, RefusedError
from ingest.mqtt.packets import Connack, Disconnect, Packet, Pingresp, Puback, Publish, Suback, read_packets
from ingest.mqtt.properties import Properties, ProtocolError, read_varint, write_varint
from tests.servers import Broker, WaitFor

if TYPE_CHECKING:
    from ingest.item import Arrival

# What Mosquitto 2.0 answered to the commands of `COMMANDS`, byte for byte.
GOLDEN: list[tuple[str, Packet]] = [
    ("20 0e 00 00 0b 22 00 0a 27 01 00 00 00 21 07 d0", Connack(False, 0, Properties({34: 10, 39: 1 << 24, 33: 2000}))),
    ("90 05 00 01 00 01 01", Suback(1, b"\x01\x01")),
    (
        "30320003612f62290300106170706c69636174696f6e2f6a736f6e26000269640003783a3126000473656e7400036e6f775b315d",
        Publish("a/b", b"[1]", 0, 0, Properties({3: JSON}, (("id", "x:1"), ("sent", "now")))),
    ),
    ("32 0b 00 03 61 2f 62 00 01 00 5b 32 5d", Publish("a/b", b"[2]", 1, 1)),
    ("40 02 01 02", Puback(258)),
    ("d0 00", Pingresp()),
    ("31 07 00 03 61 2f 62 00 72", Publish("a/b", b"r", 0, 0, retain=True)),
    ("e0 01 82", Disconnect(0x82)),
]
STREAM = b"".join(bytes.fromhex(text) for text, _ in GOLDEN)

COMMANDS = {
    "10 16 00 04 4d 51 54 54 05 02 00 14 08 11 00 00 00 00 21 01 f4 00 01 63": commands.connect(
        client_id="c", keepalive=20, clean_start=True, session_expiry=0, receive_maximum=500
    ),
    "82 15 00 01 00 00 03 61 2f 2b 01 00 09 24 73 68 61 72 65 2f 2f 78 01": commands.subscribe(1, ["a/+", "$share//x"]),
    "40 02 00 01": commands.pubacks([1]),
    "c0 00": commands.PINGREQ,
    GOLDEN[2][0]: commands.publish("a/b", b"[1]", content_type=JSON, user=[("id", "x:1"), ("sent", "now")]),
}

MALFORMED = {
    "00 00": "nothing that a broker sends",
    "10 00": "nothing that a broker sends",  # CONNECT
    "91 04 00 02 00 01": "nothing that a broker sends",  # reserved bits
    "34 07 00 03 61 2f 62 00 00": "QoS 2",
    "36 07 00 03 61 2f 62 00 00": "QoS 3",
    "30 ff ff ff ff 01": "more than four bytes",
    "30 05 00 09 61 2f 62": "ends before its properties",
    "32 07 00 03 61 2f 62 00 00": "ends before its properties",
    "32 08 00 03 61 2f 62 00 00 00": "without topic or packet id",
    "30 03 00 00 00": "without topic",
    "30 09 00 01 61 03 23 00 01 5b 5d": "alias",
    "30 06 00 01 61 02 7f 00": "unknown",
    "30 08 00 01 61 04 01 00 01 00": "stands twice",
    "30 08 00 01 61 04 26 00 09 61": "ends before its properties|beyond",
    "d0 01 00": "nothing that a broker sends",
    "20 02 02 00": "nothing that a broker sends",
    "90 03 00 01 00": "nothing that a broker sends",
}

text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=200)


@pytest.mark.parametrize(("text", "packet"), GOLDEN)
def test_what_mosquitto_sends_is_read(text: str, packet: Packet) -> None:
    data = bytes.fromhex(text)
    assert read_packets(data) == ([packet], len(data))


@pytest.mark.parametrize("expected", COMMANDS)
def test_what_we_send_is_as_the_standard_has_it(expected: str) -> None:
    assert COMMANDS[expected] == bytes.fromhex(expected)


@pytest.mark.parametrize("data", MALFORMED)
def test_what_is_no_mqtt_is_refused_with_what_is_wrong(data: str) -> None:
    with pytest.raises(ProtocolError, match=MALFORMED[data]):
        read_packets(bytes.fromhex(data))


def test_a_packet_larger_than_is_taken_is_refused_before_it_has_come() -> None:
    with pytest.raises(ProtocolError, match="at most 1000 are taken"):
        read_packets(b"\x30\xe9\x07", largest=1000)


def test_text_that_is_no_utf8_ends_in_a_message_that_can_be_rejected() -> None:
    [packet], _ = read_packets(bytes.fromhex("30 09 00 02 61 ff 00 5b 31 32 5d"))
    assert packet == Publish("a\ufffd", b"[12]", 0, 0)


def expect_packets_or_a_protocol_error(data: bytes) -> None:
    try:
        packets, taken = read_packets(data)
    except ProtocolError:
        return
    assert 0 <= taken <= len(data)
    assert bool(packets) == bool(taken)


@given(st.binary(max_size=300))
@example(STREAM)
def test_any_bytes_are_packets_or_a_protocol_error(data: bytes) -> None:
    expect_packets_or_a_protocol_error(data)


@given(st.integers(0, len(STREAM) - 1), st.binary(min_size=1, max_size=3))
def test_a_damaged_stream_is_packets_or_a_protocol_error(at: int, junk: bytes) -> None:
    expect_packets_or_a_protocol_error(STREAM[:at] + junk + STREAM[at + len(junk) :])


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_any_split_of_the_stream_gives_the_same_packets(cuts: list[int]) -> None:
    packets: list[Packet] = []
    unread, before = b"", 0
    for cut in [*sorted(cuts), len(STREAM)]:
        unread, before = unread + STREAM[before:cut], cut
        some, taken = read_packets(unread)
        packets += some
        unread = unread[taken:]
    assert packets == [packet for _, packet in GOLDEN]
    assert unread == b""


@given(text.filter(bool), st.binary(max_size=20_000), st.integers(0, 65_535), text, st.lists(st.tuples(text, text)))
def test_a_message_is_read_as_it_was_written(
    topic: str, payload: bytes, number: int, kind: str, user: list[tuple[str, str]]
) -> None:
    data = commands.publish(topic, payload, packet_id=number, content_type=kind, user=user)
    [packet], taken = read_packets(data)
    assert taken == len(data)
    assert packet == Publish(topic, payload, bool(number), number, Properties({3: kind}, tuple(user)))


@given(st.integers(0, 268_435_455))
@example(127)
@example(128)
@example(268_435_455)
def test_a_length_is_read_as_it_was_written(value: int) -> None:
    data = write_varint(value)
    assert read_varint(data, 0) == (value, len(data))


class Ear:
    """A consumer, and what it has heard."""

    def __init__(self, broker: Broker, wait_for: WaitFor, subscription: Subscription) -> None:
        self.arrivals: list[Arrival] = []
        self.consumer = Consumer(BrokerAddress.parse(broker.url), subscription, self.arrivals.extend)
        self._wait_for = wait_for

    def heard(self, count: int) -> list[bytes]:
        """Wait for so many messages in all."""
        self._wait_for(lambda: len(self.arrivals) >= count)
        return [arrival.payload for arrival in self.arrivals]


@pytest.fixture
def listen(wait_for: WaitFor) -> Iterator[Callable[..., Ear]]:
    """Starts a consumer that has subscribed when it is returned."""
    started: list[Consumer] = []

    def start(broker: Broker, topic: str, *, receive_maximum: int = 100, durable: bool = False) -> Ear:
        subscription = Subscription(
            client_id=f"ear-{topic}", filters=[topic], receive_maximum=receive_maximum, durable=durable
        )
        ear = Ear(broker, wait_for, subscription)
        started.append(ear.consumer)
        ear.consumer.start()
        wait_for(lambda: ear.consumer.listen([]) == {topic})
        return ear

    yield start
    for consumer in started:
        consumer.stop()


def send(broker: Broker, topic: str, payloads: list[bytes], properties: PahoProperties | None = None) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect(broker.host, broker.port)
    client.loop_start()
    for payload in payloads:
        client.publish(topic, payload, 1, properties=properties).wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def test_every_property_that_a_message_can_have_is_read(broker: Broker, listen: Callable[..., Ear]) -> None:
    ear = listen(broker, "every/property")
    properties = PahoProperties(PacketTypes.PUBLISH)
    properties.PayloadFormatIndicator = 1
    properties.MessageExpiryInterval = 60
    properties.ContentType = "text/plain"
    properties.ResponseTopic = "answer/here"
    properties.CorrelationData = b"\x00\xff"
    properties.UserProperty = [("id", "đường"), ("id", "2")]
    send(broker, "every/property", [b"x" * 600_000], properties)
    assert ear.heard(1) == [b"x" * 600_000]
    assert ear.arrivals[0].content_type == "text/plain"
    assert list(ear.arrivals[0].properties) == [("id", "đường"), ("id", "2")]


def test_a_wrong_password_is_refused(guarded_broker: Broker) -> None:
    with pytest.raises(RefusedError, match="0x87"):
        Connection(guarded_broker.host, guarded_broker.port, Login(client_id="c", username="ingest", password="wrong"))


def exhaust(connection: Connection) -> None:
    for _ in range(20):
        connection.receive()


def test_a_broker_that_falls_silent_is_noticed(private_broker: Broker) -> None:
    connection = Connection(private_broker.host, private_broker.port, Login(client_id="c", keepalive=2))
    assert private_broker.pid
    with closing(connection):
        connection.receive()
        os.kill(private_broker.pid, signal.SIGSTOP)
        try:
            with pytest.raises(TimeoutError, match="ping"):
                exhaust(connection)
        finally:
            os.kill(private_broker.pid, signal.SIGCONT)


def test_an_idle_connection_is_kept_alive(private_broker: Broker) -> None:
    with closing(Connection(private_broker.host, private_broker.port, Login(client_id="c", keepalive=1))) as connection:
        answers = [packet for _ in range(12) for packet in connection.receive()]
    assert answers.count(Pingresp()) >= 2  # Mosquitto hangs up after one and a half periods without


def test_what_the_broker_does_not_take_is_not_sent(private_broker: Broker) -> None:
    with closing(Connection(private_broker.host, private_broker.port, Login(client_id="c"))) as connection:
        connection.send([commands.publish("a", bytes(17_000_000)), commands.subscribe(1, ["a"])])
        assert connection.receive() == [Suback(1, b"\x01")]


def test_no_more_comes_unacknowledged_than_the_receive_maximum(broker: Broker, listen: Callable[..., Ear]) -> None:
    ear = listen(broker, "many", receive_maximum=3)
    send(broker, "many", [b"%d" % n for n in range(10)])
    ear.consumer.publish_retained([("other", b"")])
    assert ear.heard(3) == [b"0", b"1", b"2"]
    ear.consumer.acknowledge([arrival.token for arrival in ear.arrivals[:2]])
    assert ear.heard(5) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_durable_session_gets_again_what_it_had_not_acknowledged(
    private_broker: Broker, listen: Callable[..., Ear]
) -> None:
    ear = listen(private_broker, "kept", durable=True)
    send(private_broker, "kept", [b"%d" % n for n in range(5)])
    ear.heard(5)
    old = [arrival.token for arrival in ear.arrivals]
    ear.consumer.acknowledge([old[0], old[3]])
    ear.consumer.publish_retained([("kept", b"the broker has read what stands before this")])
    ear.heard(6)
    private_broker.stop()
    private_broker.start()
    assert ear.heard(9)[6:9] == [b"1", b"2", b"4"]
    ear.consumer.acknowledge([old[1]])  # of the connection before: worth nothing now
    assert ear.arrivals[6].token != old[1]
