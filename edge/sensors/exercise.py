"""Made-up incidents with a still each, for tests and fault campaigns. What is on disk can be noted, as for readings."""

import hashlib
import random
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from msgspec.structs import replace as but
from ulid import ULID

from edge.outbox import Outbox
from edge.outgoing import of_evidence, of_incident
from events.evidence import Evidence
from events.incident import Incident, Place

CAMERA: Final = "gen"
OPEN_S: Final = 2.0  # from an incident's beginning to its end
JPEG_BEGINS: Final = b"\xff\xd8\xff"

Note = Callable[[str], object]


class Exercise:
    """Opens `per_second` incidents, and ends each after OPEN_S."""

    def __init__(self, outbox: Outbox, per_second: float, still_bytes: int, seed: int, note: Note) -> None:
        """`note` gets a line for each message that is on disk: id, what, when, and which."""
        self._outbox = outbox
        self._interval = 1 / per_second
        self._still_bytes = still_bytes
        self._random = random.Random(seed)  # noqa: S311 - pictures of nothing
        self._note = note
        self._next: float | None = None  # Unix seconds
        self._open: deque[Incident] = deque()

    def go_on(self, now: float) -> None:
        """Do what is due at `now` (Unix seconds)."""
        at = datetime.fromtimestamp(now, UTC)
        while self._open and (at - self._open[0].decided_at).total_seconds() >= OPEN_S:
            self._put(but(self._open.popleft(), rev=2, state="end", at=at, ended_at=at))
        if self._next is None or not self._next - self._interval <= now <= self._next + OPEN_S:
            self._next = now
        while self._next <= now:
            self._next += self._interval
            self._begin(at)

    def _begin(self, at: datetime) -> None:
        incident = Incident(
            id=str(ULID()),
            rev=1,
            kind="stopped_vehicle",
            state="open",
            severity="info",
            camera=CAMERA,
            started_at=at,
            decided_at=at,
            at=at,
            confidence=1.0,
            place=Place(box=(0.0, 0.0, 64.0, 48.0)),
            why={"exercise": "made up"},
        )
        self._open.append(incident)
        self._put(incident)
        data = JPEG_BEGINS + self._random.randbytes(self._still_bytes)
        still = Evidence(incident=incident.id, camera=CAMERA, at=at, role="still", data=data)
        message_id = self._outbox.put(of_evidence(still))
        digest = hashlib.sha256(data).hexdigest()
        self._note(f"{message_id},evidence,{at.timestamp()!r},{incident.id} {digest}\n")

    def _put(self, incident: Incident) -> None:
        message_id = self._outbox.put(of_incident(incident))
        self._note(f"{message_id},incident,{incident.decided_at.timestamp()!r},{incident.id} {incident.rev}\n")
