"""What planners look at: devices, series, their readings and aggregates, traffic counts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal, cast

from psycopg import Connection, sql
from psycopg.rows import class_row

from storage.reading_tables import of_both

Level = Literal["15m", "1h", "1d"]
Reading = tuple[datetime, float, int]
"""at, value, quality."""
LOOK_BACK: Final = (timedelta(days=2), timedelta(days=60))  # for a last reading, before all of a table is opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Feed:
    """Whether the city is heard at all."""

    devices: int
    online: int
    last_seen: datetime | None  # of any device, by the database's clock
    now: datetime  # the database's clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A device with what it said about itself and how it fares."""

    name: str
    online: bool
    first_seen: datetime
    last_seen: datetime
    latitude: float | None
    longitude: float | None
    ward_code: str | None
    clock_offset_s: float | None
    description: str | None
    versions: dict[str, str]
    cameras: list[dict[str, Any]]  # as in events/about.py
    outbox: dict[str, Any] | None  # as in events/status.py
    unwell: list[dict[str, Any]]  # open health conditions: subject, name, condition, since


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One measured quantity of one device."""

    id: int
    device: str
    name: str
    unit: str | None
    description: str | None
    minimum: float | None
    maximum: float | None
    period_s: float | None
    first_seen: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Aggregate:
    """One closed bucket of a series."""

    bucket: datetime
    n: int
    mean: float
    minimum: float
    maximum: float
    sd: float | None
    p50: float
    p95: float
    coverage: float | None  # share of the values that were due
    good: float  # share of values without a quality flag
    revision: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """Somewhere that traffic is counted."""

    device: str
    camera: str
    zone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrafficCount:
    """What passed in one bucket; class '' is a bucket in which nothing did."""

    bucket: datetime
    klass: str
    direction: str
    count: int
    speed_mps: float | None
    coverage: float  # share of the bucket that was observed
    trusted: float  # share of it in which the camera was well


@dataclass(frozen=True, slots=True, kw_only=True)
class WardCentre:
    """Where a ward of today lies, by its centroid."""

    code: str
    name: str
    name_en: str | None
    latitude: float
    longitude: float
    area_km2: float | None


class UnknownSeriesError(LookupError):
    """No series has this number."""


_FEED = """
SELECT count(*) AS devices, count(*) FILTER (WHERE online) AS online, max(last_seen) AS last_seen, now() FROM device
"""

_DEVICES = """
SELECT d.name, d.online, d.first_seen, d.last_seen, d.latitude, d.longitude, d.ward_code, d.clock_offset_s,
       d.about->>'description' AS description, coalesce(d.about->'versions', '{}') AS versions,
       coalesce(d.about->'cameras', '[]') AS cameras, d.status->'outbox' AS outbox,
       coalesce((SELECT jsonb_agg(jsonb_build_object('subject', h.subject, 'name', h.name, 'condition', h.condition,
                                                     'since', h.since) ORDER BY h.since)
                 FROM camera_health h WHERE h.device_id = d.id AND h.state = 'raised'), '[]') AS unwell
FROM device d ORDER BY d.online, d.name LIMIT %s
"""

_SERIES = """
SELECT s.id, d.name AS device, s.name, s.unit, s.description, s.minimum, s.maximum, s.period_s, s.first_seen
FROM series s JOIN device d ON d.id = s.device_id
"""
_ONE_SERIES = _SERIES + "WHERE s.id = %s"
_FIND_SERIES = (
    _SERIES
    + """
WHERE NOT EXISTS (
    SELECT FROM unnest(%(words)s::text[]) AS word
    WHERE strpos(lower(concat_ws(' ', d.name || '/' || s.name, s.description, s.unit)), word) = 0)
  AND (%(device)s::text IS NULL OR d.name = %(device)s)
ORDER BY d.name, s.name LIMIT %(limit)s OFFSET %(offset)s
"""
)

_READINGS: Final = sql.SQL("{both} ORDER BY at LIMIT %(limit)s").format(
    both=of_both("""
