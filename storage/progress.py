"""How far the line has come, stage by stage: for a live line or a smoke test. Cheap however full the tables are."""

from dataclasses import dataclass
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import class_row

MANY: Final = 1_000_000  # counting stops here

PROGRESS: Final = """
SELECT (SELECT count(*) FROM device WHERE online) AS online,
       (SELECT count(*) FROM series WHERE declared) AS series,
       (SELECT min(camera #>> '{model,name}') FROM device, jsonb_path_query(about, '$.cameras[*]') AS camera) AS model,
       (SELECT count(*) FROM (SELECT FROM reading LIMIT 1) AS few) AS readings,
       (SELECT count(*) FROM (SELECT FROM traffic LIMIT %(many)s) AS few) AS minute_counts,
       (SELECT count(*) FROM incident) AS incidents,
       (SELECT count(*) FROM incident WHERE state <> 'end') AS open_incidents,
       (SELECT count(*) FROM (SELECT FROM evidence WHERE role = 'still' LIMIT %(many)s) AS few) AS stills,
       (SELECT count(*) FROM (SELECT FROM reading_15m LIMIT %(many)s) AS few) AS quarters,
       (SELECT count(*) FROM (SELECT FROM reading_1h LIMIT %(many)s) AS few) AS hours,
       (SELECT coalesce(sum(messages), 0) FROM rejected_tally) AS rejected"""

HISTORY: Final = """
SELECT count(*), count(DISTINCT a.series_id), coalesce(extract(epoch FROM max(a.bucket) - min(a.bucket)) / 86400, 0)
FROM {level} a JOIN series s ON s.id = a.series_id JOIN device d ON d.id = s.device_id
WHERE d.name = %(device)s"""

SCRUTINISED: Final = ("reading_15m", "reading_1h")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Rows of each stage."""

    online: int  # devices
    series: int  # declared
    model: str | None  # of a camera
    readings: int  # 1 where there are any
    minute_counts: int
    incidents: int
    open_incidents: int
    stills: int
    quarters: int  # 15-minute aggregates
    hours: int
    rejected: int


@dataclass(frozen=True, slots=True)
class History:
    """Aggregates of one device's series."""

    buckets: int
    series: int
    days: float


def progress(conn: Connection[Any]) -> Progress:
    """Count each stage's rows."""
    with conn.cursor(row_factory=class_row(Progress)) as cursor:
        row = cursor.execute(PROGRESS, {"many": MANY}).fetchone()
    assert row is not None
    return row


def aggregated_history(conn: Connection[Any], device: str) -> dict[str, History]:
    """What the aggregates hold of `device`'s readings, by level."""
    found = {}
    for level in SCRUTINISED:
        row = conn.execute(HISTORY.format(level=level).encode(), {"device": device}).fetchone()
        assert row is not None
        found[level] = History(int(row[0]), int(row[1]), float(row[2]))
    return found
