"""Devices and their series: what ingest looks up, and what devices say about themselves."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import psycopg
from psycopg.types.json import Jsonb

from events.about import About, Sensor

ENSURE_DEVICES: Final = """
    INSERT INTO device (name) SELECT name FROM unnest(%(names)s::text[]) AS name
    WHERE NOT EXISTS (SELECT FROM device WHERE device.name = name.name) ORDER BY name
    ON CONFLICT (name) DO NOTHING"""
DEVICES: Final = "SELECT name, id FROM device WHERE name = ANY(%(names)s)"

ENSURE_SERIES: Final = """
    INSERT INTO series (device_id, name, unit)
    SELECT device_id, name, unit
    FROM unnest(%(devices)s::int[], %(names)s::text[], %(units)s::text[]) AS new (device_id, name, unit)
    ORDER BY device_id, name
    ON CONFLICT (device_id, name) DO NOTHING"""
SERIES: Final = """
    SELECT id, device_id, name, unit, minimum, maximum, max_rate, stuck_after_s
    FROM series WHERE device_id = ANY(%(devices)s)"""
SOME_SERIES: Final = """
    SELECT id, device_id, name, unit, minimum, maximum, max_rate, stuck_after_s
    FROM series JOIN unnest(%(devices)s::int[], %(names)s::text[]) AS named (device_id, name) USING (device_id, name)"""

TOUCH: Final = """
    WITH seen AS (
        SELECT * FROM unnest(%(ids)s::int[], %(last_seen)s::timestamptz[], %(offsets)s::float8[])
             AS s (id, last_seen, clock_offset_s)
    ), locked AS MATERIALIZED (SELECT id FROM device WHERE id = ANY(%(ids)s) ORDER BY id FOR NO KEY UPDATE)
    UPDATE device SET last_seen = greatest(device.last_seen, seen.last_seen),
                      clock_offset_s = coalesce(seen.clock_offset_s, device.clock_offset_s)
    FROM seen JOIN locked USING (id) WHERE device.id = seen.id"""

APPLY_ABOUT: Final = """
    UPDATE device SET about = %(about)s, about_rev = %(rev)s, about_at = %(at)s, latitude = %(latitude)s,
                      longitude = %(longitude)s, ward_code = %(ward)s
    WHERE id = %(device_id)s AND about_rev < %(rev)s"""
DECLARE: Final = """
    INSERT INTO series AS s
          (device_id, name, unit, description, minimum, maximum, max_rate, stuck_after_s, period_s,
           latitude, longitude, declared)
    VALUES (%(device_id)s, %(name)s, %(unit)s, %(description)s, %(minimum)s, %(maximum)s, %(max_rate)s,
            %(stuck_after_s)s, %(period_s)s, %(latitude)s, %(longitude)s, true)
    ON CONFLICT (device_id, name) DO UPDATE SET
        unit = coalesce(excluded.unit, s.unit), description = excluded.description, minimum = excluded.minimum,
        maximum = excluded.maximum, max_rate = excluded.max_rate, stuck_after_s = excluded.stuck_after_s,
        period_s = excluded.period_s, latitude = excluded.latitude, longitude = excluded.longitude, declared = true"""
UNDECLARE: Final = "UPDATE series SET declared = false WHERE device_id = %s AND declared AND name <> ALL(%s)"

MARK_UNNUMBERED: Final = "UPDATE device SET numbers_messages = false WHERE id = ANY(%s) AND numbers_messages"
MARK_HEARD: Final = """
    WITH heard AS (
        UPDATE device SET heard_since = now() WHERE id = ANY(%s) AND heard_since IS NULL RETURNING id
    )
    SELECT pg_notify(%s, id::text) FROM heard"""
DURABLE_LOCK: Final = 7_237_261_003  # of pg_try_advisory_lock: who owns the durable session

ABOUT_CHANNEL: Final = "about"  # its payload is the device's id


class Series(NamedTuple):
    """What ingest must know of a series."""

    id: int
    device_id: int
    name: str
    unit: str | None
    minimum: float | None = None
    maximum: float | None = None
    max_rate: float | None = None  # units a second
    stuck_after_s: float | None = None


class ReceivedAbout(NamedTuple):
    """What a device says of itself, and when it came."""

    device_id: int
    received: datetime
    about: About


class Unnumbered(NamedTuple):
    """A device that sends messages without ids, and whether the durable session hears it."""

    id: int
    name: str
    heard: bool


class Seen(NamedTuple):
    """When a device was last heard, and its clock minus ours (None: not known)."""

    device_id: int
    at: datetime
    clock_offset_s: float | None


def ensure_devices(conn: psycopg.Connection, names: Sequence[str]) -> dict[str, int]:
    """Ids of devices by name; new ones are entered."""
    parameters = {"names": sorted(names)}
    conn.execute(ENSURE_DEVICES, parameters)
    return {str(name): int(id_) for name, id_ in conn.execute(DEVICES, parameters)}


def series_of(conn: psycopg.Connection, device_ids: Sequence[int]) -> list[Series]:
    """All series of these devices."""
    return [Series(*row) for row in conn.execute(SERIES, {"devices": list(device_ids)})]


def ensure_series(conn: psycopg.Connection, units: Mapping[tuple[int, str], str | None]) -> list[Series]:
    """Enter series, by device and name, where they are missing; return them. A known one keeps its unit."""
    devices, names = [device for device, _ in units], [name for _, name in units]
    parameters = {"devices": devices, "names": names, "units": list(units.values())}
    conn.execute(ENSURE_SERIES, parameters)
    return [Series(*row) for row in conn.execute(SOME_SERIES, parameters)]


def touch(conn: psycopg.Connection, seen: Sequence[Seen]) -> None:
    """Note when devices were last heard."""
    ids, ats, offsets = ([row[field] for row in seen] for field in range(3))
    conn.execute(TOUCH, {"ids": ids, "last_seen": ats, "offsets": offsets})


def mark_unnumbered(conn: psycopg.Connection, device_ids: Sequence[int]) -> dict[int, datetime | None]:
    """Note that these devices send messages without ids; return since when the durable session hears them."""
    conn.execute(MARK_UNNUMBERED, [list(device_ids)])
    return dict(conn.execute("SELECT id, heard_since FROM device WHERE id = ANY(%s)", [list(device_ids)]).fetchall())


def unnumbered(conn: psycopg.Connection) -> list[Unnumbered]:
    """All devices that send messages without ids."""
    rows = conn.execute("SELECT id, name, heard_since IS NOT NULL FROM device WHERE NOT numbers_messages")
    return [Unnumbered(*row) for row in rows]


def mark_heard(conn: psycopg.Connection, device_ids: Sequence[int]) -> None:
    """Note that the durable session hears these devices from now on, and tell who listens on `about`."""
    conn.execute(MARK_HEARD, [list(device_ids), ABOUT_CHANNEL])


def lead_durable(conn: psycopg.Connection) -> bool:
    """Whether this connection may own the durable session, as long as it lives."""
    row = conn.execute("SELECT pg_try_advisory_lock(%s)", [DURABLE_LOCK]).fetchone()
    return row is not None and bool(row[0])


def apply_abouts(conn: psycopg.Connection, abouts: Sequence[ReceivedAbout]) -> None:
    """Let newer revisions replace older ones, and tell who listens on `about`. Safe to repeat, in any order."""
    for device_id, received, about in sorted(abouts, key=lambda a: (a.device_id, a.about.rev)):
        position = about.position
        row = {
            "device_id": device_id,
            "about": Jsonb(msgspec.to_builtins(about)),
            "rev": about.rev,
            "at": about.at or received,
            "latitude": position and position.latitude,
            "longitude": position and position.longitude,
            "ward": about.ward,
        }
        if conn.execute(APPLY_ABOUT, row).rowcount:
            _declare(conn, device_id, about.sensors)
            conn.execute("SELECT pg_notify(%s, %s)", [ABOUT_CHANNEL, str(device_id)])


def _declare(conn: psycopg.Connection, device_id: int, sensors: Sequence[Sensor]) -> None:
    with conn.cursor() as cursor:
        cursor.executemany(
            DECLARE,
            [
                {
                    **{name: getattr(sensor, name) for name in sensor.__struct_fields__ if name != "position"},
                    "device_id": device_id,
                    "latitude": sensor.position and sensor.position.latitude,
                    "longitude": sensor.position and sensor.position.longitude,
                }
                for sensor in sorted(sensors, key=lambda s: s.name)
            ],
        )
        cursor.execute(UNDECLARE, [device_id, [sensor.name for sensor in sensors]])
