"""The city's five words, measured: correct, complete, clean, alive (đúng, đủ, sạch, sống), each device, each day.

The fifth, shared (dùng chung), is what `publication` says. A device whose words are below the city's thresholds is not
well: its reasons are told in words, worst first, and its day is not published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.rows import dict_row

from storage.aggregates import Done
from storage.city import city_value, time_zone
from storage.level import DAY

THRESHOLDS: Final[dict[str, float]] = {
    "correct": 0.95, "complete": 0.9, "clean": 0.99, "alive_s": 600.0, "shared_days": 2.0,
}  # fmt: skip

# Bits of reading.quality: 1 out of range, 16 rate of change, 32 stuck make a value wrong; 64 duplicate time and 128
# another unit make it unclean.
MEASURE: Final = """
    WITH value AS (
        SELECT s.device_id, count(*) AS n, count(*) FILTER (WHERE r.quality & 49 = 0) AS correct,
               count(*) FILTER (WHERE r.quality & 192 = 0 AND s.declared) AS clean, max(r.at) AS latest,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM r.received - r.at)::float8) AS delay_s
        FROM any_reading r JOIN series s ON s.id = r.series_id WHERE r.at >= %(lo)s AND r.at < %(hi)s GROUP BY 1
    ), misdated AS (
        SELECT s.device_id, count(*) AS n FROM misdated_reading r JOIN series s ON s.id = r.series_id
        WHERE r.received >= %(lo)s AND r.received < %(hi)s GROUP BY 1
    ), counted AS (
        SELECT device_id, count(DISTINCT (camera, zone, at)) AS n, max(at) + interval '1 minute' AS latest,
               sum(seconds::float8) AS seconds, sum(seconds::float8) FILTER (WHERE trusted) AS trusted
        FROM traffic WHERE at >= %(lo)s AND at < %(hi)s GROUP BY 1
    ), due AS (
        SELECT s.device_id, s.name,
               coalesce((SELECT coverage FROM reading_1d a WHERE a.series_id = s.id AND a.bucket = %(lo)s), 0) / f.part
                   AS share
        FROM series s, LATERAL (SELECT extract(epoch FROM %(hi)s - greatest(s.first_seen, %(lo)s))::float8
                                       / extract(epoch FROM %(hi)s - %(lo)s)::float8 AS part) f
        WHERE s.declared AND s.period_s > 0 AND s.first_seen < %(hi)s AND f.part > 0
        UNION ALL
        SELECT device_id, camera || '/' || zone, coverage FROM traffic_1d
        WHERE bucket = %(lo)s AND class = '' AND direction = ''
    ), complete AS (
        SELECT device_id, avg(least(1, share)) AS complete,
               (array_agg(format('%%s %%s%%%%', name, round(100 * least(1, share)::numeric)) ORDER BY share, name)
                    FILTER (WHERE share < 0.999))[1:3] AS least
        FROM due GROUP BY 1
    ), bad AS (
        SELECT device, count(*) AS n FROM rejected WHERE received >= %(lo)s AND received < %(hi)s GROUP BY 1
    ), lost AS (
        SELECT device, coalesce(sum(messages) FILTER (WHERE NOT explained), 0) AS missing,
               coalesce(sum(messages) FILTER (WHERE explained), 0) AS explained
        FROM gap WHERE since >= %(lo)s AND since < %(hi)s GROUP BY 1
    )
    SELECT d.id AS device_id, coalesce(v.n, 0) + coalesce(c.n, 0) AS n, coalesce(m.n, 0) AS misdated,
           coalesce(v.n, 0) - coalesce(v.correct, 0) AS wrong, coalesce(v.n, 0) - coalesce(v.clean, 0) AS unclean,
           coalesce(b.n, 0) AS rejected, d.about IS NOT NULL AS declares,
           CASE WHEN coalesce(v.n, 0) + coalesce(m.n, 0) > 0
               THEN v.correct::float8 / (v.n + coalesce(m.n, 0)) END AS correct_values,
           coalesce(c.trusted, 0) / c.seconds AS trusted, p.complete, p.least,
           CASE WHEN coalesce(v.n, 0) + coalesce(c.n, 0) + coalesce(b.n, 0) > 0
               THEN (coalesce(v.clean, 0) + coalesce(c.n, 0))::float8
                    / (coalesce(v.n, 0) + coalesce(c.n, 0) + coalesce(b.n, 0)) END AS clean,
           extract(epoch FROM %(hi)s - greatest(v.latest, c.latest))::float8 AS alive_s, v.delay_s,
           coalesce(l.missing, 0)::bigint AS missing, coalesce(l.explained, 0)::bigint AS explained
    FROM device d
    LEFT JOIN value v ON v.device_id = d.id LEFT JOIN misdated m ON m.device_id = d.id
    LEFT JOIN counted c ON c.device_id = d.id LEFT JOIN complete p ON p.device_id = d.id
    LEFT JOIN bad b ON b.device = d.name LEFT JOIN lost l ON l.device = d.name
    WHERE d.first_seen < %(hi)s
