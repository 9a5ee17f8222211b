"""Foreign names as ours: the same one always gives the same name, two never give one."""

import re
import unicodedata
from functools import lru_cache
from hashlib import blake2b
from typing import Final

from events.ulid import ulid

_NOT_OF_DEVICE: Final = re.compile(r"[^A-Za-z0-9_.:-]+")
_NOT_OF_SERIES: Final = re.compile(r"[^A-Za-z0-9_.:/-]+")
_MARKED: Final = re.compile(r"-[0-9a-f]{6}$")
_STROKES: Final = str.maketrans("đĐ", "dD")


@lru_cache(maxsize=65_536)
def device_name(adapter: str, foreign: str) -> str:
    """`<adapter>.<name>`: nothing that an adapter hears can pass for a device of our own, or of another adapter.

    >>> device_name("zigbee", "0x00158d0001234567")
    'zigbee.0x00158d0001234567'
    >>> device_name("zigbee", "Nhà bếp")
    'zigbee.Nha-bep-df18c5'
    """
    return f"{adapter}.{_name(foreign, _NOT_OF_DEVICE, 63 - len(adapter))}"


@lru_cache(maxsize=65_536)
def series_name(foreign: str) -> str:
    """A SenML name, also fit for a camera or zone.

    >>> series_name("BME280/Temperature")
    'BME280/Temperature'
    """
    return _name(foreign, _NOT_OF_SERIES, 120)


def ulid_of(seconds: float, *foreign: str) -> str:
    """The ULID that stands for a foreign id: its time part is `seconds` (Unix), the rest a hash."""
    return ulid(seconds, blake2b("\0".join(foreign).encode(errors="surrogatepass"), digest_size=10).digest())


def _name(foreign: str, unfit: re.Pattern[str], longest: int) -> str:
    plain = unicodedata.normalize("NFKD", foreign.translate(_STROKES)).encode("ascii", "ignore").decode()
    name = unfit.sub("-", plain).lstrip("_.:/-")
    if name == foreign and 0 < len(name) <= longest and not _MARKED.search(name):
        return name
    mark = blake2b(foreign.encode(errors="surrogatepass"), digest_size=3).hexdigest()
    return f"{name[: longest - 7]}-{mark}" if name else mark
