"""The city's five words, measured: correct, complete, clean, alive (đúng, đủ, sạch, sống), each device, each day.

The fifth, shared (dùng chung), follows from what is published: `storage.quality_cards` has all five. A device whose
words are below the city's thresholds is not well: its reasons are told in words, worst first, and its day is not
published.
"""

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import Connection, sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from storage.aggregates import SORT_IN_MEMORY, Done
from storage.city import city_value, time_zone
from storage.late import BIG_DRAIN, late_backlog
from storage.level import DAY
from storage.quality_words import in_english
from storage.reading_tables import of_both

THRESHOLDS: Final[dict[str, float]] = {
    "correct": 0.95, "complete": 0.9, "clean": 0.99, "calibrated": 0.0, "alive_s": 600.0, "shared_days": 2.0,
    "dataset": 0.5,
}  # fmt: skip

# Bits of reading.quality: 1 out of range, 16 rate of change, 32 stuck make a value wrong; 64 duplicate time and 128
# another unit make it unclean, and so does a time that its series has already, flagged or not. Values are due from when
# their series was first seen; on days before that, which somebody loaded later, all day long where the device has any.
MEASURE: Final = sql.SQL("""
    WITH line AS (
        SELECT series_id, count(*) AS n, count(*) FILTER (WHERE quality & 49 = 0) AS correct,
               least(count(*) FILTER (WHERE quality & 192 = 0),
                     count(DISTINCT at) FILTER (WHERE quality & 128 = 0)) AS clean,
               max(at) AS latest,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM received - at)::float8) AS delay_s
        FROM ({both}) r GROUP BY 1
    ), value AS (
        SELECT s.device_id, sum(l.n)::bigint AS n, sum(l.correct)::bigint AS correct,
               coalesce(sum(l.clean) FILTER (WHERE s.declared), 0)::bigint AS clean, max(l.latest) AS latest,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY l.delay_s) AS delay_s
        FROM line l JOIN series s ON s.id = l.series_id GROUP BY 1
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
        FROM series s LEFT JOIN value v ON v.device_id = s.device_id,
             LATERAL (SELECT CASE WHEN s.first_seen < %(hi)s
                                  THEN extract(epoch FROM %(hi)s - greatest(s.first_seen, %(lo)s))::float8
                                       / extract(epoch FROM %(hi)s - %(lo)s)::float8
                                  WHEN v.n > 0 THEN 1 END AS part) f
        WHERE s.declared AND s.period_s > 0 AND f.part > 0
        UNION ALL
        SELECT device_id, camera || '/' || zone, coverage FROM traffic_1d
        WHERE bucket = %(lo)s AND class = '' AND direction = ''
    ), complete AS (
        SELECT device_id, avg(least(1, share)) AS complete,
               to_jsonb((array_agg(jsonb_build_array(name, round(least(1, share)::numeric, 4)) ORDER BY share, name)
                         FILTER (WHERE share < 0.999))[1:3]) AS least
        FROM due GROUP BY 1
    ), eye AS (
        SELECT d.id AS device_id, avg(coalesce((c ->> 'calibrated')::boolean, false)::int)::float8 AS calibrated
        FROM device d, jsonb_array_elements(d.about -> 'cameras') c GROUP BY 1
    ), pace AS (
        SELECT device_id, min(period_s) AS period_s FROM series WHERE declared AND period_s > 0 GROUP BY 1
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
           coalesce(c.trusted, 0) / c.seconds AS trusted, e.calibrated, p.complete, p.least,
           CASE WHEN coalesce(v.n, 0) + coalesce(c.n, 0) + coalesce(b.n, 0) > 0
               THEN (coalesce(v.clean, 0) + coalesce(c.n, 0))::float8
                    / (coalesce(v.n, 0) + coalesce(c.n, 0) + coalesce(b.n, 0)) END AS clean,
           extract(epoch FROM %(hi)s - greatest(v.latest, c.latest))::float8 AS alive_s, v.delay_s,
           pace.period_s,
           coalesce(l.missing, 0)::bigint AS missing, coalesce(l.explained, 0)::bigint AS explained
    FROM device d
    LEFT JOIN value v ON v.device_id = d.id LEFT JOIN misdated m ON m.device_id = d.id
    LEFT JOIN counted c ON c.device_id = d.id LEFT JOIN complete p ON p.device_id = d.id
    LEFT JOIN eye e ON e.device_id = d.id LEFT JOIN pace ON pace.device_id = d.id
    LEFT JOIN bad b ON b.device = d.name LEFT JOIN lost l ON l.device = d.name
    WHERE d.first_seen < %(hi)s OR v.n > 0 OR c.n > 0
""").format(
    both=of_both("SELECT at, received, value, series_id, quality FROM {table} WHERE at >= %(lo)s AND at < %(hi)s")
)
PERIODS: Final = 1.5  # of its quickest series, for which a device may be silent where that is longer than `alive_s`
DIGITS: Final = 9  # of a share: sums in another order, of another plan, are no other score
KEPT: Final = (
    "correct", "complete", "clean", "calibrated", "alive_s", "alive_limit_s", "delay_s", "n", "missing", "explained",
    "well", "reasons", "why",
)  # fmt: skip
STORE: Final = sql.SQL("""
    INSERT INTO quality_1d AS old (day, device_id, score, {columns})
    VALUES (%(day)s, %(device_id)s, %(score)s, {values})
    ON CONFLICT (day, device_id) DO UPDATE SET ({columns}) = ROW ({new}), score = excluded.score,
        computed_at = excluded.computed_at, revision = old.revision + 1
    WHERE ({old}) IS DISTINCT FROM ({new})
    RETURNING revision
""").format(
    columns=sql.SQL(", ").join(map(sql.Identifier, KEPT)),
    values=sql.SQL(", ").join(map(sql.Placeholder, KEPT)),
    new=sql.SQL(", ").join(sql.Identifier("excluded", name) for name in KEPT),
    old=sql.SQL(", ").join(sql.Identifier("old", name) for name in KEPT),
)
FACTS: Final[dict[str, tuple[str, ...]]] = {
    "correct": ("wrong", "misdated", "trusted"),
    "complete": ("least", "missing", "explained"),
    "clean": ("unclean", "rejected", "declares"),
    "calibrated": (),
}
# Days that are closed and have no score, or whose aggregates were computed after it, as far as raw rows are kept.
# computed_at is when a transaction began: one that was under way meanwhile is given a quarter of an hour.
DUE: Final = """
    SELECT bucket FROM (
        SELECT bucket, max(computed_at) AS computed_at FROM (
            SELECT bucket, computed_at FROM reading_1d WHERE NOT frozen
            UNION ALL SELECT bucket, computed_at FROM traffic_1d WHERE NOT frozen) a GROUP BY bucket) a
    WHERE NOT EXISTS (SELECT FROM quality_1d q WHERE q.day = (a.bucket AT TIME ZONE %(zone)s)::date
                      AND q.computed_at >= a.computed_at + interval '15 minutes')
    ORDER BY bucket
"""
UNSCORED: Final = """
    SELECT EXISTS (
        SELECT FROM (SELECT min(bucket) AS first, max(bucket) AS last FROM (
                         SELECT bucket FROM reading_1d UNION ALL SELECT bucket FROM traffic_1d) a) span,
             generate_series(first AT TIME ZONE %(zone)s, last AT TIME ZONE %(zone)s, interval '1 day') d (local),
             LATERAL (SELECT d.local AT TIME ZONE %(zone)s AS bucket) b
        WHERE NOT EXISTS (SELECT FROM quality_1d q WHERE q.day = d.local::date)
          AND (EXISTS (SELECT FROM reading_1d r WHERE r.bucket = b.bucket AND NOT r.frozen)
               OR EXISTS (SELECT FROM traffic_1d t WHERE t.bucket = b.bucket AND NOT t.frozen)))
"""


