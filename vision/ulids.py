"""Incident numbers that replay gives again: a ULID out of the event time and what happened, not out of a dice."""

from hashlib import blake2b
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32


def ulid_of(at: float, *facts: object) -> str:
    """26 letters: `at` (POSIX seconds, not before 1970) in milliseconds, then 80 bits of a hash of `facts`.

    >>> ulid_of(0.0, "camera-a", "debris", 1) == ulid_of(0.0, "camera-a", "debris", 1)
    True
    """
    digest = blake2b("\x1f".join(map(str, facts)).encode(), digest_size=10).digest()
    number = (max(round(at * 1000), 0) & (2**48 - 1)) << 80 | int.from_bytes(digest)
    return "".join(ALPHABET[number >> shift & 31] for shift in range(125, -5, -5))
