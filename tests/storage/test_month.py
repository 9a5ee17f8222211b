"""A month that was loaded, broken, late and corrected gives the answers of a plain DuckDB over what was generated."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from math import isclose
from typing import Any

import duckdb
import psycopg
import pyarrow as pa
import pytest

from ngatu.city import CITIES
from storage.ward_series import readings_by_ward, traffic_by_ward
from tests.storage.month import BEGIN, END, MIDDLE, SITES
from tests.storage.month_run import Month

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]

WIDTHS = {"15m": 900, "1h": 3600, "1d": 86_400}
BEFORE, SINCE = date(2025, 6, 30), date(2025, 7, 1)
Rows = dict[tuple[Any, ...], tuple[Any, ...]]

LOGGED = {
    "reading": ("device", "series", "moment", "value", "in_range", "late"),
    "minute": ("device", "moment", "occupancy", "queue", "pcu", "trusted", "late"),
    "flow": ("device", "moment", "class", "direction", "count", "speed", "p85", "late"),
    "incident": ("id", "device", "kind", "severity", "started", "ended"),
}
# A bucket's begin, in naive UTC: Hanoi's days begin seven hours before those of UTC.
BUCKET = {
    "15m": "time_bucket(INTERVAL 15 MINUTE, moment)",
    "1h": "time_bucket(INTERVAL 1 HOUR, moment)",
    "1d": "date_trunc('day', moment + INTERVAL 7 HOUR) - INTERVAL 7 HOUR",
}
READINGS = """
    SELECT {bucket} AS bucket, device, series, count(*) AS n, avg(value), min(value), max(value), stddev_samp(value),
           quantile_cont(value, 0.5), quantile_cont(value, 0.95), least(1, count(*) * period / {width}),
           count(DISTINCT moment) FILTER (in_range) / count(*)
    FROM reading JOIN site USING (device) WHERE moment >= '2020-01-01' AND {only}
    GROUP BY bucket, device, series, period
"""
ZONES = """
    SELECT {bucket} AS bucket, device, '' AS class, '' AS direction, coalesce(sum(flowed), 0), avg(occupancy),
           max(queue), sum(pcu), count(*) * 60.0 / {width}, avg(trusted::int)
    FROM minute LEFT JOIN (SELECT device, moment, sum(count) AS flowed FROM flow GROUP BY ALL) USING (device, moment)
    WHERE {only} GROUP BY ALL
"""
FLOWS = """
    SELECT {bucket} AS bucket, device, class, direction, sum(count), sum(count) / sum(count / speed),
           sum(count * p85) / sum(count)
    FROM flow WHERE {only} GROUP BY ALL
"""
# The ward of each device, computed from the city's lists: named, nearest centroid, or by the shares of a divided ward.
PLACED = """
    WITH held AS (SELECT * FROM ward WHERE $1 < valid_to AND $1 >= valid_from),
    heir AS (
        SELECT s.device, s.latitude, s.longitude, n.new_code AS code, n.share
        FROM site s JOIN successor n ON n.old_code = s.ward WHERE s.named = 'old' AND $1 >= '2025-07-01'
        UNION ALL
        SELECT s.device, s.latitude, s.longitude, n.old_code, n.share
        FROM site s JOIN successor n ON n.new_code = s.ward WHERE s.named = 'new' AND $1 < '2025-07-01'),
    candidate AS (
        SELECT device, latitude, longitude, code FROM heir WHERE latitude IS NOT NULL
        UNION ALL SELECT device, s.latitude, s.longitude, code FROM site s, held WHERE s.named IS NULL),
    nearest AS (
        SELECT device, arg_min(w.code, (w.latitude - c.latitude) ** 2
                                       + ((w.longitude - c.longitude) * cos(radians(c.latitude))) ** 2) AS code
        FROM candidate c JOIN held w USING (code) GROUP BY device)
    SELECT device, ward AS code, 1.0 AS share FROM site
    WHERE named = CASE WHEN $1 < '2025-07-01' THEN 'old' ELSE 'new' END
    UNION ALL SELECT device, code, 1.0 FROM nearest
    UNION ALL SELECT device, code, share / sum(share) OVER (PARTITION BY device) FROM heir WHERE latitude IS NULL