"""
STORE: Final = """
    INSERT INTO quality_1d AS old (day, device_id, correct, complete, clean, alive_s, delay_s, n, missing, explained,
                                   well, score, reasons)
    VALUES (%(day)s, %(device_id)s, %(correct)s, %(complete)s, %(clean)s, %(alive_s)s, %(delay_s)s, %(n)s, %(missing)s,
            %(explained)s, %(well)s, %(score)s, %(reasons)s)
    ON CONFLICT (day, device_id) DO UPDATE SET
        correct = excluded.correct, complete = excluded.complete, clean = excluded.clean, alive_s = excluded.alive_s,
        delay_s = excluded.delay_s, n = excluded.n, missing = excluded.missing, explained = excluded.explained,
        well = excluded.well, score = excluded.score, reasons = excluded.reasons, computed_at = excluded.computed_at,
        revision = old.revision + 1
    WHERE (old.correct, old.complete, old.clean, old.alive_s, old.delay_s, old.n, old.missing, old.explained, old.well,
           old.reasons) IS DISTINCT FROM
          (excluded.correct, excluded.complete, excluded.clean, excluded.alive_s, excluded.delay_s, excluded.n,
           excluded.missing, excluded.explained, excluded.well, excluded.reasons)
    RETURNING revision
"""
# Days that are closed and have no score, or whose aggregates were computed after it, as far as raw rows are kept.
DUE: Final = """
    SELECT bucket FROM (
        SELECT bucket, max(computed_at) AS computed_at FROM (
            SELECT bucket, computed_at FROM reading_1d WHERE NOT frozen
            UNION ALL SELECT bucket, computed_at FROM traffic_1d WHERE NOT frozen) a GROUP BY bucket) a
    WHERE NOT EXISTS (SELECT FROM quality_1d q WHERE q.day = (a.bucket AT TIME ZONE %(zone)s)::date
                      AND q.computed_at >= a.computed_at)
    ORDER BY bucket
"""
WORST: Final = """
    SELECT d.name, q.correct, q.complete, q.clean, q.alive_s, q.delay_s, q.missing, q.well, q.reasons
    FROM quality_1d q JOIN device d ON d.id = q.device_id WHERE q.day = %s ORDER BY q.score, d.name
"""
LATEST: Final = "SELECT max(day) FROM quality_1d"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDay:
    """One device's words of one day; None: nothing to measure it by."""

    device: str
    correct: float | None
    complete: float | None
    clean: float | None
    alive_s: float | None
    delay_s: float | None
    missing: int
    well: bool
    reasons: list[str]


