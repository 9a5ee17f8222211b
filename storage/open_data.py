"""What is published of a day: five datasets, each a query and the meaning of its columns.

No picture, no number plate, no track, nobody's name.

Left out: the data of devices that were not well that day. Suppressed: counts of people below the city's smallest count,
and the zone's total beside them, from which they could be had by subtraction; the speed of fewer vehicles than that,
and the zone's where the same holds. Incidents carry the minute and a place to about 100 m, and nothing of who or what
was seen; those that are about somebody on foot, or were told by a citizen, the hour and the ward only. Rows with a text
that looks like a number plate (a bus may be called by its own) or like the number of an incident or a stream.
"""

from dataclasses import dataclass
from typing import Final

PERSONAL: Final = (  # read alike by PostgreSQL, RE2 and Python
    r"(?i)(^|[^0-9a-z])[0-9]{2}[- ]?[a-zđĐ]{1,2}[0-9]?[-. ][0-9]{3}[.]?[0-9]{2}($|[^0-9])"  # 29A-123.45, 29-MĐ1 123.45
    r"|(^|[^0-9a-z])01[0-9a-hjkmnp-tv-z]{24}($|[^0-9a-z])"  # a ULID of our time
)


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its Table Schema type, its unit (UCUM, '' for none), what it means."""

    name: str
    type: str  # string, integer, number, boolean, datetime, date
    unit: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """One table of a day; `query` takes day, lo, hi (the day's bounds) and smallest (count)."""

    name: str
    title: str
    title_vi: str
    query: str
    columns: tuple[Column, ...]
    measured: str = ""  # the aggregates whose devices must be well for the dataset to be published; "": it always is
    well_only: bool = False  # rows of devices that were not well are left out

    @property
    def has_places(self) -> bool:
        """Whether it makes a map."""
        return "latitude" in {column.name for column in self.columns}


_BUCKET: Final = Column("bucket", "datetime", "", "begin of the hour, UTC")
_DEVICE: Final = Column("device", "string", "", "name of the device")

READINGS: Final = Dataset(
    name="readings",
    title="Sensor readings by hour",
    title_vi="Số liệu cảm biến theo giờ",
    measured="reading_1d a JOIN series s ON s.id = a.series_id",
    well_only=True,
    query="""
        SELECT a.bucket, d.name AS device, s.name AS series, s.unit, a.n, a.mean, a.minimum, a.maximum, a.p50, a.p95,
               a.coverage, a.good, a.revision
        FROM reading_1h a JOIN series s ON s.id = a.series_id JOIN device d ON d.id = s.device_id
        JOIN quality_1d q ON q.device_id = d.id
        WHERE q.day = %(day)s AND q.well AND a.bucket >= %(lo)s AND a.bucket < %(hi)s ORDER BY 1, 2, 3""",
    columns=(
        _BUCKET,
        _DEVICE,
        Column("series", "string", "", "what was measured, as the device names it"),
        Column("unit", "string", "", "unit of mean, minimum, maximum, p50 and p95"),
        Column("n", "integer", "1", "how many readings"),
        Column("mean", "number", "", "arithmetic mean"),
        Column("minimum", "number", "", "lowest reading"),
        Column("maximum", "number", "", "highest reading"),
        Column("p50", "number", "", "median"),
        Column("p95", "number", "", "95th percentile"),
        Column("coverage", "number", "1", "share of the readings that were due; empty: no period declared"),
        Column("good", "number", "1", "share of readings without a quality flag"),
        Column("revision", "integer", "1", "1 when first computed; higher where rows came late"),
    ),
)
TRAFFIC: Final = Dataset(
    name="traffic",
    title="Traffic counts by hour, zone, class and direction",
    title_vi="Lưu lượng giao thông theo giờ, vùng, loại xe và hướng",
    measured="traffic_1d a",
    well_only=True,
    query="""
        WITH counted AS (
            SELECT t.*, d.name AS device, n.few, n.few AND t.class IN ('person', 'bicycle') AS few_people
            FROM traffic_1h t CROSS JOIN LATERAL (SELECT t.count BETWEEN 1 AND %(smallest)s - 1 AS few) n
            JOIN device d ON d.id = t.device_id JOIN quality_1d q ON q.device_id = d.id
            WHERE q.day = %(day)s AND q.well AND t.bucket >= %(lo)s AND t.bucket < %(hi)s
        ), kept AS (
            SELECT *, few_people OR class = '' AND bool_or(few_people) OVER zone_hour AS hidden,
                   few OR class = '' AND sum(count) FILTER (WHERE few AND speed_mps IS NOT NULL) OVER zone_hour
                                         BETWEEN 1 AND %(smallest)s - 1 AS speed_hidden
            FROM counted WINDOW zone_hour AS (PARTITION BY bucket, device_id, camera, zone)
        )
        SELECT bucket, device, camera, zone, nullif(class, '') AS class, nullif(direction, '') AS direction,
               CASE WHEN NOT hidden THEN count END AS count, hidden AS suppressed,
               CASE WHEN NOT (hidden OR coalesce(speed_hidden, false)) THEN speed_mps END AS speed, occupancy,
               queue::float8 AS queue, CASE WHEN NOT hidden THEN pcu END AS pcu, coverage, trusted, revision
        FROM kept ORDER BY 1, 2, 3, 4, 5 NULLS FIRST, 6 NULLS FIRST""",
    columns=(
        _BUCKET,
        _DEVICE,
        Column("camera", "string", "", "name of the camera"),
        Column("zone", "string", "", "name of the zone in its picture"),
        Column("class", "string", "", "class of road user; empty: all together"),
        Column("direction", "string", "", "direction as the zone names it; empty: all together"),
        Column("count", "integer", "1", "how many passed while observed; empty where suppressed"),
        Column("suppressed", "boolean", "", "true: too few people, or a total that would give them away"),
        Column("speed", "number", "m/s", "space-mean speed"),
        Column("occupancy", "number", "1", "share of time in which the zone held a vehicle"),
        Column("queue", "number", "1", "longest standing queue, vehicles"),
        Column("pcu", "number", "1", "passenger car units that passed"),
        Column("coverage", "number", "1", "share of the hour that was observed"),
        Column("trusted", "number", "1", "share of that in which the camera was well"),
        Column("revision", "integer", "1", "1 when first computed; higher where rows came late"),
    ),
)
INCIDENTS: Final = Dataset(
    name="incidents",
    title="Traffic incidents",
    title_vi="Sự cố giao thông",
    well_only=True,
    query="""
        SELECT CASE WHEN p.personal THEN date_trunc('hour', i.started_at) ELSE date_trunc('minute', i.started_at) END
                   AS started,
               i.kind, i.severity, round(extract(epoch FROM i.ended_at - i.started_at) / 60)::int AS minutes,
               w.code AS ward,
               CASE WHEN NOT p.personal THEN round(i.latitude::numeric, 3)::float8 END AS latitude,
               CASE WHEN NOT p.personal THEN round(i.longitude::numeric, 3)::float8 END AS longitude
        FROM incident i
        JOIN quality_1d q ON q.device_id = i.device_id AND q.day = %(day)s AND q.well
        CROSS JOIN LATERAL (
            SELECT i.kind IN ('pedestrian_on_road', 'citizen_report', 'object_detected') AS personal) p
        LEFT JOIN LATERAL ward_at(i.latitude, i.longitude, %(day)s) w ON i.latitude IS NOT NULL
        WHERE i.started_at >= %(lo)s AND i.started_at < %(hi)s
          AND coalesce((SELECT a.action FROM incident_action a WHERE a.incident_id = i.id
                        AND a.action IN ('acknowledge', 'resolve', 'false_alarm', 'reopen')
                        ORDER BY a.id DESC LIMIT 1), '') <> 'false_alarm'
        ORDER BY 1, 2, 3, 5, 6, 7""",
    columns=(
        Column("started", "datetime", "", "begin, UTC: to the minute, or to the hour where it is about a person"),
        Column("kind", "string", "", "kind of incident"),
        Column("severity", "string", "", "info, minor, major or critical"),
        Column("minutes", "integer", "min", "how long it took; empty: not ended"),
        Column("ward", "string", "", "code of the ward of that day"),
        Column("latitude", "number", "deg", "WGS 84, to about 100 m; empty where it is about a person"),
        Column("longitude", "number", "deg", "WGS 84, to about 100 m; empty where it is about a person"),
    ),
)
QUALITY: Final = Dataset(
    name="quality",
    title="Quality of each device's data",
    title_vi="Chất lượng số liệu của từng thiết bị",
    query="""
        SELECT d.name AS device, q.correct, q.complete, q.clean, q.calibrated, q.alive_s AS alive,
               q.alive_limit_s AS alive_limit, q.delay_s AS delay, q.well,
               nullif(array_to_string(q.reasons, '; '), '') AS reasons
        FROM quality_1d q JOIN device d ON d.id = q.device_id WHERE q.day = %(day)s ORDER BY 1""",
    columns=(
        _DEVICE,
        Column("correct", "number", "1", "share of values in range and plausible"),
        Column("complete", "number", "1", "share received of what was due"),
        Column("clean", "number", "1", "share declared, without duplicates, readable"),
        Column("calibrated", "number", "1", "share of its cameras that are calibrated; empty: it has none"),
        Column("alive", "number", "s", "age of the latest value at the day's end"),
        Column("alive_limit", "number", "s", "how old it may be: longer where the device measures seldom"),
        Column("delay", "number", "s", "median time from measurement to receipt"),
        Column("well", "boolean", "", "no word below its threshold; else the device's data is not published"),
        Column("reasons", "string", "", "why not, worst first"),
    ),
)
DEVICES: Final = Dataset(
    name="devices",
    title="Devices and where they stand",
    title_vi="Thiết bị và vị trí",
    query="""
        WITH placed AS MATERIALIZED (
            SELECT DISTINCT ON (device_id) * FROM device_ward(%(day)s) ORDER BY device_id, share DESC, code)
        SELECT d.name AS device, d.latitude, d.longitude, p.code AS ward, p.method
        FROM device d JOIN quality_1d q ON q.device_id = d.id AND q.day = %(day)s
        LEFT JOIN placed p ON p.device_id = d.id
        ORDER BY 1""",
    columns=(
        _DEVICE,
        Column("latitude", "number", "deg", "WGS 84"),
        Column("longitude", "number", "deg", "WGS 84"),
        Column("ward", "string", "", "code of the ward of that day"),
        Column("method", "string", "", "how the ward is known"),
    ),
)
DATASETS: Final = (READINGS, TRAFFIC, INCIDENTS, QUALITY, DEVICES)
