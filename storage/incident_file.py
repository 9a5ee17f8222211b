"""Everything that is kept about one incident and what was measured around it."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.rows import class_row, dict_row

from storage.evidence import evidence_span
from storage.reading_tables import of_both

AROUND: Final = timedelta(minutes=15)  # before it began, and after it ended

_EVIDENCE: Final = """
SELECT role, media_type, at, received, sha256, data FROM evidence
WHERE incident_id = %(incident)s AND received BETWEEN %(from)s AND %(until)s
ORDER BY role DESC, at, received"""

_CAMERA: Final = """
SELECT d.name AS device, d.about_rev, d.about_at, d.about -> 'versions' AS versions,
       (SELECT c FROM jsonb_array_elements(d.about -> 'cameras') AS c WHERE c ->> 'name' = i.camera LIMIT 1) AS camera
FROM incident i JOIN device d ON d.id = i.device_id WHERE i.id = %s"""

_READINGS: Final = sql.SQL("""
SELECT r.at, s.name AS series, r.value, s.unit, r.quality
FROM incident i JOIN series s ON s.device_id = i.device_id CROSS JOIN LATERAL ({both}) r
WHERE i.id = %(incident)s ORDER BY r.at, s.name""").format(
    both=of_both("""
SELECT at, value, quality FROM {table} WHERE series_id = s.id AND at BETWEEN %(begin)s AND %(end)s""")
)

_TRAFFIC: Final = sql.SQL("""
SELECT t.at, t.zone, t.class, t.direction, t.count, t.seconds, t.speed_mps, t.speed_p85_mps, t.occupancy, t.queue,
       t.queue_m, t.pcu, t.trusted
FROM traffic t JOIN incident i ON i.device_id = t.device_id AND i.camera = t.camera
WHERE i.id = %(incident)s AND t.at BETWEEN %(begin)s AND %(end)s ORDER BY t.at, t.zone, t.class, t.direction""")

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
        values = {"incident": incident, **evidence_span(conn, [incident])}
        return cursor.execute(_EVIDENCE, values, prepare=False).fetchall()


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
    return _table(conn, _READINGS, {"incident": incident, "begin": begin, "end": end})


def traffic_of(conn: psycopg.Connection[Any], incident: str, begin: datetime, end: datetime) -> "Table":
    """What its camera counted in that time, by minute, zone, class and direction."""
    return _table(conn, _TRAFFIC, {"incident": incident, "begin": begin, "end": end})


@dataclass(frozen=True, slots=True)
class Table:
    """Names of columns, and rows."""

    names: Sequence[str]
    rows: Sequence[Sequence[Any]]

    def __iter__(self) -> Iterator[Sequence[Any]]:
        yield self.names
        yield from self.rows


def _table(conn: psycopg.Connection[Any], query: sql.SQL | sql.Composed, values: Mapping[str, Any]) -> Table:
    cursor = conn.execute(query, values, prepare=False)
    return Table([column.name for column in cursor.description or ()], cursor.fetchall())
