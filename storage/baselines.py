"""Hours of every measure, what was normal for them, and the runs of hours that were not."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

from storage.aggregates import Done
from storage.city import time_zone
from storage.level import DAY, HOUR

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('ngatu/computing/baseline'))"
# Only younger days are looked through by themselves: any other can be asked for.
DUE: Final = """
    WITH hour AS (
        SELECT bucket, max(computed_at) AS computed_at FROM reading_1h WHERE bucket >= %(since)s GROUP BY 1
        UNION ALL
        SELECT bucket, max(computed_at) FROM traffic_1h WHERE bucket >= %(since)s GROUP BY 1
    ), day AS (
        SELECT (bucket AT TIME ZONE %(zone)s)::date AS day, max(computed_at) AS computed_at FROM hour GROUP BY 1
    )
    SELECT day FROM day LEFT JOIN baseline_day b USING (day)
    WHERE b.computed_at IS NULL OR day.computed_at > b.computed_at ORDER BY day
"""
ENSURE: Final = """
    INSERT INTO measure (series_id, device_id, camera, zone, quantity)
    SELECT DISTINCT series_id, NULL::int, NULL, NULL, 'value' FROM reading_1h WHERE bucket >= %(lo)s AND bucket < %(hi)s
    UNION ALL
    SELECT NULL, device_id, camera, zone, quantity
    FROM (SELECT DISTINCT device_id, camera, zone FROM traffic_1h WHERE bucket >= %(lo)s AND bucket < %(hi)s) gate,
         (VALUES ('volume'), ('speed')) q (quantity)
    ON CONFLICT DO NOTHING
"""
MEASURES: Final = """
    SELECT m.id FROM measure m JOIN reading_1h a ON a.series_id = m.series_id
    WHERE a.bucket >= %(lo)s AND a.bucket < %(hi)s
    UNION
    SELECT m.id FROM measure m JOIN traffic_1h t USING (device_id, camera, zone)
    WHERE t.bucket >= %(lo)s AND t.bucket < %(hi)s ORDER BY 1
"""
# Hours of which at least half was observed and good. Volumes are of motor vehicles, speeds of at least five of them.
HOURS: Final = """
    SELECT m.id, a.bucket, a.bucket AT TIME ZONE %(zone)s, a.mean, false
    FROM measure m JOIN reading_1h a ON a.series_id = m.series_id
    WHERE m.id = ANY(%(ids)s) AND a.bucket >= %(lo)s AND a.bucket < %(hi)s
      AND coalesce(a.coverage, 1) >= 0.5 AND a.good >= 0.5
    UNION ALL
    SELECT m.id, g.bucket, g.bucket AT TIME ZONE %(zone)s,
           CASE m.quantity WHEN 'volume' THEN g.vehicles / g.coverage ELSE g.timed / g.pace END,
           m.quantity = 'volume'
    FROM measure m JOIN (
        SELECT bucket, device_id, camera, zone,
               max(coverage) FILTER (WHERE class = '') AS coverage, max(trusted) FILTER (WHERE class = '') AS trusted,
               coalesce(sum(count) FILTER (WHERE motor), 0)::float8 AS vehicles,
               sum(count) FILTER (WHERE motor AND speed_mps > 0)::float8 AS timed,
               sum(count / speed_mps) FILTER (WHERE motor AND speed_mps > 0) AS pace
        FROM traffic_1h, LATERAL (SELECT class NOT IN ('', 'person', 'bicycle') AS motor) c
        WHERE bucket >= %(lo)s AND bucket < %(hi)s GROUP BY 1, 2, 3, 4) g USING (device_id, camera, zone)
    WHERE m.id = ANY(%(ids)s) AND g.coverage >= 0.5 AND g.trusted >= 0.5 AND (m.quantity = 'volume' OR g.timed >= 5)
