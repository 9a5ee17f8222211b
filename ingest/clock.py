"""When devices were last heard, and how far their clocks are off ours."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from ingest.item import Item

WINDOW: Final = 60.0  # seconds; the least delayed message of this window and the one before it counts


@dataclass(frozen=True, slots=True)
class Heard:
    """A device, when it was last heard (Unix seconds, our clock), and its clock minus ours."""

    device: str
    at: float
    offset_s: float | None  # None: it sent no time


@dataclass(slots=True)
class _Ear:
    at: float
    began: float  # of the present window
    best: float | None = None  # largest offset of the present window
    before: float | None = None  # of the window before


class Clocks:
    """Estimates offsets: `sent` minus arrival is the offset less the delay, so the largest is the nearest."""

    def __init__(self) -> None:
        self._ears: dict[str, _Ear] = {}
        self._fresh: set[str] = set()

    def note(self, items: Sequence[Item]) -> None:
        """Take in messages, in any order."""
        for item in items:
            if item.device:
                self._hear(item.device, item.arrival.at, item.sent)

    def report(self) -> list[Heard]:
        """All devices heard since the last report."""
        ears = [(device, self._ears[device]) for device in sorted(self._fresh)]
        self._fresh.clear()
        return [Heard(device, ear.at, _largest(ear.best, ear.before)) for device, ear in ears]

    def _hear(self, device: str, at: float, sent: float | None) -> None:
        self._fresh.add(device)
        ear = self._ears.setdefault(device, _Ear(at, at))
        ear.at = max(ear.at, at)
        if at - ear.began > WINDOW:
            ear.began, ear.before, ear.best = at, ear.best, None
        if sent is not None:
            ear.best = _largest(ear.best, sent - at)


def _largest(a: float | None, b: float | None) -> float | None:
    known = [offset for offset in (a, b) if offset is not None]
    return max(known, default=None)