"""


@pytest.fixture(scope="module")
def raw(month: Month) -> Iterator[duckdb.DuckDBPyConnection]:
    """What was generated, in tables of DuckDB; nothing of ours has touched it."""
    with duckdb.connect() as conn:
        conn.execute("SET TimeZone = 'UTC'")
        log = month.log
        logged: tuple[list[Any], ...] = (log.readings, log.minutes, log.flows, log.incidents)
        for (table, names), rows in zip(LOGGED.items(), logged, strict=True):
            columns = [
                [v.astimezone(UTC).replace(tzinfo=None) if isinstance(v, datetime) else v for v in column]
                for column in zip(*rows, strict=True)
            ]
            conn.register("told", pa.table(dict(zip(names, columns, strict=True))))
            conn.execute(f"CREATE TABLE {table} AS SELECT * FROM told")
        conn.execute(
            "CREATE TABLE site (device text, period double, ward text, named text, latitude double, longitude double)"
        )
        for site in SITES:
            named = {None: None, "00115": "old"}.get(site.ward, "new")
            where = (site.position.latitude, site.position.longitude) if site.position else (None, None)
            conn.execute(
                "INSERT INTO site VALUES (?, ?, ?, ?, ?, ?)", [site.name, site.period_s, site.ward, named, *where]
            )
        lists = CITIES / "hanoi"
        text = "all_varchar = true, nullstr = ''"
        conn.execute(
            "CREATE TABLE ward AS SELECT code, latitude::double AS latitude, longitude::double AS longitude,"
            " coalesce(valid_from, '0001-01-01')::date AS valid_from,"
            " coalesce(valid_to, '9999-12-31')::date AS valid_to"
            f" FROM read_csv('{lists / 'wards.csv'}', {text})"
        )
        conn.execute(
            "CREATE TABLE successor AS SELECT old_code, new_code, share::double AS share"
            f" FROM read_csv('{lists / 'successors.csv'}', {text})"
        )
        yield conn


@pytest.fixture(scope="module")
def conn(month: Month) -> Iterator[psycopg.Connection]:
    with psycopg.connect(month.dsn, autocommit=True) as found:
        found.execute("SET TimeZone = 'UTC'")
        yield found


def by(keys: int, rows: list[tuple[Any, ...]]) -> Rows:
    """Rows by their first columns; times without a zone, in UTC."""
    return {
        tuple(
            v.astimezone(UTC).replace(tzinfo=None) if isinstance(v, datetime) and v.tzinfo else v for v in row[:keys]
        ): row[keys:]
        for row in rows
    }


def close(ours: float | None, plain: float | None) -> bool:
    return ours is plain or (
        ours is not None and plain is not None and isclose(ours, plain, rel_tol=2e-6, abs_tol=1e-9)
    )


def same(ours: Rows, plain: Rows) -> None:
    """The same keys, and of each the same numbers, but for the last digits (traffic's are stored as float4)."""
    assert ours.keys() == plain.keys()
    assert ours
    wrong = [(key, found, plain[key]) for key, found in ours.items() if not all(map(close, found, plain[key]))]
    assert wrong == []


def test_all_that_was_killed_had_been_at_work(month: Month) -> None:
    assert month.killed == {"aggregates": -9, "late": -9}


def test_everything_is_stored_once(month: Month, conn: psycopg.Connection) -> None:
    counts = conn.execute(
        "SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM misdated_reading),"
        " (SELECT count(*) FROM incident), (SELECT count(DISTINCT (device_id, at)) FROM traffic),"
        " (SELECT count(*) FROM rejected)"
    ).fetchone()
    unset = sum(at.year < 2020 for _, _, at, *_ in month.log.readings)
    assert unset > 0
    assert counts == (len(month.log.readings) - unset, unset, len(month.log.incidents), len(month.log.minutes), 0)
    assert conn.execute("SELECT device, kind, first, last, reason FROM gap").fetchall() == []


READ = """
    SELECT a.bucket, d.name, s.name, a.n::bigint, a.mean, a.minimum, a.maximum, a.sd, a.p50, a.p95, a.coverage::float8,
           a.good::float8
    FROM {table} a JOIN series s ON s.id = a.series_id JOIN device d ON d.id = s.device_id WHERE a.n > 0
"""


@pytest.mark.parametrize("level", WIDTHS)
def test_readings_are_those_of_plain_duckdb(
    conn: psycopg.Connection, raw: duckdb.DuckDBPyConnection, level: str
) -> None:
    plain = raw.execute(READINGS.format(bucket=BUCKET[level], width=WIDTHS[level], only="true")).fetchall()
    same(by(3, conn.execute(READ.format(table=f"reading_{level}").encode()).fetchall()), by(3, plain))


def test_planners_then_saw_what_had_come_by_then(
    month: Month, conn: psycopg.Connection, raw: duckdb.DuckDBPyConnection
) -> None:
    only = f"NOT late AND moment < '{MIDDLE:%Y-%m-%d %H:%M}'"
    plain = raw.execute(READINGS.format(bucket=BUCKET["1h"], width=3600, only=only)).fetchall()
    ours = conn.execute(READ.format(table="reading_1h_as_of(%s)").encode(), (month.seen,)).fetchall()
    same(by(3, ours), by(3, plain))
    now = conn.execute(READ.format(table="reading_1h").encode()).fetchall()
    assert by(3, now) != by(3, ours)


@pytest.mark.parametrize("level", WIDTHS)
def test_traffic_is_that_of_plain_duckdb(conn: psycopg.Connection, raw: duckdb.DuckDBPyConnection, level: str) -> None:
    zones = conn.execute(
        f"SELECT a.bucket, d.name, class, direction, count::float8, occupancy, queue::float8, pcu, coverage::float8,"
        f" trusted::float8 FROM traffic_{level} a JOIN device d ON d.id = a.device_id WHERE class = ''".encode()
    ).fetchall()
    plain = raw.execute(ZONES.format(bucket=BUCKET[level], width=WIDTHS[level], only="true")).fetchall()
    same(by(4, zones), by(4, plain))
    flows = conn.execute(
        f"SELECT a.bucket, d.name, class, direction, count::float8, speed_mps, speed_p85_mps"
        f" FROM traffic_{level} a JOIN device d ON d.id = a.device_id WHERE class <> ''".encode()
    ).fetchall()
    same(by(4, flows), by(4, raw.execute(FLOWS.format(bucket=BUCKET[level], only="true")).fetchall()))


def test_incidents_of_each_day_are_counted_as_duckdb_counts_them(
    conn: psycopg.Connection, raw: duckdb.DuckDBPyConnection
) -> None:
    ours = conn.execute(
        "SELECT bucket, d.name, kind, severity, n::bigint, ended::bigint, acknowledged::bigint, false_alarms::bigint,"
        " duration_s FROM incident_1d a JOIN device d ON d.id = a.device_id WHERE n > 0"
    ).fetchall()
    plain = raw.execute(
        """
        WITH known AS (SELECT *, row_number() OVER (ORDER BY id) - 1 AS i FROM incident)
        SELECT date_trunc('day', started + INTERVAL 7 HOUR) - INTERVAL 7 HOUR AS bucket, device, kind, severity,
               count(*), count(ended), count(*) FILTER (i % 3 = 0), count(*) FILTER (i % 7 = 0),
               median(epoch(ended) - epoch(started))
        FROM known GROUP BY ALL"""
    ).fetchall()
    same(by(4, ours), by(4, plain))


@pytest.mark.parametrize("wards_of", [BEFORE, SINCE])
def test_wards_of_before_and_since_july_2025_are_those_of_plain_duckdb(
    conn: psycopg.Connection, raw: duckdb.DuckDBPyConnection, wards_of: date
) -> None:
    raw.execute(f"CREATE OR REPLACE TABLE placed AS {PLACED.replace('$1', f'DATE {wards_of.isoformat()!r}')}")
    day = BUCKET["1d"]
    traffic = traffic_by_ward(conn, "1d", BEGIN, END, wards_of=wards_of)
    ours = [(row.bucket, row.code, row.klass, row.count, row.speed_mps) for row in traffic if row.klass]
    plain = raw.execute(
        f"""
        WITH daily AS (SELECT {day} AS bucket, device, class, direction, sum(count) AS count,
                              sum(count) / sum(count / speed) AS speed FROM flow GROUP BY ALL)
        SELECT bucket, code, class, sum(count * share), sum(count * share) / sum(count * share / speed)
        FROM daily JOIN placed USING (device) GROUP BY ALL"""
    ).fetchall()
    same(by(3, ours), by(3, plain))
    air = readings_by_ward(conn, "1d", BEGIN, END, series="air/pm2_5", wards_of=wards_of)
    plain = raw.execute(
        f"""
        SELECT {day} AS bucket, code, sum(share), sum(value * share) / sum(share), min(value), max(value)
        FROM reading JOIN placed USING (device) WHERE series = 'air/pm2_5' GROUP BY ALL"""
    ).fetchall()
    same(by(2, [(r.bucket, r.code, r.n, r.mean, r.minimum, r.maximum) for r in air]), by(2, plain))


def test_what_is_published_is_what_duckdb_computes_and_corrected_days_have_a_second_issue(
    month: Month, raw: duckdb.DuckDBPyConnection
) -> None:
    days = sorted(path.name for path in month.folder.glob("????-??-??"))
    assert (len(days), days[0], days[-1]) == (30, "2025-06-15", "2025-07-14")
    issues = {day: sorted(path.name for path in (month.folder / day).iterdir()) for day in days}
    late = {
        day
        for (day,) in raw.execute(
            "SELECT DISTINCT (moment + INTERVAL 7 HOUR)::date::text FROM reading WHERE late"
        ).fetchall()
    }
    assert late <= {day for day, found in issues.items() if found == ["r1", "r2"]}
    plain = by(3, raw.execute(READINGS.format(bucket=BUCKET["1h"], width=3600, only="true")).fetchall())
    published = [
        row
        for day, found in issues.items()
        for path in [month.folder / day / found[-1] / "readings.csv"]
        if path.is_file()
        for row in raw.execute(
            "SELECT bucket::timestamp, device, series, n, mean, minimum, maximum, p50, p95, coverage, good"
            f" FROM read_csv('{path}', types = {{'bucket': 'TIMESTAMPTZ'}})"
        ).fetchall()
    ]
    ours = by(3, published)
    same(ours, {key: (*values[:4], *values[5:]) for key, values in plain.items() if key in ours})
    assert len({device for _, device, _ in ours}) >= 3