"""
STORE: Final = """
    WITH fresh AS (
        SELECT * FROM unnest(%(ids)s::int[], %(buckets)s::timestamptz[], %(values)s::float8[], %(expected)s::float8[],
                             %(spreads)s::float8[], %(scores)s::float8[])
                      AS f (measure_id, bucket, value, expected, spread, score)
    ), gone AS (
        DELETE FROM baseline b WHERE b.measure_id = ANY(%(measures)s) AND b.bucket >= %(lo)s AND b.bucket < %(hi)s
            AND NOT EXISTS (SELECT FROM fresh f WHERE (f.measure_id, f.bucket) = (b.measure_id, b.bucket)) RETURNING 1
    ), written AS (
        INSERT INTO baseline AS old (measure_id, bucket, value, expected, spread, score) SELECT * FROM fresh
        ON CONFLICT (measure_id, bucket) DO UPDATE SET
            value = excluded.value, expected = excluded.expected, spread = excluded.spread, score = excluded.score,
            computed_at = excluded.computed_at
        WHERE (old.value, old.expected, old.spread, old.score)
              IS DISTINCT FROM (excluded.value, excluded.expected, excluded.spread, excluded.score)
        RETURNING xmax = 0 AS new
    )
    SELECT count(*), (count(*) FILTER (WHERE NOT new)) + (SELECT count(*) FROM gone) FROM written
"""
# Runs of hours on one side. A run that touches the day from before or after is taken whole.
JOIN_RUNS: Final = """
    WITH span AS (
        SELECT m.id AS measure_id, least(%(lo)s, min(d.since)) AS lo, greatest(%(hi)s, max(d.until)) AS hi
        FROM unnest(%(measures)s::int[]) m (id)
        LEFT JOIN deviation d ON d.measure_id = m.id AND d.until >= %(lo)s AND d.since <= %(hi)s GROUP BY m.id
    ), odd AS (
        SELECT b.*, sign(b.score) AS side,
               row_number() OVER (PARTITION BY b.measure_id, sign(b.score) ORDER BY b.bucket) AS number
        FROM span JOIN baseline b ON b.measure_id = span.measure_id AND b.bucket >= span.lo AND b.bucket < span.hi
        WHERE abs(b.score) >= %(threshold)s
    ), run AS (
        SELECT DISTINCT ON (measure_id, side, bucket - number * interval '1 hour')
               measure_id, min(bucket) OVER run AS since, max(bucket) OVER run + interval '1 hour' AS until,
               bucket AS peak_at, value, expected, score, count(*) OVER run AS buckets
        FROM odd WINDOW run AS (PARTITION BY measure_id, side, bucket - number * interval '1 hour')
        ORDER BY measure_id, side, bucket - number * interval '1 hour', abs(score) DESC, bucket
    ), gone AS (
        DELETE FROM deviation d USING span
        WHERE d.measure_id = span.measure_id AND d.since >= span.lo AND d.since < span.hi
          AND NOT EXISTS (SELECT FROM run r WHERE (r.measure_id, r.since) = (d.measure_id, d.since)) RETURNING 1
    ), written AS (
        INSERT INTO deviation AS old (measure_id, since, until, peak_at, value, expected, score, buckets)
        SELECT * FROM run
        ON CONFLICT (measure_id, since) DO UPDATE SET
            until = excluded.until, peak_at = excluded.peak_at, value = excluded.value, expected = excluded.expected,
            score = excluded.score, buckets = excluded.buckets, computed_at = excluded.computed_at
        WHERE (old.until, old.peak_at, old.value, old.expected, old.score)
              IS DISTINCT FROM (excluded.until, excluded.peak_at, excluded.value, excluded.expected, excluded.score)
        RETURNING xmax = 0 AS new
    )
    SELECT count(*), (count(*) FILTER (WHERE NOT new)) + (SELECT count(*) FROM gone) FROM written
"""
COMPARED: Final = """
    INSERT INTO baseline_day (day, computed_at) VALUES (%s, %s)
    ON CONFLICT (day) DO UPDATE SET computed_at = excluded.computed_at
"""
LIST: Final = """
    SELECT v.measure_id, m.series_id, m.device, m.name, m.quantity, m.unit, v.since, v.until, v.peak_at, v.value,
           v.expected, v.score
    FROM deviation v JOIN measured m USING (measure_id)
    WHERE v.since >= %(since)s AND v.since < %(until)s AND abs(v.score) >= %(least)s
    ORDER BY v.since DESC, abs(v.score) DESC LIMIT %(limit)s
