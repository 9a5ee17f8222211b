"""Messages to put into an outbox."""

from datetime import UTC, datetime

from edge.outgoing import Outgoing, Rank, of_incident
from events.incident import Incident, Place
from events.topic import Kind

KIND_OF: dict[Rank, Kind] = {
    0: "incident", 1: "evidence", 2: "about", 3: "health", 4: "traffic", 5: "readings", 6: "evidence",
}  # fmt: skip
NOW = datetime(2026, 11, 22, 1, 2, 3, tzinfo=UTC)


def message(rank: Rank = 5, payload: bytes = b"[]") -> Outgoing:
    """Anything of this rank; not to be decoded."""
    return Outgoing(kind=KIND_OF[rank], rank=rank, content_type="application/octet-stream", payload=payload)


def incident(ident: str = "01JD0000000000000000000000", rev: int = 1) -> Outgoing:
    return of_incident(
        Incident(
            id=ident, rev=rev, kind="stopped_vehicle", state="open", severity="minor", camera="a", started_at=NOW,
            decided_at=NOW, at=NOW, confidence=0.5, place=Place(),
        )
    )  # fmt: skip
