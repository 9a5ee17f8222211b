"""What the tables hold, row for row: for comparison with what was made."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from psycopg import Connection

from storage.status import fold

READINGS: Final = """
SELECT d.name, s.name, r.value, r.at
FROM reading r JOIN series s ON s.id = r.series_id JOIN device d ON d.id = s.device_id
UNION ALL
SELECT d.name, s.name, r.value, r.at
FROM misdated_reading r JOIN series s ON s.id = r.series_id JOIN device d ON d.id = s.device_id"""

INCIDENTS: Final = "SELECT id, rev FROM incident"

EVIDENCE: Final = "SELECT incident_id, encode(sha256, 'hex') FROM evidence"

GAPS: Final = """
SELECT device, stream, first, last, reason, explained FROM gap"""

FRESHEST: Final = """
SELECT d.name, max(r.at)
FROM reading r JOIN series s ON s.id = r.series_id JOIN device d ON d.id = s.device_id
WHERE r.at > %s
GROUP BY 1"""

NEWEST_INCIDENT: Final = """
SELECT d.name, max(i.decided_at)
FROM incident i JOIN device d ON d.id = i.device_id
WHERE i.decided_at > %s
GROUP BY 1"""

COUNTS: Final = "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM foreign_reading)"

FORGET: Final = (
    "DELETE FROM reading WHERE at <= %(until)s",
    "DELETE FROM evidence WHERE at <= %(until)s",
    "DELETE FROM incident WHERE state = 'end' AND at <= %(until)s",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Messages `first` … `last` of a stream that the database has not got."""

    device: str
    stream: str
    first: int
    last: int
    reason: str
    explained: bool


class Counts(NamedTuple):
    """Rows of readings, misdated ones left out."""

    ours: int
    foreign: int


def count_readings(conn: Connection) -> Counts:
    """Count rows one by one: slow, and exact."""
    row = conn.execute(COUNTS).fetchone()
    assert row is not None
    return Counts(*row)


def stored_readings(conn: Connection) -> list[tuple[str, str, float, datetime]]:
    """Return device, series, value and time of every row; a row stored twice stands here twice."""
    return [(str(device), str(series), float(value), at) for device, series, value, at in conn.execute(READINGS)]


def stored_incidents(conn: Connection) -> dict[str, int]:
    """Return the highest revision of each incident."""
    return {str(incident): int(rev) for incident, rev in conn.execute(INCIDENTS)}


def stored_evidence(conn: Connection) -> list[tuple[str, str]]:
    """Return incident and SHA-256 (hexadecimal) of every picture and film; one stored twice stands here twice."""
    return [(str(incident), str(sha256)) for incident, sha256 in conn.execute(EVIDENCE)]


def gaps(conn: Connection) -> list[Gap]:
    """Return what numbered messages are missing, explained or not."""
    return [
        Gap(device=device, stream=stream, first=first, last=last, reason=reason, explained=explained)
        for device, stream, first, last, reason, explained in conn.execute(GAPS)
    ]


def freshest(conn: Connection, since: datetime) -> dict[str, datetime]:
    """Return, for each device with readings later than `since`, the time of its latest."""
    return {str(device): at for device, at in conn.execute(FRESHEST, [since])}


def newest_incidents(conn: Connection, since: datetime) -> dict[str, datetime]:
    """Return, for each device with incidents decided later than `since`, when its latest was."""
    return {str(device): at for device, at in conn.execute(NEWEST_INCIDENT, [since])}


def fold_soon(conn: Connection, idle: timedelta) -> int:
    """Fold away the finished streams of all devices that were idle that long; return how many."""
    return fold(conn, [device_id for (device_id,) in conn.execute("SELECT id FROM device")], idle)


def forget(conn: Connection, until: datetime) -> None:
    """Delete readings, pictures and ended incidents up to `until`: for throw-away databases that have been checked."""
    for statement in FORGET:
        conn.execute(statement.encode(), {"until": until})
