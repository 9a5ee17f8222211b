"""Incidents that the cameras have open, remembered beside the messages, so that each is ended one day.

Whoever has stopped watching can't say that something still goes on: on an operator's page it would do so for ever.
"""

import logging
from datetime import UTC, datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from edge import clock
from edge.outbox import Outbox
from edge.outgoing import of_fact
from events.evidence import Evidence
from events.fact import to_json
from events.health import Health
from events.incident import DECODER, Incident
from events.traffic import TrafficMinute

log = logging.getLogger(__name__)

PREFIX: Final = "ongoing "  # of the notes, one for each incident: its last revision


def put(outbox: Outbox, fact: Incident | Evidence | Health | TrafficMinute) -> None:
    """Send what a camera saw; an incident is remembered until the revision that ends it."""
    note = None
    if isinstance(fact, Incident):
        note = (PREFIX + fact.id, None if fact.state == "end" else to_json(fact).decode())
    outbox.put(of_fact(fact), note)


def end(outbox: Outbox, why: str) -> None:
    """End what is open, now: we no longer watch."""
    now = clock.wall()
    for incident in _remembered(outbox):
        at = incident.at if now is None else max(incident.at, datetime.fromtimestamp(now, UTC))
        put(outbox, _ended(incident, at, why))


def end_of_earlier_run(outbox: Outbox, why: str) -> None:
    """End what was open when we were cut off, as of its last revision: nobody has watched since."""
    for incident in _remembered(outbox):
        log.warning("incident=%s camera=%s ended: %s", incident.id, incident.camera, why)
        put(outbox, _ended(incident, incident.at, why))


def _remembered(outbox: Outbox) -> list[Incident]:
    found: list[Incident] = []
    for key, value in outbox.notes(PREFIX).items():
        try:
            found.append(DECODER.decode(value))
        except msgspec.DecodeError as error:  # of a version that knew other incidents
            log.warning("note=%s error=%s", key, error)
    return found


def _ended(incident: Incident, at: datetime, why: str) -> Incident:
    return replace(incident, rev=incident.rev + 1, state="end", at=at, ended_at=at, why={**incident.why, "ended": why})
