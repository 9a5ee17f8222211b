"""What this machine knows about the time."""

import time
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

EARLIEST: Final = 1_704_067_200.0  # 2024-01-01: a clock that shows an earlier time was never set


class Moment(NamedTuple):
    """An instant by a clock that is not set: which boot of the machine, and seconds since it began."""

    boot: str
    seconds: float


def wall() -> float | None:
    """Unix seconds; None while the clock is not set."""
    now = time.time()
    return now if now >= EARLIEST else None


def moment() -> Moment:
    """Now, by the clock that needs no setting."""
    return Moment(boot_id(), time.clock_gettime(time.CLOCK_BOOTTIME))


def since(earlier: Moment) -> float | None:
    """Seconds from `earlier` until now; None where the machine was started anew in between."""
    now = moment()
    return now.seconds - earlier.seconds if earlier.boot == now.boot else None


@cache
def boot_id() -> str:
    """The kernel's name for this run of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
