"""How the cameras of a live loop fare: a status every STATUS_SECONDS."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from vision.frames.source import Source
from vision.live.examine import Examined
from vision.live.facts import CameraStatus, Fact
from vision.live.slot import Slots

STATUS_SECONDS: Final = 10.0


@dataclass(slots=True)
class _Sum:
    frames: int = 0
    detected: int = 0
    delay: float = 0.0
    detecting: float = 0.0
    dropped: int = 0


class Pulse:
    """Adds up what happens to frames."""

    def __init__(self, names: Sequence[str], sources: Sequence[Source], slots: Slots) -> None:
        self._names, self._sources, self._slots = names, sources, slots
        self._sums = [_Sum() for _ in names]
        self._since: float | None = None

    def beat(self, seen: Examined | None, now: float) -> list[Fact]:
        """Take note of a frame, or of time passing; return the statuses that are due at `now` (POSIX seconds)."""
        if self._since is None:
            self._since = now
        if seen is not None:
            total = self._sums[seen.camera]
            total.frames += 1
            total.delay += max(0.0, now - seen.frame.at)
            total.detected += seen.boxes is not None
            total.detecting += seen.seconds
        if now - self._since < STATUS_SECONDS:
            return []
        seconds, self._since = now - self._since, now
        return [self._status(number, seconds, now) for number in range(len(self._names))]

    def _status(self, number: int, seconds: float, now: float) -> CameraStatus:
        total = self._sums[number]
        dropped = self._slots.dropped[number]
        self._sums[number] = _Sum(dropped=dropped)
        return CameraStatus(
            camera=self._names[number],
            state=self._sources[number].state,
            at=now,
            fps=total.frames / seconds,
            delay_s=total.delay / max(1, total.frames),
            dropped=dropped - total.dropped,
            detect_ms=1000 * total.detecting / max(1, total.detected),
            gate_open=total.detected / max(1, total.frames),
        )
