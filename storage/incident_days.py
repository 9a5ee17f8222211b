"""Incidents of each of the city's days: how many of what, how fast they were known, what people made of them."""

from datetime import datetime
from typing import Any, Final

from psycopg import Connection

from storage.aggregates import Done
from storage.city import time_zone
from storage.level import DAY, GRACE

LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('ngatu/computing/incident'))"

# What changed since an hour before the last count: a transaction that was open then has long ended.
COUNT: Final = """
    WITH since AS (SELECT coalesce(max(computed_at), '-infinity') - interval '1 hour' AS at FROM incident_1d),
    touched AS (
        SELECT started_at FROM incident, since WHERE changed >= since.at
        UNION ALL
        SELECT i.started_at FROM incident_action a JOIN incident i ON i.id = a.incident_id, since WHERE a.at >= since.at
    ), day AS (
        SELECT DISTINCT date_trunc('day', started_at, %(zone)s) AS bucket FROM touched
        WHERE started_at < %(until)s
          AND started_at >= coalesce((SELECT before FROM frozen WHERE source = 'incident'), '-infinity')
    ), counted AS (
        SELECT day.bucket, i.device_id, i.kind, i.severity, coalesce(w.code, '') AS ward_code,
               min(w.valid_from) AS ward_from, count(*)::int AS n, count(i.ended_at)::int AS ended,
               count(a.acknowledged)::int AS acknowledged, count(a.resolved)::int AS resolved,
               (count(*) FILTER (WHERE a.stands = 'false_alarm'))::int AS false_alarms,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM i.received - i.decided_at)::float8)
                   AS alert_s,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM a.acknowledged - i.received)::float8)
                   AS acknowledge_s,
               percentile_cont(0.5) WITHIN GROUP (ORDER BY extract(epoch FROM i.ended_at - i.started_at)::float8)
                   AS duration_s
        FROM day
        JOIN incident i ON i.started_at >= day.bucket
                       AND i.started_at < date_trunc('day', day.bucket + interval '36 hours', %(zone)s)
        LEFT JOIN LATERAL (
            SELECT min(at) FILTER (WHERE action = 'acknowledge') AS acknowledged,
                   min(at) FILTER (WHERE action = 'resolve') AS resolved,
                   (array_agg(action ORDER BY id DESC)
                    FILTER (WHERE action IN ('acknowledge', 'resolve', 'false_alarm', 'reopen')))[1] AS stands
            FROM incident_action WHERE incident_id = i.id) a ON true
        LEFT JOIN LATERAL ward_at(i.latitude, i.longitude, (day.bucket AT TIME ZONE %(zone)s)::date) w
            ON i.latitude IS NOT NULL AND i.longitude IS NOT NULL
        GROUP BY day.bucket, i.device_id, i.kind, i.severity, coalesce(w.code, '')
    ), fresh AS (
        SELECT * FROM counted
        UNION ALL
        SELECT o.bucket, o.device_id, o.kind, o.severity, o.ward_code, o.ward_from, 0, 0, 0, 0, 0, NULL, NULL, NULL
        FROM incident_1d o JOIN day USING (bucket)
        WHERE NOT EXISTS (SELECT FROM counted c WHERE (c.bucket, c.device_id, c.kind, c.severity, c.ward_code)
                                                    = (o.bucket, o.device_id, o.kind, o.severity, o.ward_code))
    ), written AS (
        INSERT INTO incident_1d AS old (bucket, device_id, kind, severity, ward_code, ward_from, n, ended, acknowledged,
                                        resolved, false_alarms, alert_s, acknowledge_s, duration_s)
        SELECT * FROM fresh
        ON CONFLICT (device_id, kind, severity, bucket, ward_code) DO UPDATE SET
            n = excluded.n, ended = excluded.ended, acknowledged = excluded.acknowledged,
            resolved = excluded.resolved, false_alarms = excluded.false_alarms, alert_s = excluded.alert_s,
            acknowledge_s = excluded.acknowledge_s,
            duration_s = excluded.duration_s, computed_at = excluded.computed_at, revision = old.revision + 1
        WHERE (old.n, old.ended, old.acknowledged, old.resolved, old.false_alarms, old.alert_s, old.acknowledge_s,
               old.duration_s) IS DISTINCT FROM
              (excluded.n, excluded.ended, excluded.acknowledged, excluded.resolved, excluded.false_alarms,
               excluded.alert_s, excluded.acknowledge_s, excluded.duration_s)
        RETURNING revision
    )
    SELECT (SELECT coalesce(sum(n), 0)::bigint FROM counted), count(*), count(*) FILTER (WHERE revision > 1)
    FROM written
"""


def count_incidents(conn: Connection[Any], *, now: datetime | None = None) -> Done:
    """Count the days that have ended and in which something changed since the last time. Safe to repeat.

    Args:
        conn: in autocommit mode.
        now: for tests; the database's clock otherwise.
    """
    city = time_zone(conn)
    with conn.transaction():
        conn.execute(LOCK)
        clock = now or conn.execute("SELECT now()").fetchall()[0][0]
        parameters = {"zone": city.key, "until": DAY.floor(clock - GRACE, city)}
        row = conn.execute(COUNT, parameters, prepare=False).fetchone()
    assert row is not None
    return Done(read=row[0], written=row[1], changed=row[2])
