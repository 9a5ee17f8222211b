"""Citizens' reports as incidents: a place, a text, no name."""

import re
import secrets
from datetime import UTC, datetime
from typing import Final

import msgspec
from psycopg import Connection

from events.incident import Incident, Place, Severity
from events.ulid import ulid
from storage.city import city_value
from storage.incidents import ReceivedIncident, store_incidents
from storage.registry import ensure_devices

DEVICE: Final = "citizens"  # who told us, as far as anybody may know
UNTOLD: Final = 0.5  # how sure it is: nobody says
LONGEST: Final = 4000  # characters, GeoReport's own limit

PERSONAL: Final = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+|\+?\d(?:[\s().-]?\d){8,}")


class Service(msgspec.Struct, frozen=True):
    """Something that can be reported, as the city file lists it (`reports`)."""

    vi: str
    en: str
    severity: Severity = "minor"


def services(conn: Connection) -> dict[str, Service]:
    """By code, what the city wants to hear of; none until a city is loaded that says so."""
    found = msgspec.convert(city_value(conn, "reports") or {}, dict[str, Service])
    return dict(sorted(found.items()))


def without_contacts(text: str) -> str:
    """Take e-mail addresses and telephone numbers out of a text: no one needs them to look at a street.

    >>> without_contacts("call 091 234 5678 or a.b@example.vn, lane 2")
    'call … or …, lane 2'
    """
    return PERSONAL.sub("…", text)


def make_report(
    service: str,
    severity: Severity,
    text: str,
    latitude: float | None,
    longitude: float | None,
    address: str,
    now: datetime,
) -> Incident:
    """Return a new incident of kind citizen_report.

    Args:
        service: the code of one of `services`.
        severity: that the city gives it.
        text: what the citizen wrote.
        latitude: WGS 84, with `longitude`, or neither.
        longitude: see `latitude`.
        address: where, in words; may be empty.
        now: when it was told.
    """
    why: dict[str, float | str] = {"text": without_contacts(text)[:LONGEST], "service": service}
    if address:
        why["address"] = without_contacts(address)[:200]
    return Incident(
        id=ulid(now.timestamp(), secrets.token_bytes(10)),
        rev=1,
        kind="citizen_report",
        state="open",
        severity=severity,
        camera=DEVICE,
        started_at=now,
        decided_at=now,
        at=now,
        confidence=UNTOLD,
        place=Place(latitude=latitude, longitude=longitude),
        why=why,
    )


def store_report(conn: Connection, report: Incident) -> None:
    """Store it, and tell the operators."""
    device_id = ensure_devices(conn, [DEVICE])[DEVICE]
    with conn.transaction():
        store_incidents(conn, [ReceivedIncident(device_id, datetime.now(UTC), report)])
