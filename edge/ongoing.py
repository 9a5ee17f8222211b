"""What the cameras have open, remembered beside the messages, so that each incident and complaint is ended one day.

Whoever has stopped watching can't say that something still goes on: on an operator's page it would do so for ever.
"""

import logging
from datetime import UTC, datetime
from typing import Final, TypeVar

import msgspec
from msgspec.structs import replace

from edge import clock
from edge.outbox import Outbox
from edge.outgoing import of_fact
from events import health, incident
from events.evidence import Evidence
from events.fact import to_json
from events.health import Health
from events.incident import Incident
from events.traffic import TrafficMinute

log = logging.getLogger(__name__)

F = TypeVar("F", Incident, Health)

INCIDENTS: Final = "ongoing incident "  # a note for each: its last revision
COMPLAINTS: Final = "ongoing health "


def put(outbox: Outbox, fact: Incident | Evidence | Health | TrafficMinute) -> None:
    """Send what a camera saw; what has begun is remembered until the revision that ends it."""
    note: tuple[str, str | None] | None = None
    match fact:
        case Incident():
            note = (INCIDENTS + fact.id, None if fact.state == "end" else to_json(fact).decode())
        case Health():
            note = (COMPLAINTS + fact.id, None if fact.state == "cleared" else to_json(fact).decode())
    outbox.put(of_fact(fact), note)


def end(outbox: Outbox, why: str) -> None:
    """End what is open, now: we no longer watch."""
    now = clock.wall()
    for open_ in _remembered(outbox, INCIDENTS, incident.DECODER):
        at = open_.at if now is None else max(open_.at, datetime.fromtimestamp(now, UTC))
        put(outbox, _ended(open_, at, why))
    _clear_complaints(outbox, now, why)


def end_of_earlier_run(outbox: Outbox, why: str) -> None:
    """End what was open when we were cut off, incidents as of their last revision: nobody has watched since."""
    for open_ in _remembered(outbox, INCIDENTS, incident.DECODER):
        log.warning("incident=%s camera=%s ended: %s", open_.id, open_.camera, why)
        put(outbox, _ended(open_, open_.at, why))
    _clear_complaints(outbox, clock.wall(), why)


def _clear_complaints(outbox: Outbox, now: float | None, why: str) -> None:
    """What was not to be trusted was so until now, as far as anybody knows; whoever watches next looks anew."""
    for raised in _remembered(outbox, COMPLAINTS, health.DECODER):
        until = raised.since if now is None else max(raised.since, datetime.fromtimestamp(now, UTC))
        put(outbox, replace(raised, rev=raised.rev + 1, state="cleared", until=until, why={**raised.why, "ended": why}))


def _ended(open_: Incident, at: datetime, why: str) -> Incident:
    return replace(open_, rev=open_.rev + 1, state="end", at=at, ended_at=at, why={**open_.why, "ended": why})


def _remembered(outbox: Outbox, prefix: str, decoder: msgspec.json.Decoder[F]) -> list[F]:
    found: list[F] = []
    for key, value in outbox.notes(prefix).items():
        try:
            found.append(decoder.decode(value))
        except msgspec.DecodeError as error:  # of a version that knew others
            log.warning("note=%s error=%s", key, error)
    return found
