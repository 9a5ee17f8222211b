"""Any aggregate in the wards of any day: the wards of the day of measurement, of today, or of before the change.

A device is one point (or a share of several wards, where all we know is a ward that was divided): its numbers go to the
ward that it stands in on the day asked for. Counts and passenger car units are summed by share; speeds and means are
weighted. An incident goes to the ward of its own place where it has one, else to that of the device that told of it.
Each row says by which methods devices were placed; one that begins with `estimate` is no more than that.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection, sql

from storage.level import LEVELS

TRAFFIC: Final = sql.SQL("""
    SELECT t.bucket, p.code, w.name, t.class, sum(t.count * p.share) AS count,
           sum(t.count * p.share) FILTER (WHERE t.speed_mps > 0)
               / nullif(sum(t.count * p.share / t.speed_mps) FILTER (WHERE t.speed_mps > 0), 0),
           sum(t.pcu * p.share), avg(t.coverage)::float8, count(DISTINCT t.device_id),
           array_agg(DISTINCT p.method ORDER BY p.method)
    FROM {table} t
    JOIN device_ward(%(wards_of)s) p ON p.device_id = t.device_id
    JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from
    WHERE t.bucket >= %(start)s AND t.bucket < %(end)s AND (%(ward)s::text IS NULL OR p.code = %(ward)s)
    GROUP BY t.bucket, p.code, w.name, t.class ORDER BY t.bucket, p.code, t.class
""")
READINGS: Final = sql.SQL("""
    SELECT a.bucket, p.code, w.name, s.unit, sum(a.n * p.share), sum(a.mean * a.n * p.share) / sum(a.n * p.share),
           min(a.minimum), max(a.maximum), avg(a.coverage)::float8, count(DISTINCT s.device_id),
           array_agg(DISTINCT p.method ORDER BY p.method)
    FROM {table} a JOIN series s ON s.id = a.series_id
    JOIN device_ward(%(wards_of)s) p ON p.device_id = s.device_id
    JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from
    WHERE a.bucket >= %(start)s AND a.bucket < %(end)s AND s.name = %(series)s
      AND (%(ward)s::text IS NULL OR p.code = %(ward)s)
    GROUP BY a.bucket, p.code, w.name, s.unit ORDER BY a.bucket, p.code
""")

INCIDENTS: Final = """
    SELECT i.bucket, p.code, w.name, i.kind, i.severity, sum(i.n * p.share), sum(i.false_alarms * p.share),
           count(DISTINCT i.device_id), array_agg(DISTINCT p.method ORDER BY p.method)
    FROM incident_1d i JOIN incident_ward(%(wards_of)s) p
        ON p.device_id = i.device_id AND p.own_code = i.ward_code AND p.own_from IS NOT DISTINCT FROM i.ward_from
    JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from
    WHERE i.bucket >= %(start)s AND i.bucket < %(end)s AND (%(ward)s::text IS NULL OR p.code = %(ward)s)
    GROUP BY i.bucket, p.code, w.name, i.kind, i.severity ORDER BY i.bucket, p.code, i.kind, i.severity
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class WardTraffic:
    """Traffic of one class ('' for all) in one ward and bucket."""

    bucket: datetime
    code: str
    name: str
    klass: str
    count: float  # a part of a vehicle where a device counts for several wards
    speed_mps: float | None  # space-mean
    pcu: float | None
    coverage: float  # mean over zones
    devices: int
    methods: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WardReading:
    """One quantity in one ward and bucket, over all its devices."""

    bucket: datetime
    code: str
    name: str
    unit: str | None
    n: float
    mean: float  # over readings, not over devices
    minimum: float
    maximum: float
    coverage: float | None
    devices: int
    methods: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WardIncidents:
    """Incidents of one kind and severity in one ward and day."""

    bucket: datetime
    code: str
    name: str
    kind: str
    severity: str
    n: float  # a part of one where its place was estimated by shares; false alarms among them
    false_alarms: float
    devices: int  # that told of them, wherever they stand
    methods: list[str]


def traffic_by_ward(
    conn: Connection[Any], level: str, start: datetime, end: datetime, *, wards_of: date, ward: str | None = None
) -> list[WardTraffic]:
    """Traffic of the buckets that begin in [start, end), in the wards of the day `wards_of`.

    Raises:
        KeyError: there is no such level.
    """
    statement = TRAFFIC.format(table=sql.Identifier(f"traffic_{LEVELS[level].name}"))
    parameters = {"start": start, "end": end, "wards_of": wards_of, "ward": ward}
    rows = conn.execute(statement, parameters)
    return [WardTraffic(**dict(zip(WardTraffic.__slots__, row, strict=True))) for row in rows]


def readings_by_ward(
    conn: Connection[Any],
    level: str,
    start: datetime,
    end: datetime,
    *,
    series: str,
    wards_of: date,
    ward: str | None = None,
) -> list[WardReading]:
    """One quantity (a series' name, whatever the device) of the buckets that begin in [start, end), by ward.

    Raises:
        KeyError: there is no such level.
    """
    statement = READINGS.format(table=sql.Identifier(f"reading_{LEVELS[level].name}"))
    parameters = {"start": start, "end": end, "wards_of": wards_of, "ward": ward, "series": series}
    rows = conn.execute(statement, parameters)
    return [WardReading(**dict(zip(WardReading.__slots__, row, strict=True))) for row in rows]


def incidents_by_ward(
    conn: Connection[Any], start: datetime, end: datetime, *, wards_of: date, ward: str | None = None
) -> list[WardIncidents]:
    """Incidents of the city's days that begin in [start, end), in the wards of the day `wards_of`."""
    rows = conn.execute(INCIDENTS, {"start": start, "end": end, "wards_of": wards_of, "ward": ward})
    return [WardIncidents(**dict(zip(WardIncidents.__slots__, row, strict=True))) for row in rows]