"""
BAND: Final = """
    SELECT b.bucket, b.value, b.expected, b.spread, b.score FROM baseline b JOIN measure m ON m.id = b.measure_id
    WHERE m.series_id = %s AND b.bucket >= %s AND b.bucket < %s ORDER BY b.bucket LIMIT %s
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hours:
    """Columns of the same length: hours of some measures."""

    measure_ids: Sequence[int]
    buckets: Sequence[datetime]
    local: Sequence[datetime]  # the same by the city's clock, naive
    values: Sequence[float]
    counted: Sequence[bool]  # whether the value is a count


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Columns of the same length: hours and what was expected of them."""

    measure_ids: Sequence[int]
    buckets: Sequence[datetime]
    values: Sequence[float]
    expected: Sequence[float]
    spreads: Sequence[float]
    scores: Sequence[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Deviation:
    """A run of hours that was far from normal; value, expected and score are its farthest hour's."""

    measure_id: int
    series_id: int | None
    device: str
    name: str
    quantity: str
    unit: str | None
    since: datetime
    until: datetime
    peak_at: datetime
    value: float
    expected: float
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Normal:
    """One hour of a series beside what was expected."""

    bucket: datetime
    value: float
    expected: float
    spread: float
    score: float


def due_days(conn: Connection[Any], *, now: datetime, lookback: timedelta) -> list[date]:
    """The city's days whose hours are younger than their last comparison, of those since `now - lookback`."""
    rows = conn.execute(DUE, {"since": now - lookback, "zone": time_zone(conn).key}).fetchall()
    return [day for (day,) in rows]


def bounds_of(conn: Connection[Any], day: date) -> tuple[datetime, datetime]:
    """When a day of the city begins and ends."""
    zone = time_zone(conn)
    noon = datetime(day.year, day.month, day.day, 12, tzinfo=zone)
    return DAY.floor(noon, zone), DAY.ceil(noon, zone)


def begin(conn: Connection[Any]) -> datetime:
    """Wait for any other comparison to end; return the time. The caller owns the transaction."""
    conn.execute(LOCK)
    at: datetime = conn.execute("SELECT clock_timestamp()").fetchall()[0][0]
    return at


def measures_between(conn: Connection[Any], lo: datetime, hi: datetime) -> list[int]:
    """The measures that have hours in [lo, hi); those never seen before are made known."""
    conn.execute(ENSURE, {"lo": lo, "hi": hi})
    return [measure for (measure,) in conn.execute(MEASURES, {"lo": lo, "hi": hi})]


def hours_between(conn: Connection[Any], measures: Sequence[int], lo: datetime, hi: datetime) -> Hours:
    """The hours of some measures that were observed and good."""
    parameters = {"ids": list(measures), "lo": lo, "hi": hi, "zone": time_zone(conn).key}
    rows = conn.execute(HOURS, parameters, prepare=False).fetchall()
    ids, buckets, local, values, counted = zip(*rows, strict=True) if rows else ((), (), (), (), ())
    return Hours(measure_ids=ids, buckets=buckets, local=local, values=values, counted=counted)


def store_scored(
    conn: Connection[Any], measures: Sequence[int], lo: datetime, hi: datetime, scored: Scored, threshold: float
) -> Done:
    """Make [lo, hi) of these measures say exactly `scored`, and deviations follow. The caller owns the transaction."""
    parameters = {
        "measures": list(measures), "lo": lo, "hi": hi, "threshold": threshold, "ids": list(scored.measure_ids),
        "buckets": list(scored.buckets), "values": list(scored.values), "expected": list(scored.expected),
        "spreads": list(scored.spreads), "scores": list(scored.scores),
    }  # fmt: skip
    done = Done()
    for statement in (STORE, JOIN_RUNS):
        row = conn.execute(statement, parameters, prepare=False).fetchone()
        assert row is not None
        done += Done(written=row[0], changed=row[1])
    return done


def record_compared(conn: Connection[Any], day: date, at: datetime) -> None:
    """Say that all hours of `day` computed before `at` have been compared."""
    conn.execute(COMPARED, (day, at))


def list_deviations(
    conn: Connection[Any], since: datetime, until: datetime, *, least: float = 0, limit: int = 200
) -> list[Deviation]:
    """Deviations that began in [since, until) and are at least so far off, the latest first."""
    parameters = {"since": since, "until": until, "least": least, "limit": limit}
    with conn.cursor(row_factory=class_row(Deviation)) as cursor:
        return cursor.execute(LIST, parameters).fetchall()


def normal_of(conn: Connection[Any], series: int, since: datetime, until: datetime, limit: int) -> list[Normal]:
    """A series' hours beside what was normal."""
    with conn.cursor(row_factory=class_row(Normal)) as cursor:
        return cursor.execute(BAND, (series, HOUR.floor(since, time_zone(conn)), until, limit)).fetchall()
