"""What the generators made and the outboxes took, as their logs say: the truth that the tables must hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from events.envelope import MessageId, parse_id

INCIDENT: Final = "incident"
EVIDENCE: Final = "evidence"


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One thing that an outbox committed: a reading, an incident's revision or a still."""

    device: str
    message: MessageId  # that carries it
    series: str  # of a reading; `incident` or `evidence` otherwise
    at: float  # Unix seconds
    value: str  # a reading's number; an incident's `id rev`; a still's `incident sha256`


class Log:
    """A log that grows; lines are read once, and only whole ones."""

    def __init__(self, device: str, path: Path) -> None:
        self.device = device
        self._path = path
        self._offset = 0

    def read(self) -> Iterator[Made]:
        """Yield what was added since."""
        if not self._path.exists():
            return
        with self._path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._offset += len(line)
                yield self._made(line.decode())

    def _made(self, line: str) -> Made:
        message, series, at, value = line.rstrip("\n").split(",")
        return Made(device=self.device, message=parse_id(message), series=series, at=float(at), value=value)
