"""What devices said, as tables of DuckDB, and the same numbers computed from them by plain SQL: nothing of ours.

The parameter `seen` is a moment of the month: rows that came later are left out, and so are buckets that had not ended.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import duckdb
import pyarrow as pa

from ngatu.city import CITIES
from ngatu.month.making import Said
from ngatu.month.sites import CITY, Site, is_of_today

LOGGED: Final = {
    "reading": ("device", "series", "moment", "value", "in_range", "came"),
    "minute": ("device", "moment", "occupancy", "queue", "pcu", "trusted", "came"),
    "flow": ("device", "moment", "class", "direction", "count", "speed", "p85", "came"),
    "told": ("id", "device", "kind", "severity", "started", "ended", "came"),
}
WIDTHS: Final = {"15m": 900, "1h": 3600, "1d": 86_400}
# A bucket's begin, in naive UTC: Hanoi's days begin seven hours before those of UTC.
BUCKET: Final = {
    "15m": "time_bucket(INTERVAL 15 MINUTE, {at})",
    "1h": "time_bucket(INTERVAL 1 HOUR, {at})",
    "1d": "date_trunc('day', {at} + INTERVAL 7 HOUR) - INTERVAL 7 HOUR",
}
SITES: Final = """
    CREATE TABLE site (device text, period double, ward text, named text, latitude double, longitude double)
"""
WARDS: Final = """
    CREATE TABLE ward AS
    SELECT code, latitude::double AS latitude, longitude::double AS longitude,
           coalesce(valid_from, '0001-01-01')::date AS valid_from, coalesce(valid_to, '9999-12-31')::date AS valid_to
    FROM read_csv($file, all_varchar = true, nullstr = '')
"""
SUCCESSORS: Final = """
    CREATE TABLE successor AS SELECT old_code, new_code, share::double AS share
    FROM read_csv($file, all_varchar = true, nullstr = '')
"""
READINGS: Final = """
    SELECT {bucket} AS bucket, device, series, count(*) AS n, avg(value) AS mean, min(value) AS minimum,
           max(value) AS maximum, stddev_samp(value) AS sd, quantile_cont(value, 0.5) AS p50,
           quantile_cont(value, 0.95) AS p95, least(1, count(*) * period / {width}) AS coverage,
           count(DISTINCT moment) FILTER (in_range) / count(*) AS good
    FROM reading JOIN site USING (device)
    WHERE moment >= '2020-01-01' AND moment < $seen AND came <= $seen
    GROUP BY bucket, device, series, period
"""
ZONES: Final = """
    SELECT {bucket} AS bucket, device, coalesce(sum(flowed), 0) AS count, avg(occupancy) AS occupancy,
           max(queue) AS queue, sum(pcu) AS pcu, count(*) * 60.0 / {width} AS coverage, avg(trusted::int) AS trusted
    FROM minute LEFT JOIN (SELECT device, moment, sum(count) AS flowed FROM flow GROUP BY ALL) USING (device, moment)
    WHERE moment < $seen AND came <= $seen GROUP BY 1, 2
"""
FLOWS: Final = """
    SELECT {bucket} AS bucket, device, class, direction, sum(count) AS count,
           sum(count) / sum(count / speed) AS speed_mps, sum(count * p85) / sum(count) AS speed_p85_mps
    FROM flow WHERE moment < $seen AND came <= $seen GROUP BY ALL
"""
# Each incident as it was last told by then. Somebody calls each seventh a false alarm, and acknowledges each third,
# at the end of the month.
INCIDENTS: Final = """
    WITH numbered AS (SELECT id, row_number() OVER (ORDER BY id) - 1 AS i FROM (SELECT DISTINCT id FROM told)),
    known AS (SELECT * FROM told WHERE came <= $seen AND started < $seen
              QUALIFY row_number() OVER (PARTITION BY id ORDER BY ended IS NOT NULL DESC) = 1)
    SELECT {bucket} AS bucket, device, kind, severity, count(*) AS n, count(ended) AS ended,
           count(*) FILTER ($acted AND i % 3 = 0) AS acknowledged,
           count(*) FILTER ($acted AND i % 7 = 0) AS false_alarms,
           median(epoch(ended) - epoch(started)) AS duration_s
    FROM known JOIN numbered USING (id) GROUP BY 1, 2, 3, 4
"""
ACTED: Final = """
    SELECT id, action FROM (SELECT id, row_number() OVER (ORDER BY id) - 1 AS i FROM (SELECT DISTINCT id FROM told))
    JOIN (VALUES ('acknowledge', 3), ('false_alarm', 7)) AS act (action, every) ON i % every = 0 ORDER BY id, every
