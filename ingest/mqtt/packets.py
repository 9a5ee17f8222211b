"""What a broker sends, read from a stream of bytes (MQTT 5, section 3)."""

from typing import Final

import msgspec

from ingest.mqtt.properties import NONE, TOPIC_ALIAS, Properties, ProtocolError, read_properties, read_text, read_varint

LARGEST: Final = 268_435_455  # what a remaining length can say
_PUBLISH: Final = 3  # packet types are the head's upper four bits


class Connack(msgspec.Struct, frozen=True):
    """The broker's answer to CONNECT."""

    session_present: bool
    reason: int  # 0x80 and above: refused
    properties: Properties = NONE


class Publish(msgspec.Struct, frozen=True, gc=False):
    """A message."""

    topic: str
    payload: bytes
    qos: int
    packet_id: int  # 0 with QoS 0
    properties: Properties = NONE
    retain: bool = False
    dup: bool = False


class Puback(msgspec.Struct, frozen=True, gc=False):
    """The broker has taken what we published with QoS 1."""

    packet_id: int
    reason: int = 0


class Suback(msgspec.Struct, frozen=True):
    """The broker's answer to SUBSCRIBE: a reason for each filter; 0x80 and above: refused."""

    packet_id: int
    reasons: bytes
    properties: Properties = NONE


class Pingresp(msgspec.Struct, frozen=True):
    """The broker is alive."""


class Disconnect(msgspec.Struct, frozen=True):
    """The broker ends the connection, and says why."""

    reason: int = 0
    properties: Properties = NONE


Packet = Connack | Publish | Puback | Suback | Pingresp | Disconnect


def read_packets(data: bytes, largest: int = LARGEST) -> tuple[list[Packet], int]:
    """Read the whole packets that `data` begins with; return them, and how many bytes they took.

    Args:
        data: from the stream, beginning with a packet.
        largest: remaining length in bytes that is accepted.

    Raises:
        ProtocolError: it is nothing that a broker sends to a subscriber of QoS 1.
    """
    packets: list[Packet] = []
    start, available = 0, len(data)
    while start + 2 <= available:
        head, length, at = data[start], data[start + 1], start + 2
        if length >= 0x80:
            try:
                length, at = read_varint(data, start + 1)
            except IndexError:
                break
        if length > largest:
            raise ProtocolError(f"a packet of {length} bytes: at most {largest} are taken")
        end = at + length
        if end > available:
            break
        packets.append(_publish(head, data, at, end) if head >> 4 == _PUBLISH else _other(head, data[at:end]))
        start = end
    return packets, start


def _publish(head: int, data: bytes, at: int, end: int) -> Publish:
    qos = head >> 1 & 3
    if qos > 1:
        raise ProtocolError(f"a message of QoS {qos}, and we have subscribed with 1")
    try:
        topic, at = read_text(data, at)
        packet_id = 0
        if qos:
            packet_id = data[at] << 8 | data[at + 1]
            at += 2
        properties, at = read_properties(data, at, end)
    except IndexError:
        at = end + 1
    if at > end:
        raise ProtocolError("a message ends before its properties do")
    if not topic or (qos and not packet_id) or TOPIC_ALIAS in properties.values:
        raise ProtocolError("a message without topic or packet id, or with an alias that we did not allow")
    return Publish(topic, data[at:end], qos, packet_id, properties, bool(head & 1), bool(head & 8))


def _other(head: int, body: bytes) -> Packet:
    try:
        packet = _small(head, body)
    except IndexError as error:
        raise ProtocolError(f"a packet 0x{head:02x} of {len(body)} bytes is too short") from error
    if packet is None:
        raise ProtocolError(f"a packet 0x{head:02x} of {len(body)} bytes is nothing that a broker sends us")
    return packet


def _small(head: int, body: bytes) -> Packet | None:
    size = len(body)
    match head >> 4 if not head & 0xF else 0:
        case 2 if body[0] <= 1:
            return Connack(bool(body[0]), body[1], _rest(body, 2))
        case 4:
            _rest(body, 3)
            return Puback(body[0] << 8 | body[1], body[2] if size > 2 else 0)
        case 9:
            properties, at = read_properties(body, 2, size)
            return Suback(body[0] << 8 | body[1], body[at:], properties) if at < size else None
        case 13 if not size:
            return Pingresp()
        case 14:
            return Disconnect(body[0] if size else 0, _rest(body, 1))
    return None


def _rest(body: bytes, at: int) -> Properties:
    """Return the properties that end a packet; none where it ends before them."""
    if at >= len(body):
        return NONE
    properties, end = read_properties(body, at, len(body))
    if end != len(body):
        raise ProtocolError("bytes follow the end of a packet's properties")
    return properties
