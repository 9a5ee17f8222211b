"""A made-up city: writes what ingest would, and draws its pictures."""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import msgspec
import numpy as np
import psycopg
from ulid import ULID

from events.about import About, Camera, Model, Sensor
from events.evidence import Evidence
from events.incident import Incident, Place
from storage.evidence import ReceivedEvidence, copy_evidence
from storage.incidents import ReceivedIncident, store_incidents
from storage.registry import ReceivedAbout, apply_abouts, ensure_devices

ABOUT = About(
    rev=1,
    description="Ngã tư Khuất Duy Tiến",
    cameras=(
        Camera(
            name="north",
            width=640,
            height=360,
            model=Model(name="tiny", runtime="onnxruntime", weak=True, hint="fetch a better one"),
        ),
    ),
    sensors=(Sensor(name="cpu/load1", unit="1", description="<b>load</b> average", period_s=1),),
)


@dataclass
class City:
    """One device, camera-a, with one camera, north."""

    conn: psycopg.Connection
    device: int
    shades: random.Random = field(default_factory=lambda: random.Random(7))

    def incident(self, *, at: datetime | None = None, still: bool = False, **facts: Any) -> Incident:
        """Commit an incident that was decided just now; its still, if any, in the same transaction."""
        at = at or datetime.now(UTC)
        given: dict[str, Any] = {
            "id": str(ULID()),
            "rev": 1,
            "kind": "stopped_vehicle",
            "state": "open",
            "severity": "major",
            "camera": "north",
            "zone": "lane-2",
            "started_at": at - timedelta(seconds=14),
            "decided_at": at,
            "at": at,
            "confidence": 0.87,
            "place": Place(box=(100.0, 120.0, 220.0, 260.0), latitude=21.0041, longitude=105.8023),
            "why": {"seconds": 14.2, "class": "car", "passed_by": 3.0, "zone": "lane-2"},
            "model": "tiny",
        }
        made = Incident(**(given | facts))
        self.store(made)
        if still:
            self.still(made)
        return made

    def store(self, *revisions: Incident, device: int | None = None) -> None:
        """Commit revisions in one transaction; of camera-a, or of another device."""
        device = device or self.device
        with self.conn.transaction():
            store_incidents(self.conn, [ReceivedIncident(device, datetime.now(UTC), one) for one in revisions])

    def revise(self, incident: Incident, **facts: Any) -> Incident:
        """Commit the next revision."""
        made = msgspec.structs.replace(incident, rev=incident.rev + 1, at=datetime.now(UTC), **facts)
        self.store(made)
        return made

    def still(self, incident: Incident, data: bytes | None = None) -> bytes:
        """Commit a picture of the incident."""
        data = data or picture(self.shades.randrange(256))
        evidence = Evidence(incident=incident.id, camera=incident.camera, at=incident.at, role="still", data=data)
        with self.conn.transaction():
            copy_evidence(self.conn, [ReceivedEvidence(self.device, datetime.now(UTC), evidence)])
        return data

    def heard(self, ago: float = 0) -> None:
        """Say when the device was last heard, seconds ago."""
        self.conn.execute("UPDATE device SET online = true, last_seen = now() - make_interval(secs => %s)", (ago,))

    def readings(self, series: str, values: list[tuple[datetime, float, int]], device: str = "camera-a") -> int:
        """Store (at, value, quality) of a series; return its number."""
        row = self.conn.execute(
            "INSERT INTO series (device_id, name, period_s) SELECT id, %s, 60 FROM device WHERE name = %s"
            " ON CONFLICT (device_id, name) DO UPDATE SET name = excluded.name RETURNING id",
            (series, device),
        ).fetchone()
        assert row is not None
        with self.conn.cursor().copy("COPY reading (at, received, value, series_id, quality) FROM STDIN") as copy:
            for at, value, quality in values:
                copy.write_row((at, at, value, row[0], quality))
        return int(row[0])

    def traffic(self, minute: datetime, count: int, klass: str = "motorcycle", *, trusted: bool = True) -> None:
        """Store one minute of one class at gate-north."""
        self.conn.execute(
            "INSERT INTO traffic (at, received, device_id, count, seconds, trusted, camera, zone, class, direction)"
            " VALUES (%s, now(), %s, %s, 60, %s, 'north', 'gate-north', %s, 'in')",
            (minute, self.device, count, trusted, klass),
        )


def settle(conn: psycopg.Connection) -> City:
    """Return a city whose device has described itself and is heard."""
    device = ensure_devices(conn, ["camera-a"])["camera-a"]
    apply_abouts(conn, [ReceivedAbout(device, datetime.now(UTC), ABOUT)])
    city = City(conn, device)
    city.heard()
    return city


def picture(shade: int = 90) -> bytes:
    """Return a JPEG of 640 by 360: a road with a stopped car."""
    image = np.full((360, 640, 3), (shade // 3 + 60, 96, 90), np.uint8)
    for x in range(-100, 740, 120):
        cv2.line(image, (320 + (x - 320) // 3, 90), (x, 360), (200, 200, 200), 2)
    cv2.rectangle(image, (110, 140), (210, 250), (40, 40, 190), -1)
    return bytes(cv2.imencode(".jpg", image)[1])
