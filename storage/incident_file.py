"""Everything that is kept about one incident and what was measured around it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg.rows import class_row, dict_row

AROUND: Final = timedelta(minutes=15)  # before it began, and after it ended

_EVIDENCE: Final = """
SELECT e.role, e.media_type, e.at, e.received, e.sha256, e.data FROM evidence e JOIN incident i ON i.id = e.incident_id
WHERE e.incident_id = %s AND e.received BETWEEN i.received - interval '1 hour' AND i.received + interval '1 day'
ORDER BY e.role DESC, e.at, e.received"""

_CAMERA: Final = """
SELECT d.name AS device, d.about_rev, d.about_at, d.about -> 'versions' AS versions,
       (SELECT c FROM jsonb_array_elements(d.about -> 'cameras') AS c WHERE c ->> 'name' = i.camera LIMIT 1) AS camera
FROM incident i JOIN device d ON d.id = i.device_id WHERE i.id = %s"""

_READINGS: Final = """
SELECT r.at, s.name AS series, r.value, s.unit, r.quality FROM any_reading r JOIN series s ON s.id = r.series_id
JOIN incident i ON i.device_id = s.device_id
WHERE i.id = %s AND r.at BETWEEN %s AND %s ORDER BY r.at, s.name"""

_TRAFFIC: Final = """
SELECT t.at, t.zone, t.class, t.direction, t.count, t.seconds, t.speed_mps, t.speed_p85_mps, t.occupancy, t.queue,
       t.queue_m, t.pcu, t.trusted
FROM traffic t JOIN incident i ON i.device_id = t.device_id AND i.camera = t.camera
WHERE i.id = %s AND t.at BETWEEN %s AND %s ORDER BY t.at, t.zone, t.class, t.direction"""

_HEALTH: Final = """
SELECT h.condition, h.state, h.since, h.until, h.why FROM camera_health h
JOIN incident i ON i.device_id = h.device_id AND i.camera = h.name
WHERE i.id = %s AND h.since <= %s AND coalesce(h.until, 'infinity') >= %s ORDER BY h.since"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A still or a clip, as the edge sent it."""

    role: str
    media_type: str
    at: datetime
    received: datetime
    sha256: bytes
    data: bytes


def evidence_of(conn: psycopg.Connection[Any], incident: str) -> list[Piece]:
    """Every still, then every clip, oldest first."""
    with conn.cursor(row_factory=class_row(Piece)) as cursor:
        return cursor.execute(_EVIDENCE, [incident]).fetchall()


def camera_of(conn: psycopg.Connection[Any], incident: str) -> dict[str, Any]:
    """Device, the camera as it describes itself now (zones, model), since when, and the versions that run there."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_CAMERA, [incident]).fetchone() or {}


def health_of(conn: psycopg.Connection[Any], incident: str, begin: datetime, end: datetime) -> list[dict[str, Any]]:
    """What ailed the camera in that time."""
    with conn.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_HEALTH, [incident, end, begin]).fetchall()


def readings_of(conn: psycopg.Connection[Any], incident: str, begin: datetime, end: datetime) -> "Table":
    """What the incident's device measured in that time: at, series, value, unit, quality."""
    return _table(conn, _READINGS, [incident, begin, end])


def traffic_of(conn: psycopg.Connection[Any], incident: str, begin: datetime, end: datetime) -> "Table":
    """What its camera counted in that time, by minute, zone, class and direction."""
    return _table(conn, _TRAFFIC, [incident, begin, end])


@dataclass(frozen=True, slots=True)
class Table:
    """Names of columns, and rows."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __iter__(self) -> Iterator[Sequence[Any]]:
        yield self.names
        yield from self.rows


def _table(conn: psycopg.Connection[Any], query: str, values: Sequence[Any]) -> Table:
    cursor = conn.execute(query, values)
    return Table([column.name for column in cursor.description or ()], cursor.fetchall())
