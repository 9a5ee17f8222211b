"""Aggregates of readings, as one statement a level: a range of buckets, or the buckets that late rows touched.

Left out: rows with an implausible time (quality bit 2), and values that are no measurement (NaN, beyond ±1e100), which
would overflow the variance. Floating sums depend on the order of rows in their last digits: a mean or standard
deviation that moved by less than 1e-9 of itself is no change, and makes no revision.
"""

from typing import Final

from psycopg import sql

from storage.level import Level
from storage.reading_tables import of_both

# Written as inequalities, which the planner takes for nearly always true: told otherwise it expects a few groups
# and looks the series of each up by index. NaN is greater than any number.
USABLE: Final = sql.SQL("r.quality & 2 <> 2 AND least(abs(r.value), 1e100) <> 1e100")

RANGE: Final = """
    SELECT {start} AS bucket, r.series_id, r.value, r.quality
    FROM {table} r WHERE r.at >= %(lo)s AND r.at < %(hi)s AND {usable}"""

# OFFSET 0 keeps the planner from turning one index lookup a bucket into a scan of the chunk.
LATE: Final = sql.SQL("""
    SELECT due.bucket, r.series_id, r.value, r.quality
    FROM (SELECT DISTINCT w.id, {start} AS bucket FROM late_work w
          WHERE w.source = 'reading' AND w.bucket >= %(lo)s AND w.bucket < %(hi)s) due
    CROSS JOIN LATERAL ({both} OFFSET 0) r
    WHERE due.bucket < %(computed_until)s""")
LATE_OF_ONE: Final = """
    SELECT r.series_id, r.value, r.quality FROM {table} r
    WHERE r.series_id = due.id AND r.at >= due.bucket AND r.at < {end} AND r.at >= %(from)s AND r.at < %(until)s
          AND {usable}"""

AGGREGATE: Final = sql.SQL("""
    WITH fresh AS (
        SELECT r.bucket, r.series_id, count(*)::int AS n, avg(r.value) AS mean, min(r.value) AS minimum,
               max(r.value) AS maximum, stddev_samp(r.value) AS sd,
               percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY r.value) AS p,
               count(*) FILTER (WHERE r.quality = 0) AS good
        FROM ({rows}) r GROUP BY r.bucket, r.series_id
    ), written AS (
        INSERT INTO {table} AS old (bucket, series_id, n, mean, minimum, maximum, sd, p50, p95, coverage, good)
        SELECT f.bucket, f.series_id, f.n, f.mean, f.minimum, f.maximum, f.sd, f.p[1], f.p[2],
               CASE WHEN s.period_s > 0
                    THEN least(1, f.n * s.period_s / extract(epoch FROM {end} - f.bucket)) END::float4,
               (f.good::float8 / f.n)::float4
        FROM fresh f LEFT JOIN series s ON s.id = f.series_id
        {conflict}
        RETURNING n, revision
    )
    SELECT coalesce({read}, 0)::bigint, count(*), count(*) FILTER (WHERE revision > 1) FROM written
""")

# Where every row is written, what was read is their sum: `fresh`, then named once, needs not be kept.
READ_IS_WRITTEN: Final = sql.SQL("sum(n)")
READ: Final = sql.SQL("(SELECT sum(n) FROM fresh)")

CONFLICT: Final = sql.SQL("""ON CONFLICT (series_id, bucket) DO UPDATE SET
            n = excluded.n, mean = excluded.mean, minimum = excluded.minimum, maximum = excluded.maximum,
            sd = excluded.sd, p50 = excluded.p50, p95 = excluded.p95, coverage = excluded.coverage,
            good = excluded.good, computed_at = excluded.computed_at, revision = old.revision + 1
        WHERE NOT old.frozen AND (
            (old.n, old.minimum, old.maximum, old.p50, old.p95, old.coverage, old.good) IS DISTINCT FROM
            (excluded.n, excluded.minimum, excluded.maximum, excluded.p50, excluded.p95, excluded.coverage,
             excluded.good)
            OR abs(old.mean - excluded.mean) > 1e-9 * abs(old.mean)
            OR abs(old.sd - excluded.sd) > 1e-9 * greatest(abs(old.mean), old.sd))""")


def range_statement(level: Level, *, fresh: bool = False) -> sql.Composed:
    """Aggregate every bucket of [lo, hi). Parameters: lo, hi, zone. Gives rows read, buckets written, changed.

    `fresh`: none of them can be there yet; faster, and a UniqueViolation where one is.
    """
    rows = of_both(RANGE, start=level.start_sql(sql.SQL("r.at")), usable=USABLE)
    return _statement(level, rows, fresh=fresh)


def late_statement(level: Level) -> sql.Composed:
    """Aggregate again what `late_work` holds of [lo, hi), as far as it was computed before.

    Parameters: lo, hi, computed_until, zone, and from, until: what these buckets span, so that few chunks are opened.
    """
    both = of_both(LATE_OF_ONE, end=level.end_sql(sql.SQL("due.bucket")), usable=USABLE)
    rows = LATE.format(start=level.start_sql(sql.SQL("w.bucket")), both=both)
    return _statement(level, rows, fresh=False)


def _statement(level: Level, rows: sql.Composed, *, fresh: bool) -> sql.Composed:
    return AGGREGATE.format(
        rows=rows,
        table=sql.Identifier(f"reading_{level.name}"),
        conflict=sql.SQL("") if fresh else CONFLICT,
        read=READ_IS_WRITTEN if fresh else READ,
        end=level.end_sql(sql.SQL("f.bucket")),
    )
