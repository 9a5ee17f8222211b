"""A small day that is ready to be published; and a month that was loaded, broken, late and corrected."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg
import pytest

from ngatu.city_lists import load_city
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers.mosquitto import BrokerSite
from tests.servers import PostgresServer, running_broker

if TYPE_CHECKING:
    from ngatu.month.run import Month

PUBLISHED_DAY = date(2026, 3, 2)
PUBLISHED_AT = datetime(2026, 3, 2, 3, tzinfo=UTC)
DAY_BEGINS = "2026-03-01 17:00Z"


@pytest.fixture
def ready(db: psycopg.Connection, dsn: str) -> psycopg.Connection:
    """Two devices, of which one was well; a series, a gate and an incident, of all of which too much is known."""
    fill_day(db, dsn)
    return db


def fill_day(db: psycopg.Connection, dsn: str) -> None:
    """Write what is to be published of a day."""
    load_city(dsn, "hanoi")
    db.execute(
        "INSERT INTO device (name, latitude, longitude) VALUES ('good', 21.0287, 105.8524), ('bad', 21.03, 105.85)"
    )
    db.execute("INSERT INTO series (device_id, name, unit) VALUES (1, 'air/pm25', 'ug/m3'), (2, 'air/pm25', 'ug/m3')")
    db.execute(
        "INSERT INTO quality_1d (day, device_id, correct, n, missing, explained, well, score, reasons, alive_limit_s)"
        " VALUES (%(day)s, 1, 1, 9, 0, 0, true, 1, '{}', 600),"
        " (%(day)s, 2, 0.5, 9, 0, 0, false, 0.5, '{correct: 50%%}', 600)",
        {"day": PUBLISHED_DAY},
    )
    for table, at in (("reading_1h", PUBLISHED_AT), ("reading_1d", DAY_BEGINS)):
        db.execute(
            f"INSERT INTO {table} (bucket, series_id, n, mean, minimum, maximum, p50, p95, coverage, good)"
            " SELECT %s, id, 60, 12.5, 1, 20, 12, 19, 1, 1 FROM series".encode(),
            (at,),
        )
    db.execute(
        "INSERT INTO traffic_1d (bucket, device_id, camera, zone, class, direction, count, seconds, coverage, trusted)"
        " VALUES (%s, 1, 'a', 'gate', '', '', 103, 3600, 1, 1)",
        (DAY_BEGINS,),
    )
    hour(db, {("", ""): (103, 4.0), ("car", "in"): (100, 4.0), ("person", "in"): (3, 4.0)})
    incident(db, "01SECRET", "stopped_vehicle")


def hour(
    conn: psycopg.Connection, counts: dict[tuple[str, str], tuple[int, float | None]], at: datetime = PUBLISHED_AT
) -> None:
    """Count an hour at the gate: by class and direction how many, how fast; ('', '') is the zone as a whole."""
    for (klass, direction), (count, speed) in counts.items():
        conn.execute(
            "INSERT INTO traffic_1h (bucket, device_id, camera, zone, class, direction, count, speed_mps, pcu, seconds,"
            " coverage, trusted) VALUES (%s, 1, 'a', 'gate', %s, %s, %s, %s, %s, 3600, 1, 1)",
            (at, klass, direction, count, speed, None if klass else 101.0),
        )


def incident(conn: psycopg.Connection, name: str, kind: str) -> None:
    """Store an incident at 10:00:17 in Hanoi, of which the plate and the track are known."""
    conn.execute(
        "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
        " confidence, place, latitude, longitude, why, tracks, received, changed)"
        " VALUES (%(id)s, 1, 1, %(kind)s, 'open', 'major', 'a', %(at)s, %(at)s, %(at)s, 0.9, '{}',"
        " 21.028712345, 105.85241234, '{\"plate\": \"29A-12345\"}', '{7777}', now(), now())",
        {"id": name, "kind": kind, "at": PUBLISHED_AT + timedelta(minutes=23, seconds=17)},
    )


@pytest.fixture(scope="session")
def month(
    postgres_server: PostgresServer,
    template_db: str,
    packages: Path,
    server_folder: Path,
    guard: Guard,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator["Month"]:
    """A month of a simulated city, stored, aggregated, scored and published, with everything broken on the way.

    Its broker is its own: what other tests' devices left retained would count as missing.
    """
    from ngatu.month.run import Place, Plan, live

    site = BrokerSite(packages=packages, folder=server_folder / "mosquitto-month", port=free_port())
    with running_broker(site, guard) as broker, postgres_server.database(template_db) as dsn:
        place = Place(dsn=dsn, broker=broker.url, guard=guard, folder=tmp_path_factory.mktemp("month"))
        yield live(place, Plan(part_days=16, ingest_kills=1))