SELECT at, value, quality FROM {table} WHERE series_id = %(id)s AND at >= %(start)s AND at < %(end)s
ORDER BY at LIMIT %(limit)s""")
)
_COUNT_READINGS: Final = sql.SQL("SELECT count(*) FROM ({both} LIMIT %(limit)s) AS found").format(
    both=of_both("SELECT FROM {table} WHERE series_id = %(id)s AND at >= %(start)s AND at < %(end)s LIMIT %(limit)s")
)
_LAST_READING: Final = sql.SQL("{both} ORDER BY at DESC LIMIT 1").format(
    both=of_both("SELECT at FROM {table} WHERE series_id = %(id)s AND at >= %(start)s ORDER BY at DESC LIMIT 1")
)

_AGGREGATES: Final = {
    level: sql.SQL("""
SELECT bucket, n, mean, minimum, maximum, sd, p50, p95, coverage, good, revision FROM {table}
WHERE series_id = %s AND bucket >= %s AND bucket < %s ORDER BY bucket LIMIT %s
""").format(table=sql.Identifier(f"reading_{level}"))
    for level in ("15m", "1h", "1d")
}

_WARDS = """
SELECT code, name, name_en, latitude, longitude, area_km2 FROM ward
WHERE valid_from <= current_date AND current_date < valid_to ORDER BY code
"""

_GATES = """
SELECT DISTINCT d.name AS device, t.camera, t.zone
FROM (SELECT device_id, camera, zone FROM traffic WHERE at > now() - interval '1 day'
      UNION SELECT device_id, camera, zone FROM traffic_1h WHERE bucket > now() - interval '31 days') t
JOIN device d ON d.id = t.device_id ORDER BY 1, 2, 3
"""

_PLACE = sql.SQL("""
JOIN device d ON d.id = t.device_id
WHERE (%(device)s::text IS NULL OR d.name = %(device)s) AND (%(camera)s::text IS NULL OR t.camera = %(camera)s)
  AND (%(zone)s::text IS NULL OR t.zone = %(zone)s)
""")
_COUNTED = sql.SQL("""
t.class AS klass, t.direction, sum(t.count)::bigint AS count,
sum(t.count) FILTER (WHERE t.speed_mps > 0)
    / nullif(sum(t.count / t.speed_mps) FILTER (WHERE t.speed_mps > 0), 0)::float8 AS speed_mps
""")  # space-mean: harmonic over what passed
_TRAFFIC: Final = {
    "1m": sql.SQL("""
SELECT t.at AS bucket, {counted}, least(avg(t.seconds) / 60, 1)::float8 AS coverage,
       avg(t.trusted::int)::float8 AS trusted
FROM traffic t {place} AND t.at >= %(start)s AND t.at < %(end)s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT %(limit)s
""").format(counted=_COUNTED, place=_PLACE)
} | {
    level: sql.SQL("""