"""
# The ward of each device, computed from the city's lists: named, nearest centroid, or by the shares of a divided ward.
PLACED: Final = """
    CREATE OR REPLACE TEMP TABLE placed AS
    WITH held AS (SELECT * FROM ward WHERE $day < valid_to AND $day >= valid_from),
    heir AS (
        SELECT s.device, s.latitude, s.longitude, n.new_code AS code, n.share
        FROM site s JOIN successor n ON n.old_code = s.ward WHERE s.named = 'old' AND $day >= '2025-07-01'
        UNION ALL
        SELECT s.device, s.latitude, s.longitude, n.old_code, n.share
        FROM site s JOIN successor n ON n.new_code = s.ward WHERE s.named = 'new' AND $day < '2025-07-01'),
    candidate AS (
        SELECT device, latitude, longitude, code FROM heir WHERE latitude IS NOT NULL
        UNION ALL SELECT device, s.latitude, s.longitude, code FROM site s, held WHERE s.named IS NULL),
    nearest AS (
        SELECT device, arg_min(w.code, (w.latitude - c.latitude) ** 2
                                       + ((w.longitude - c.longitude) * cos(radians(c.latitude))) ** 2) AS code
        FROM candidate c JOIN held w USING (code) GROUP BY device)
    SELECT device, ward AS code, 1.0 AS share FROM site
    WHERE named = CASE WHEN $day < '2025-07-01' THEN 'old' ELSE 'new' END
    UNION ALL SELECT device, code, 1.0 FROM nearest
    UNION ALL SELECT device, code, share / sum(share) OVER (PARTITION BY device) FROM heir WHERE latitude IS NULL
"""
WARD_TRAFFIC: Final = """
    WITH daily AS (SELECT {bucket} AS bucket, device, class, direction, sum(count) AS count,
                          sum(count) / sum(count / speed) AS speed FROM flow GROUP BY ALL)
    SELECT bucket, code, class, sum(count * share) AS count,
           sum(count * share) / sum(count * share / speed) AS speed_mps
    FROM daily JOIN placed USING (device) GROUP BY ALL
"""
WARD_AIR: Final = """
    SELECT {bucket} AS bucket, code, sum(share) AS n, sum(value * share) / sum(share) AS mean, min(value) AS minimum,
           max(value) AS maximum
    FROM reading JOIN placed USING (device) WHERE series = 'air/pm2_5' AND moment >= '2020-01-01' GROUP BY ALL
"""
COUNTS: Final = """
    SELECT (SELECT count(*) FROM reading WHERE moment >= '2020-01-01'),
           (SELECT count(*) FROM reading WHERE moment < '2020-01-01'),
           (SELECT count(DISTINCT id) FROM told), (SELECT count(*) FROM minute)
"""
CAME_LATE: Final = "SELECT count(*) FROM reading WHERE moment >= '2020-01-01' AND came > moment + INTERVAL 1 DAY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows that there must be."""

    readings: int
    misdated: int  # of a clock that was not set
    incidents: int
    minutes: int


def with_level(query: str, level: str, at: str = "moment") -> str:
    """Fill in the buckets of a level."""
    return query.format(bucket=BUCKET[level].format(at=at), width=WIDTHS[level])


def open_raw() -> duckdb.DuckDBPyConnection:
    """An empty database in memory, with the city's ward lists."""
    conn = duckdb.connect()
    conn.execute("SET TimeZone = 'UTC'")
    conn.execute("SET enable_progress_bar = false")
    conn.execute(SITES)
    conn.execute(WARDS, {"file": str(CITIES / CITY / "wards.csv")})
    conn.execute(SUCCESSORS, {"file": str(CITIES / CITY / "successors.csv")})
    return conn


def log_said(conn: duckdb.DuckDBPyConnection, said: Said) -> None:
    """Add what one device said."""
    _log_site(conn, said.site)
    logged: tuple[list[Any], ...] = (said.readings, said.minutes, said.flows, said.incidents)
    for (table, names), rows in zip(LOGGED.items(), logged, strict=True):
        if rows:
            columns = [_naive(column) for column in zip(*rows, strict=True)]
            conn.register("said", pa.table(dict(zip(names, columns, strict=True))))
            there = conn.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [table]).fetchone()
            conn.execute(f"INSERT INTO {table} FROM said" if there else f"CREATE TABLE {table} AS FROM said")
            conn.unregister("said")


def count(conn: duckdb.DuckDBPyConnection) -> Counts:
    """How many rows there must be."""
    readings, misdated, incidents, minutes = _row(conn, COUNTS)
    return Counts(readings=readings, misdated=misdated, incidents=incidents, minutes=minutes)


def came_late(conn: duckdb.DuckDBPyConnection) -> int:
    """How many readings came more than a day after they were measured."""
    (late,) = _row(conn, CAME_LATE)
    return late


def actions(conn: duckdb.DuckDBPyConnection) -> list[tuple[str, str]]:
    """What an operator makes of the incidents: their ids, and `acknowledge` or `false_alarm`."""
    return [(str(incident), str(action)) for incident, action in conn.execute(ACTED).fetchall()]


def _row(conn: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    row = conn.execute(query).fetchone()
    assert row is not None
    return tuple(int(number) for number in row)


def _log_site(conn: duckdb.DuckDBPyConnection, site: Site) -> None:
    named = None if site.ward is None else "new" if is_of_today(site.ward) else "old"
    where = (site.position.latitude, site.position.longitude) if site.position else (None, None)
    conn.execute("INSERT INTO site VALUES (?, ?, ?, ?, ?, ?)", [site.name, site.period_s, site.ward, named, *where])


def _naive(column: Iterable[Any]) -> list[Any]:
    return [value.astimezone(UTC).replace(tzinfo=None) if isinstance(value, datetime) else value for value in column]
