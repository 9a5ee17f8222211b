"""The same event seen by two calibrated cameras: found when a revision is stored, in its transaction.

Two incidents are one event where their kinds can be stages of one, they overlap in time, and their places on the
ground are no further apart than the errors that both cameras told explain. A revision that another transaction stores
at the same instant is not seen; the next one, half a minute later at most while the event lasts, links them.
"""

from collections.abc import Sequence
from typing import Final

import psycopg

from events.incident import FAMILIES

CLOCKS_S: Final = 3.0  # two cameras' clocks and decisions differ by less
UNTOLD_S: Final = 60.0  # an open incident that was not told again for twice the usual time is over
SURE_M: Final = 3.0  # a place whose standard deviation is larger could be on the next carriageway
SIGMAS: Final = 3.0  # of both errors together: 99 of 100 same places are nearer
EXTENT_M: Final = 5.0  # cameras on two sides see two ends of a car
APART_S: Final = 3.0  # what drives is met on its way by the second camera within so long

LINK: Final = """
WITH told AS NOT MATERIALIZED (
    SELECT i.id, i.device_id, i.camera, i.kind, f.family, i.latitude, i.longitude, i.started_at, i.decided_at,
           CASE WHEN i.state = 'end' THEN coalesce(i.ended_at, i.at)
                ELSE i.at + %(untold)s * interval '1 s' END AS until,
           (i.place ->> 'error_m')::float8 AS error,
           CASE jsonb_typeof(i.why -> 'speed_mps') WHEN 'number'
                THEN (i.why ->> 'speed_mps')::float8 ELSE 0 END AS speed
    FROM incident i JOIN unnest(%(kinds)s::text[], %(families)s::int[]) AS f(kind, family) ON f.kind = i.kind
    WHERE i.place ? 'latitude' AND i.place ? 'longitude' AND (i.place ->> 'error_m')::float8 <= %(sure)s
), pair AS (
    SELECT a.id AS a, b.id AS b, abs(extract(epoch FROM a.started_at - b.started_at)) AS seconds,
           111195 * sqrt((a.latitude - b.latitude) ^ 2
                       + ((a.longitude - b.longitude) * cos(radians(a.latitude))) ^ 2) AS metres,
           %(extent)s + %(sigmas)s * sqrt(a.error ^ 2 + b.error ^ 2)
           + CASE WHEN a.kind = 'wrong_way' AND b.kind = 'wrong_way' THEN greatest(a.speed, b.speed)
                  * least(abs(extract(epoch FROM a.decided_at - b.decided_at)), %(apart)s) ELSE 0 END AS reach
    FROM told a JOIN told b ON b.family = a.family AND (b.device_id, b.camera) <> (a.device_id, a.camera)
    WHERE a.id = ANY(%(ids)s)
      AND b.started_at BETWEEN a.started_at - interval '1 day' AND a.until + %(clocks)s * interval '1 s'
      AND b.until >= a.started_at - %(clocks)s * interval '1 s'
), linked AS (
    INSERT INTO incident_link (incident_id, other_id, metres, reach, seconds)
    SELECT least(a, b), greatest(a, b), min(metres), min(reach), min(seconds) FROM pair
    WHERE metres <= reach GROUP BY 1, 2
    ON CONFLICT DO NOTHING
    RETURNING incident_id, other_id
)
SELECT pg_notify('incident', id) FROM linked, unnest(ARRAY[incident_id, other_id]) AS id"""

_KINDS: Final = {kind: number for number, family in enumerate(FAMILIES) for kind in family}


def link_incidents(conn: psycopg.Connection, ids: Sequence[str]) -> None:
    """Link those of `ids` that other cameras saw too, and tell who listens on `incident`. Safe to repeat."""
    if not ids:
        return
    wanted = {"ids": sorted(set(ids)), "kinds": list(_KINDS), "families": list(_KINDS.values())}
    limits = {
        "clocks": CLOCKS_S, "untold": UNTOLD_S, "sure": SURE_M, "sigmas": SIGMAS, "extent": EXTENT_M, "apart": APART_S,
    }  # fmt: skip
    conn.execute(LINK, wanted | limits)