SELECT t.bucket, {counted}, avg(t.coverage)::float8 AS coverage, avg(t.trusted)::float8 AS trusted
FROM {table} t {place} AND t.bucket >= %(start)s AND t.bucket < %(end)s AND (t.class <> '' OR t.count = 0)
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3 LIMIT %(limit)s
""").format(counted=_COUNTED, place=_PLACE, table=sql.Identifier(f"traffic_{level}"))
    for level in ("15m", "1h", "1d")
}


def feed(conn: Connection[Any]) -> Feed:
    """Return how many devices there are, and when any was last heard."""
    with conn.cursor(row_factory=class_row(Feed)) as cursor:
        found = cursor.execute(_FEED).fetchone()
    assert found is not None
    return found


def list_devices(conn: Connection[Any], limit: int) -> list[Device]:
    """Return devices, those that are offline first."""
    with conn.cursor(row_factory=class_row(Device)) as cursor:
        return cursor.execute(_DEVICES, (limit,)).fetchall()


def find_series(
    conn: Connection[Any], words: Sequence[str] = (), *, device: str | None = None, limit: int, offset: int = 0
) -> list[Series]:
    """Return series whose device, name, description or unit contain all `words`, in any case."""
    values = {"words": [word.lower() for word in words], "device": device, "limit": limit, "offset": offset}
    with conn.cursor(row_factory=class_row(Series)) as cursor:
        return cursor.execute(_FIND_SERIES, values).fetchall()


def one_series(conn: Connection[Any], series: int) -> Series:
    """Return one series.

    Raises:
        UnknownSeriesError: there is none.
    """
    with conn.cursor(row_factory=class_row(Series)) as cursor:
        found = cursor.execute(_ONE_SERIES, (series,)).fetchone()
    if found is None:
        raise UnknownSeriesError(series)
    return found


def readings(conn: Connection[Any], series: int, start: datetime, end: datetime, limit: int) -> list[Reading]:
    """Return the first `limit` readings in start ≤ at < end, oldest first."""
    return conn.execute(_READINGS, _span(series, start, end, limit), prepare=False).fetchall()


def count_readings(conn: Connection[Any], series: int, start: datetime, end: datetime, limit: int) -> int:
    """Return how many readings there are in start ≤ at < end, counting no further than `limit`."""
    row = conn.execute(_COUNT_READINGS, _span(series, start, end, limit), prepare=False).fetchone()
    assert row is not None
    return int(row[0])


def stream_readings(
    conn: Connection[Any], series: int, start: datetime, end: datetime, limit: int
) -> Iterator[Reading]:
    """Yield what `readings` returns, a row at a time, without holding all of them."""
    with conn.cursor() as cursor:
        yield from cursor.stream(_READINGS, _span(series, start, end, limit), size=500)


def _span(series: int, start: datetime, end: datetime, limit: int) -> dict[str, Any]:
    return {"id": series, "start": start, "end": end, "limit": limit}


def last_reading(conn: Connection[Any], series: int) -> datetime | None:
    """Return when the newest reading was measured; None: there is none."""
    for since in (*(datetime.now(UTC) - back for back in LOOK_BACK), datetime.min.replace(tzinfo=UTC)):
        row = conn.execute(_LAST_READING, {"id": series, "start": since}, prepare=False).fetchone()
        if row is not None:
            return cast("datetime", row[0])
    return None


def aggregates(
    conn: Connection[Any], series: int, level: Level, start: datetime, end: datetime, limit: int
) -> list[Aggregate]:
    """Return the buckets that begin in start ≤ bucket < end, oldest first."""
    with conn.cursor(row_factory=class_row(Aggregate)) as cursor:
        return cursor.execute(_AGGREGATES[level], (series, start, end, limit)).fetchall()


def list_wards(conn: Connection[Any]) -> list[WardCentre]:
    """Return the wards that hold today."""
    with conn.cursor(row_factory=class_row(WardCentre)) as cursor:
        return cursor.execute(_WARDS).fetchall()


def list_gates(conn: Connection[Any]) -> list[Gate]:
    """Return where traffic was counted in the last month."""
    with conn.cursor(row_factory=class_row(Gate)) as cursor:
        return cursor.execute(_GATES).fetchall()


def traffic_counts(
    conn: Connection[Any],
    level: Literal["1m", "15m", "1h", "1d"],
    start: datetime,
    end: datetime,
    *,
    device: str | None = None,
    camera: str | None = None,
    zone: str | None = None,
    limit: int,
) -> list[TrafficCount]:
    """Return counts by bucket, class and direction in start ≤ bucket < end, summed over the places that match."""
    values = {"device": device, "camera": camera, "zone": zone, "start": start, "end": end, "limit": limit}
    with conn.cursor(row_factory=class_row(TrafficCount)) as cursor:
        return cursor.execute(_TRAFFIC[level], values).fetchall()