def days_have_come(conn: Connection[Any]) -> bool:
    """Whether a day that is closed has never been scored, and no drain is under way that would change it at once."""
    if late_backlog(conn).marks >= BIG_DRAIN:
        return False
    return bool(conn.execute(UNSCORED, {"zone": time_zone(conn).key}).fetchall()[0][0])


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
    thresholds = thresholds_of(conn)
    done = Done()
    with conn.transaction():
        conn.execute("SELECT pg_advisory_xact_lock(hashtext('ngatu/computing/quality'))")
        conn.execute(SORT_IN_MEMORY)
        with conn.cursor(row_factory=dict_row) as cursor:
            measured = cursor.execute(MEASURE, {"lo": lo, "hi": hi}, prepare=False).fetchall()
        for row in measured:
            scored = conn.execute(STORE, {"day": day, **judged(row, thresholds)}).fetchone()
            done += Done(read=row["n"], written=int(scored is not None), changed=int(bool(scored and scored[0] > 1)))
        conn.execute("UPDATE quality_1d SET computed_at = now() WHERE day = %s", (day,))
    return done


def thresholds_of(conn: Connection[Any]) -> dict[str, float]:
    """Below which share a word is not well, as the city file says; `alive_s` and `shared_days`: above which."""
    return THRESHOLDS | (city_value(conn, "thresholds") or {})


def judged(row: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """Words, score and reasons of one measured device."""
    thresholds = {**thresholds, "alive_s": max(thresholds["alive_s"], PERIODS * (row["period_s"] or 0))}
    parts = [part for part in (row["correct_values"], row["trusted"]) if part is not None]
    words = {"correct": min(parts, default=None)} | {key: row[key] for key in ("complete", "clean", "calibrated")}
    words = {word: None if value is None else round(value, DIGITS) for word, value in words.items()}
    below = ratios_below(words, row["alive_s"], thresholds)
    why = [_why(word, words.get(word), row, thresholds) for word in below]
    return {
        **words, "score": min([1.0, *below.values()]), "well": not below,
        "why": Jsonb(why), "reasons": [in_english(fact) for fact in why], "alive_limit_s": thresholds["alive_s"],
        **{key: row[key] for key in ("device_id", "alive_s", "delay_s", "n", "missing", "explained")},
    }  # fmt: skip


def ratios_below(
    words: Mapping[str, float | None], alive_s: float | None, thresholds: Mapping[str, float]
) -> dict[str, float]:
    """The words that are below their thresholds, as shares of these, worst first. No value that day: alive is 0."""
    ratios = {w: value / thresholds[w] for w, value in words.items() if value is not None and thresholds[w] > 0}
    ratios["alive"] = 0.0 if alive_s is None else thresholds["alive_s"] / max(alive_s, thresholds["alive_s"])
    return {word: ratio for ratio, word in sorted((ratio, word) for word, ratio in ratios.items()) if ratio < 1}


def _why(word: str, value: float | None, row: Mapping[str, Any], thresholds: Mapping[str, float]) -> dict[str, Any]:
    """One word that is below its threshold, with the counts behind it."""
    if word == "alive":
        return {"word": word, "value": row["alive_s"], "threshold": thresholds["alive_s"]}
    return {"word": word, "value": value, "threshold": thresholds[word], **{key: row[key] for key in FACTS[word]}}


def _span(day: date, city: ZoneInfo) -> tuple[datetime, datetime]:
    lo = datetime(day.year, day.month, day.day, tzinfo=city).astimezone(UTC)
    return lo, DAY.ceil(lo + timedelta(hours=1), city)
