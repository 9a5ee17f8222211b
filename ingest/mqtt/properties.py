"""MQTT 5 properties (section 2.2.2): which there are, and how their values stand on the wire."""

import struct
from collections.abc import Callable
from typing import Final

import msgspec

RECEIVE_MAXIMUM: Final = 0x21
SESSION_EXPIRY: Final = 0x11
CONTENT_TYPE: Final = 0x03
MAXIMUM_PACKET: Final = 0x27
SERVER_KEEP_ALIVE: Final = 0x13
REASON: Final = 0x1F
TOPIC_ALIAS: Final = 0x23
USER: Final = 0x26
SUBSCRIPTION_ID: Final = 0x0B  # the only other one that may stand more than once

Value = int | str | bytes


class ProtocolError(Exception):
    """The other side does not speak MQTT 5: the connection is of no use any more."""


class Properties(msgspec.Struct, frozen=True, gc=False):
    """What stood in one packet."""

    values: dict[int, Value] = {}
    user: tuple[tuple[str, str], ...] = ()  # in order

    def number(self, code: int, default: int) -> int:
        """Return an integer property, or `default` where it is not given."""
        value = self.values.get(code, default)
        assert isinstance(value, int)
        return value

    def text(self, code: int) -> str | None:
        """Return a string property."""
        value = self.values.get(code)
        assert value is None or isinstance(value, str)
        return value


NONE: Final = Properties()


def read_varint(data: bytes, at: int) -> tuple[int, int]:
    r"""Read a variable byte integer (1.5.5); return it, and where it ends.

    >>> read_varint(b"\x80\x01", 0)
    (128, 2)

    Raises:
        ProtocolError: longer than four bytes.
        IndexError: the data ends before it does.
    """
    value = 0
    for shift in (0, 7, 14, 21):
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ProtocolError("a variable byte integer of more than four bytes")


def read_text(data: bytes, at: int) -> tuple[str, int]:
    """Read a UTF-8 string (1.5.4); what is no UTF-8 becomes U+FFFD, so that one bad string does not end the session.

    Raises:
        IndexError: the data ends before its length does.
    """
    end = at + 2 + (data[at] << 8 | data[at + 1])
    return data[at + 2 : end].decode("utf-8", "replace"), end


def read_properties(data: bytes, at: int, limit: int) -> tuple[Properties, int]:
    """Read the properties that begin with their length at `at`; return them, and where they end.

    Raises:
        ProtocolError: an unknown one, one given twice, or they end beyond `limit`.
        IndexError: the data ends before they do.
    """
    length, at = (data[at], at + 1) if data[at] < 0x80 else read_varint(data, at)
    if not length:
        return NONE, at
    end = at + length
    if end > limit:
        raise ProtocolError(f"properties of {length} bytes end beyond their packet")
    values: dict[int, Value] = {}
    user: list[tuple[str, str]] = []
    while at < end:
        code = data[at]
        if code == USER:
            name, at = read_text(data, at + 1)
            value, at = read_text(data, at)
            user.append((name, value))
            continue
        read = _READ.get(code)
        if read is None or (code in values and code != SUBSCRIPTION_ID):
            raise ProtocolError(f"property 0x{code:02x} is unknown, or stands twice")
        values[code], at = read(data, at + 1)
    if at != end:
        raise ProtocolError("a property ends beyond the properties' length")
    return Properties(values, tuple(user)), end


def _read_binary(data: bytes, at: int) -> tuple[bytes, int]:
    end = at + 2 + (data[at] << 8 | data[at + 1])
    return data[at + 2 : end], end


def _read_integer(size: int) -> Callable[[bytes, int], tuple[int, int]]:
    return lambda data, at: (int.from_bytes(data[at : at + size], "big"), at + size)


_READ: Final[dict[int, Callable[[bytes, int], tuple[Value, int]]]] = {
    **dict.fromkeys((0x01, 0x17, 0x19, 0x24, 0x25, 0x28, 0x29, 0x2A), _read_integer(1)),
    **dict.fromkeys((0x13, 0x21, 0x22, 0x23), _read_integer(2)),
    **dict.fromkeys((0x02, 0x11, 0x18, 0x27), _read_integer(4)),
    **dict.fromkeys((0x03, 0x08, 0x12, 0x15, 0x1A, 0x1C, 0x1F), read_text),
    **dict.fromkeys((0x09, 0x16), _read_binary),
    SUBSCRIPTION_ID: read_varint,
}


def write_varint(value: int) -> bytes:
    r"""Write a variable byte integer.

    >>> write_varint(128)
    b'\x80\x01'
    """
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def write_text(text: str) -> bytes:
    """Write a UTF-8 string with its length; at most 65,535 bytes."""
    data = text.encode()
    return struct.pack(">H", len(data)) + data
