"""ULIDs: 48 bits of time, 80 of chance, as 26 letters that sort by time (github.com/ulid/spec)."""

from typing import Final

CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LATEST_MS: Final = 2**48 - 1


def ulid(seconds: float, chance: bytes) -> str:
    """Return the ULID of an instant (Unix seconds; what does not fit is cut) and 10 bytes.

    >>> ulid(1469918176.385, bytes(10))
    '01ARYZ6S410000000000000000'
    """
    milliseconds = min(max(round(seconds * 1000), 0), LATEST_MS)
    number = milliseconds << 80 | int.from_bytes(chance)
    return "".join(CROCKFORD[number >> shift & 31] for shift in range(125, -1, -5))
