"""Aggregates of traffic counts, as one statement a level: a range of buckets, or the buckets that late minutes touched.

A row of class '' and direction '' is the zone as a whole. Speeds are space-mean: the flow-weighted harmonic mean of the
minutes' space-mean speeds (minutes without a speed, or of speed 0, left out). The 85th percentile can't be had from
minutes: it is their flow-weighted mean. Occupancy is weighted by the seconds observed; coverage is those seconds'
share of the bucket; `trusted` is the share of them in which the camera was well.
"""

from typing import Final

from psycopg import sql

from storage.level import Level

COLUMNS: Final = sql.SQL("""r.at, r.device_id, r.camera, r.zone, r.class, r.direction, r.count,
           r.seconds::float8 AS seconds,
           r.speed_mps::float8 AS speed_mps, r.speed_p85_mps::float8 AS speed_p85_mps, r.occupancy::float8 AS occupancy,
           r.queue, r.queue_m, r.pcu::float8 AS pcu, r.trusted, r.received""")

RANGE: Final = sql.SQL("SELECT {start} AS bucket, {columns} FROM traffic r WHERE r.at >= %(lo)s AND r.at < %(hi)s")

LATE: Final = sql.SQL("""
    SELECT due.bucket, r.*
    FROM (SELECT DISTINCT w.id, {start} AS bucket FROM late_work w
          WHERE w.source = 'traffic' AND w.bucket >= %(lo)s AND w.bucket < %(hi)s) due
    CROSS JOIN LATERAL (
        SELECT {columns} FROM traffic r
        WHERE r.device_id = due.id AND r.at >= due.bucket AND r.at < {end} AND r.at >= %(from)s AND r.at < %(until)s
        OFFSET 0) r
    WHERE due.bucket < %(computed_until)s""")

# One message is one zone's minute, and a minute may come in parts (an agent that started in its middle); what is said
# of the zone stands on one of a message's rows.
AGGREGATE: Final = sql.SQL("""
    WITH minute AS MATERIALIZED ({rows}),
    message AS (
        SELECT bucket, device_id, camera, zone, seconds, trusted, max(occupancy) AS occupancy, max(queue) AS queue,
               max(queue_m) AS queue_m, max(pcu) AS pcu
        FROM minute GROUP BY bucket, device_id, camera, zone, at, received, seconds, trusted
    ), zone AS (
        SELECT bucket, device_id, camera, zone, sum(seconds) AS seconds,
               sum(occupancy * seconds) / sum(seconds) FILTER (WHERE occupancy IS NOT NULL) AS occupancy,
               max(queue) AS queue, max(queue_m) AS queue_m, sum(pcu) AS pcu,
               coalesce(sum(seconds) FILTER (WHERE trusted), 0) / sum(seconds) AS trusted
        FROM message GROUP BY bucket, device_id, camera, zone
    ), flow AS (
        SELECT bucket, device_id, camera, zone, coalesce(class, '') AS class, coalesce(direction, '') AS direction,
               sum(count) AS count,
               sum(count) FILTER (WHERE speed_mps > 0) / nullif(sum(count / speed_mps) FILTER (WHERE speed_mps > 0), 0)
                   AS speed_mps,
               sum(count * speed_p85_mps) / nullif(sum(count) FILTER (WHERE speed_p85_mps IS NOT NULL), 0)
                   AS speed_p85_mps
        FROM minute
        GROUP BY GROUPING SETS ((bucket, device_id, camera, zone, class, direction), (bucket, device_id, camera, zone))
        HAVING grouping(class) = 1 OR class <> ''
    ), fresh AS (
        SELECT *, class = '' AND direction = '' AS whole, extract(epoch FROM {end} - f.bucket)::float8 AS width
        FROM flow f JOIN zone USING (bucket, device_id, camera, zone)
    ), written AS (
        INSERT INTO {table} AS old (bucket, device_id, camera, zone, class, direction, count, speed_mps, speed_p85_mps,
                                    occupancy, queue, queue_m, pcu, seconds, coverage, trusted)
        SELECT bucket, device_id, camera, zone, class, direction, count, speed_mps, speed_p85_mps,
               CASE WHEN whole THEN occupancy END, CASE WHEN whole THEN queue END, CASE WHEN whole THEN queue_m END,
               CASE WHEN whole THEN pcu END, seconds, least(1, seconds / width)::float4, trusted::float4
        FROM fresh
        {conflict}
        RETURNING revision
    )
    SELECT (SELECT count(*) FROM minute), count(*), count(*) FILTER (WHERE revision > 1) FROM written
""")

CONFLICT: Final = sql.SQL("""ON CONFLICT (device_id, camera, zone, class, direction, bucket) DO UPDATE SET
            count = excluded.count, speed_mps = excluded.speed_mps, speed_p85_mps = excluded.speed_p85_mps,
            occupancy = excluded.occupancy, queue = excluded.queue, queue_m = excluded.queue_m, pcu = excluded.pcu,
            seconds = excluded.seconds, coverage = excluded.coverage, trusted = excluded.trusted,
            computed_at = excluded.computed_at, revision = old.revision + 1
        WHERE NOT old.frozen AND (
            (old.count, old.queue, old.queue_m, old.coverage, old.trusted,
             old.speed_mps IS NULL, old.speed_p85_mps IS NULL, old.occupancy IS NULL, old.pcu IS NULL) IS DISTINCT FROM
            (excluded.count, excluded.queue, excluded.queue_m, excluded.coverage, excluded.trusted,
             excluded.speed_mps IS NULL, excluded.speed_p85_mps IS NULL, excluded.occupancy IS NULL,
             excluded.pcu IS NULL)
            OR abs(old.speed_mps - excluded.speed_mps) > 1e-9 * old.speed_mps
            OR abs(old.speed_p85_mps - excluded.speed_p85_mps) > 1e-9 * old.speed_p85_mps
            OR abs(old.occupancy - excluded.occupancy) > 1e-9
            OR abs(old.pcu - excluded.pcu) > 1e-9 * old.pcu
            OR abs(old.seconds - excluded.seconds) > 1e-9 * old.seconds)""")


def range_statement(level: Level, *, fresh: bool = False) -> sql.Composed:
    """Aggregate every bucket of [lo, hi). Parameters: lo, hi, zone. Gives rows read, buckets written, changed.

    `fresh`: none of them can be there yet; faster, and a UniqueViolation where one is.
    """
    return _statement(
        level, RANGE.format(start=level.start_sql(sql.SQL("r.at")), columns=COLUMNS), sql.SQL("") if fresh else CONFLICT
    )


def late_statement(level: Level) -> sql.Composed:
    """Aggregate again what `late_work` holds of [lo, hi), as far as it was computed before.

    Parameters: lo, hi, computed_until, zone, and from, until: what these buckets span, so that few chunks are opened.
    """
    rows = LATE.format(
        start=level.start_sql(sql.SQL("w.bucket")), end=level.end_sql(sql.SQL("due.bucket")), columns=COLUMNS
    )
    return _statement(level, rows, CONFLICT)


def _statement(level: Level, rows: sql.Composed, conflict: sql.SQL) -> sql.Composed:
    table = sql.Identifier(f"traffic_{level.name}")
    return AGGREGATE.format(rows=rows, table=table, conflict=conflict, end=level.end_sql(sql.SQL("f.bucket")))
