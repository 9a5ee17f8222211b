"""Incidents and camera health: rows that only a higher revision replaces."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from events.health import Health
from events.incident import Incident
from storage.incident_links import link_incidents

STORE: Final = """
WITH stored AS (
    INSERT INTO incident AS i
          (id, device_id, rev, kind, state, severity, camera, zone, started_at, decided_at, at, ended_at, confidence,
           place, latitude, longitude, why, tracks, raised_from, model, received, changed)
    SELECT %(id)s, d.id, %(rev)s, %(kind)s, %(state)s, %(severity)s, %(camera)s, %(zone)s, %(started_at)s,
           %(decided_at)s, %(at)s, %(ended_at)s, %(confidence)s, %(place)s,
           coalesce(%(latitude)s::float8, (c.position ->> 'latitude')::float8, d.latitude),
           coalesce(%(longitude)s::float8, (c.position ->> 'longitude')::float8, d.longitude),
           %(why)s, %(tracks)s::int[], %(raised_from)s, %(model)s, %(received)s, %(received)s
    FROM device d LEFT JOIN LATERAL (
        SELECT camera -> 'position' AS position FROM jsonb_array_elements(d.about -> 'cameras') AS camera
        WHERE camera ->> 'name' = %(camera)s LIMIT 1
    ) c ON true
    WHERE d.id = %(device_id)s
    ON CONFLICT (id) DO UPDATE SET
        rev = excluded.rev, kind = excluded.kind, state = excluded.state, severity = excluded.severity,
        camera = excluded.camera, zone = excluded.zone, started_at = excluded.started_at,
        decided_at = excluded.decided_at, at = excluded.at, ended_at = excluded.ended_at,
        confidence = excluded.confidence, place = excluded.place, latitude = excluded.latitude,
        longitude = excluded.longitude, why = excluded.why, tracks = excluded.tracks,
        raised_from = excluded.raised_from, model = excluded.model, changed = excluded.changed
        WHERE i.rev < excluded.rev AND i.device_id = excluded.device_id
    RETURNING id
)
SELECT pg_notify('incident', id) FROM stored"""

STORE_HEALTH: Final = """
    INSERT INTO camera_health AS h
          (id, rev, device_id, subject, name, condition, state, since, until, why, received)
    VALUES (%(id)s, %(rev)s, %(device_id)s, %(subject)s, %(name)s, %(condition)s, %(state)s, %(since)s, %(until)s,
            %(why)s, %(received)s)
    ON CONFLICT (id) DO UPDATE SET
        rev = excluded.rev, subject = excluded.subject, name = excluded.name, condition = excluded.condition,
        state = excluded.state, since = excluded.since, until = excluded.until, why = excluded.why,
        received = excluded.received
        WHERE h.rev < excluded.rev AND h.device_id = excluded.device_id"""

OWNERS: Final = """
    SELECT id, device_id FROM incident WHERE id = ANY(%(ids)s)
    UNION ALL
    SELECT id, device_id FROM camera_health WHERE id = ANY(%(ids)s)"""


class ReceivedIncident(NamedTuple):
    """One revision, from whom, and when it came."""

    device_id: int
    received: datetime
    incident: Incident


class ReceivedHealth(NamedTuple):
    """One revision, from whom, and when it came."""

    device_id: int
    received: datetime
    health: Health


def owners(conn: psycopg.Connection, ids: Sequence[str]) -> dict[str, int]:
    """Which device an incident or health condition belongs to, of those that are known."""
    return dict(conn.execute(OWNERS, {"ids": list(ids)}).fetchall())


def store_incidents(conn: psycopg.Connection, revisions: list[ReceivedIncident]) -> None:
    """Store what is newer than what is there, and tell who listens on `incident`. Safe to repeat, in any order."""
    with conn.cursor() as cursor:
        for device_id, received, incident in sorted(revisions, key=lambda r: (r.incident.id, r.incident.rev)):
            row = {name: getattr(incident, name) for name in incident.__struct_fields__}
            row |= {"device_id": device_id, "received": received, "tracks": list(incident.tracks)}
            row |= {"latitude": incident.place.latitude, "longitude": incident.place.longitude}
            row |= {"place": Jsonb(msgspec.to_builtins(incident.place)), "why": Jsonb(incident.why)}
            cursor.execute(STORE, row)
    link_incidents(conn, [revision.incident.id for revision in revisions])


def store_health(conn: psycopg.Connection, revisions: list[ReceivedHealth]) -> None:
    """Store what is newer than what is there. Safe to repeat, in any order."""
    with conn.cursor() as cursor:
        for device_id, received, health in sorted(revisions, key=lambda r: (r.health.id, r.health.rev)):
            row = {name: getattr(health, name) for name in health.__struct_fields__}
            cursor.execute(STORE_HEALTH, row | {"device_id": device_id, "received": received, "why": Jsonb(health.why)})