def score_due_days(conn: Connection[Any]) -> Done:
    """Score each closed day that has no score yet, or whose aggregates have changed since. Safe to repeat."""
    city = time_zone(conn)
    done = Done()
    for (bucket,) in conn.execute(DUE, {"zone": city.key}).fetchall():
        done += score_day(conn, bucket.astimezone(city).date())
    return done


def score_day(conn: Connection[Any], day: date) -> Done:
    """Measure every device on `day`; return values read, scores written, and how many of those changed."""
    city = time_zone(conn)
    lo, hi = _span(day, city)
    thresholds = THRESHOLDS | (city_value(conn, "thresholds") or {})
    done = Done()
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('ngatu/computing/quality'))")
        with conn.cursor(row_factory=dict_row) as cursor:
            measured = cursor.execute(MEASURE, {"lo": lo, "hi": hi}, prepare=False).fetchall()
        for row in measured:
            scored = conn.execute(STORE, {"day": day, **judged(row, thresholds)}).fetchone()
            done += Done(read=row["n"], written=int(scored is not None), changed=int(bool(scored and scored[0] > 1)))
        conn.execute("UPDATE quality_1d SET computed_at = now() WHERE day = %s", (day,))
    return done


def worst_first(conn: Connection[Any], day: date | None = None) -> tuple[date | None, list[DeviceDay]]:
    """The devices of a day (the latest scored by default), those least well first."""
    if day is None:
        day = conn.execute(LATEST).fetchall()[0][0]
    rows = conn.execute(WORST, (day,)).fetchall() if day else []
    return day, [DeviceDay(**dict(zip(DeviceDay.__slots__, row, strict=True))) for row in rows]


def judged(row: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Words, score and reasons of one measured device."""
    parts = [part for part in (row["correct_values"], row["trusted"]) if part is not None]
    words = {"correct": min(parts) if parts else None, "complete": row["complete"], "clean": row["clean"]}
    ratios = {word: value / thresholds[word] for word, value in words.items() if value is not None}
    if row["alive_s"] is None:
        ratios["alive"] = 0.0
    else:
        ratios["alive"] = thresholds["alive_s"] / max(row["alive_s"], thresholds["alive_s"])
    below = sorted((ratio, word) for word, ratio in ratios.items() if ratio < 1)
    return {
        **words, "score": min(1.0, *ratios.values()), "well": not below,
        "reasons": [_reason(word, words.get(word), row, thresholds) for _, word in below],
        **{key: row[key] for key in ("device_id", "alive_s", "delay_s", "n", "missing", "explained")},
    }  # fmt: skip


def _reason(word: str, value: float | None, row: Mapping[str, Any], thresholds: Mapping[str, float]) -> str:
    if word == "alive":
        if row["alive_s"] is None:
            return "alive: nothing came that day"
        return f"alive: silent for the day's last {row['alive_s']:.0f} s, allowed are {thresholds['alive_s']:.0f}"
    told = f"{word}: {value:.1%} of at least {thresholds[word]:.0%}"
    if word == "complete":
        lost = f"; {row['missing']} messages missing" if row["missing"] else ""
        given_up = f"; {row['explained']} given up by the device" if row["explained"] else ""
        return f"{told}; least: {', '.join(row['least'] or ['-'])}{lost}{given_up}"
    if word == "clean":
        undeclared = "" if row["declares"] else "; the device has not described itself"
        return (
            f"{told}; {row['unclean']} undeclared or double values, {row['rejected']} messages unreadable{undeclared}"
        )
    unwell = f", camera trusted {row['trusted']:.0%} of the time" if row["trusted"] is not None else ""
    return f"{told}; {row['wrong']} values out of range or stuck, {row['misdated']} with an impossible time{unwell}"


def _span(day: date, city: ZoneInfo) -> tuple[datetime, datetime]:
    lo = datetime(day.year, day.month, day.day, tzinfo=city).astimezone(UTC)
    return lo, DAY.ceil(lo + timedelta(hours=1), city)
