"""Weeks of a ward, laid as raw rows and worked through as the DAGs do: two cameras, the air, a few incidents."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import psycopg

from ngatu.city_lists import load_city
from ngatu.simulate.rhythm import busyness
from storage.aggregates import aggregate
from storage.incident_days import count_incidents
from storage.level import LEVELS
from storage.quality import score_due_days

ZONE: Final = ZoneInfo("Asia/Ho_Chi_Minh")
END: Final = datetime(2026, 3, 16, tzinfo=ZONE)  # a Monday, midnight: the last week is 2026-W11
NOW: Final = END + timedelta(hours=1)
WARD: Final = "00070"
SHARES: Final = {"motorcycle": 24.0, "car": 7.0, "bus": 0.4, "bicycle": 0.6, "person": 0.01}
INCIDENTS: Final = (
    ("speeding", "minor", 9), ("stopped_vehicle", "major", 4), ("congestion", "minor", 3), ("wrong_way", "major", 2),
    ("collision", "critical", 1), ("illegal_parking", "info", 6),
)  # fmt: skip


def lay_weeks(dsn: str, *, weeks: int = 2, quiet: tuple[datetime, datetime] | None = None) -> None:
    """Fill the database with the weeks before END and run what the DAGs run; in `quiet` camera-a counts a tenth."""
    load_city(dsn, "hanoi")
    with psycopg.connect(dsn, autocommit=True) as conn:
        start = END - timedelta(weeks=weeks)
        _lay_devices(conn, start)
        _lay_traffic(conn, start, quiet)
        _lay_air(conn, start)
        _lay_incidents(conn)
        work_through(conn)


def work_through(conn: psycopg.Connection, now: datetime = NOW) -> None:
    for level in LEVELS.values():
        aggregate(conn, level, now=now)
    count_incidents(conn, now=now)
    score_due_days(conn)


def copy(conn: psycopg.Connection, table: str, columns: str, rows: Iterable[tuple[Any, ...]]) -> None:
    with conn.cursor() as cursor, cursor.copy(f"COPY {table} ({columns}) FROM STDIN".encode()) as out:
        for row in rows:
            out.write_row(row)


def _lay_devices(conn: psycopg.Connection, start: datetime) -> None:
    for name in ("camera-a", "camera-b", "air-1"):
        conn.execute(
            "INSERT INTO device (name, first_seen, about, ward_code, about_at) VALUES (%s, %s, '{}', %s, %s)",
            (name, start, WARD, start),
        )
    for name, unit in (("air/pm2_5", "ug/m3"), ("air/temperature", "Cel"), ("air/humidity", "%")):
        conn.execute(
            "INSERT INTO series (device_id, name, unit, period_s, declared, first_seen)"
            " VALUES (3, %s, %s, 300, true, %s)",
            (name, unit, start),
        )


def _lay_traffic(conn: psycopg.Connection, start: datetime, quiet: tuple[datetime, datetime] | None) -> None:
    chance = np.random.default_rng(7)
    rows = []
    for minute in range(round((END - start) / timedelta(minutes=1))):
        at = start + timedelta(minutes=minute)
        busy = busyness(at)
        for device, zone in ((1, "north"), (1, "south"), (2, "gate")):
            if device == 2 and at.day % 7 == 5 and at.hour >= 6:
                continue  # camera-b is out on two Thursdays: that day is not well
            scale = 0.1 if device == 1 and quiet and quiet[0] <= at < quiet[1] else 1.0
            for number, (klass, share) in enumerate(SHARES.items()):
                count = int(chance.poisson(scale * share * busy))
                speed = (12.5 - 6 * busy) * chance.uniform(0.9, 1.1) if count else None
                first = (0.2, 2.0) if number == 0 else (None, None)
                fast = speed and 1.2 * speed
                rows.append((at, at, device, f"cam{device}", zone, klass, "in", count, 60, speed, fast, *first, True))
    columns = (
        "at, received, device_id, camera, zone, class, direction, count, seconds, speed_mps, speed_p85_mps, occupancy,"
        " queue, trusted"
    )
    copy(conn, "traffic", columns, rows)


def _lay_air(conn: psycopg.Connection, start: datetime) -> None:
    chance = np.random.default_rng(8)
    rows = []
    for number in range(round((END - start) / timedelta(minutes=5))):
        at = start + timedelta(minutes=5 * number)
        busy = busyness(at)
        for series, value in ((1, 12 + 30 * busy), (2, 24 + 6 * busy), (3, 74 - 8 * busy)):
            rows.append((at, at, series, value + chance.normal(0, 1.5)))
    copy(conn, "reading", "at, received, series_id, value", rows)


def _lay_incidents(conn: psycopg.Connection) -> None:
    chance = np.random.default_rng(9)
    number = 0
    for kind, severity, many in INCIDENTS:
        for _ in range(many):
            number += 1
            at = END - timedelta(minutes=int(chance.integers(1, 14 * 1440)))
            conn.execute(
                "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
                " ended_at, confidence, place, why, tracks, received, changed)"
                " VALUES (%s, 1, 1, %s, 'end', %s, 'cam1', %s, %s, %s, %s, 0.9, '{}', '{}', '{}', %s, %s)",
                (f"{number:026}", kind, severity, at, at, at, at + timedelta(minutes=4), at, at),
            )
            if number % 8 == 0:
                conn.execute(
                    "INSERT INTO incident_action (incident_id, who, action) VALUES (%s, 'lan', 'false_alarm')",
                    (f"{number:026}",),
                )
