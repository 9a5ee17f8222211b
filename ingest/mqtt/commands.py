"""What a client sends, as bytes (MQTT 5, section 3)."""

import struct
from collections.abc import Iterable, Sequence
from typing import Final

from ingest.mqtt.properties import (
    CONTENT_TYPE,
    RECEIVE_MAXIMUM,
    SESSION_EXPIRY,
    USER,
    write_text,
    write_varint,
)

PINGREQ: Final = b"\xc0\x00"
DISCONNECT: Final = b"\xe0\x00"
_MQTT_5: Final = b"\x00\x04MQTT\x05"
_CLEAN_START, _PASSWORD, _USERNAME = 0x02, 0x40, 0x80
_NOTHING_RETAINED: Final = 0x20  # retain handling 2
_PUBACK: Final = struct.Struct(">BBH")


def connect(
    *,
    client_id: str,
    keepalive: int,
    clean_start: bool,
    session_expiry: int,
    receive_maximum: int,
    username: str | None = None,
    password: str | None = None,
) -> bytes:
    """CONNECT; times in seconds."""
    flags = _CLEAN_START * clean_start | _USERNAME * (username is not None) | _PASSWORD * (password is not None)
    properties = struct.pack(">BIBH", SESSION_EXPIRY, session_expiry, RECEIVE_MAXIMUM, receive_maximum)
    credentials = b"".join(write_text(text) for text in (username, password) if text is not None)
    head = _MQTT_5 + struct.pack(">BH", flags, keepalive) + _sized(properties)
    return _packet(0x10, head + write_text(client_id) + credentials)


def subscribe(packet_id: int, filters: Sequence[str], qos: int = 1, *, retained: bool = True) -> bytes:
    """SUBSCRIBE, each filter with the same QoS; what is retained comes at once, unless it is not wanted."""
    options = bytes([qos | (0 if retained else _NOTHING_RETAINED)])
    body = b"".join(write_text(name) + options for name in filters)
    return _packet(0x82, struct.pack(">HB", packet_id, 0) + body)


def pubacks(packet_ids: Iterable[int]) -> bytes:
    r"""One PUBACK after another, all of success.

    >>> pubacks([1, 258])
    b'@\x02\x00\x01@\x02\x01\x02'
    """
    return b"".join([_PUBACK.pack(0x40, 2, packet_id) for packet_id in packet_ids])


def publish(
    topic: str,
    payload: bytes,
    *,
    packet_id: int = 0,
    retain: bool = False,
    content_type: str | None = None,
    user: Iterable[tuple[str, str]] = (),
) -> bytes:
    """PUBLISH, of QoS 1 with a packet id, else of QoS 0."""
    properties = b"" if content_type is None else bytes([CONTENT_TYPE]) + write_text(content_type)
    properties += b"".join(bytes([USER]) + write_text(name) + write_text(value) for name, value in user)
    number = struct.pack(">H", packet_id) if packet_id else b""
    return _packet(0x30 | (2 if packet_id else 0) | retain, write_text(topic) + number + _sized(properties) + payload)


def _packet(head: int, body: bytes) -> bytes:
    return bytes([head]) + _sized(body)


def _sized(body: bytes) -> bytes:
    return write_varint(len(body)) + body
