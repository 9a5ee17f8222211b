"""What is old goes: raw rows by age, evidence and incidents by severity. Aggregates stay, and are frozen before that.

The same in both editions of TimescaleDB: a policy would drop a chunk whatever is still to be computed from it. What
nothing is computed from, the Community edition drops by itself as well.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from psycopg import Connection, sql

from storage.aggregates import LOCK_CLOSING, TABLES, recompute_late
from storage.city import city_value, time_zone
from storage.late import Source
from storage.level import DAY, LEVELS
from storage.policies import set_policies

log: Final = logging.getLogger(__name__)

FREEZE: Final = """
    INSERT INTO frozen (source, before) VALUES (%(source)s, %(before)s)
    ON CONFLICT (source) DO UPDATE SET before = greatest(frozen.before, excluded.before)
"""
COMPUTED: Final = "SELECT min(computed_until) FROM closing WHERE source = %s HAVING count(computed_until) = 3"
MARK_FROZEN: Final = "UPDATE {} SET frozen = true WHERE bucket < %s AND NOT frozen"
DROP: Final = "SELECT drop_chunks(%s::regclass, older_than => %s)"
OLD_EVIDENCE: Final = b"""
    DELETE FROM evidence e USING incident i WHERE i.id = e.incident_id AND i.severity = %s AND e.received < %s
"""
OLD_INCIDENTS: Final = b"DELETE FROM incident WHERE severity = %s AND state = 'end' AND changed < %s"
ORPHANS: Final = (
    "DELETE FROM incident_action a WHERE NOT EXISTS (SELECT FROM incident i WHERE i.id = a.incident_id) AND a.at < %s",
    "DELETE FROM evidence e WHERE NOT EXISTS (SELECT FROM incident i WHERE i.id = e.incident_id) AND e.received < %s",
)
OLD_REJECTED: Final = "DELETE FROM rejected WHERE received < %s"
OLD_MISDATED_TRAFFIC: Final = "DELETE FROM misdated_traffic WHERE received < %s"

DEFAULTS: Final[dict[str, Any]] = {
    "readings": 400,
    "traffic": 1100,
    "rejected": 90,
    "evidence": {"info": 30, "minor": 90, "major": 365, "critical": 1100},
    "incidents": {"info": 365, "minor": 1100, "major": 3650, "critical": 3650},
}
DAYS_OF: Final[dict[Source, str]] = {"reading": "readings", "traffic": "traffic"}
UNCOMPUTED: Final = {"state": "readings", "misdated_reading": "rejected"}  # hypertables that nothing is computed from
ROW_BY_ROW: Final = timedelta(days=7)  # most of what comes late has come by then


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What a run removed: chunks of raw rows, and rows; and how many aggregate rows it froze."""

    chunks: int
    frozen: int
    evidence: int
    incidents: int
    rejected: int


def expire(conn: Connection[Any], *, now: datetime | None = None) -> Removed:
    """Remove what is older than the city keeps it. Safe to repeat, and to be killed anywhere.

    Args:
        conn: in autocommit mode.
        now: for tests; the database's clock otherwise.
    """
    keep = _kept(conn)
    clock = now or conn.execute("SELECT now()").fetchall()[0][0].astimezone(UTC)
    chunks = frozen = 0
    for source, key in DAYS_OF.items():
        dropped, fixed = _expire_source(conn, source, clock - timedelta(days=keep[key]))
        chunks, frozen = chunks + dropped, frozen + fixed
    chunks += sum(_drop(conn, table, clock - timedelta(days=keep[key])) for table, key in UNCOMPUTED.items())
    conn.execute(OLD_MISDATED_TRAFFIC, (clock - timedelta(days=keep["rejected"]),))
    evidence = _by_severity(conn, OLD_EVIDENCE, keep["evidence"], clock)
    chunks += _drop(conn, "evidence", clock - timedelta(days=max(keep["evidence"].values())))
    removed = Removed(
        chunks=chunks,
        frozen=frozen,
        evidence=evidence,
        incidents=_expire_incidents(conn, keep["incidents"], clock),
        rejected=conn.execute(OLD_REJECTED, (clock - timedelta(days=keep["rejected"]),)).rowcount,
    )
    log.info("expired %s", removed)
    return removed


def hand_over(conn: Connection[Any]) -> int:
    """Let the Community edition compress and drop by itself what it may; return how many chunks are compressed."""
    keep = _kept(conn)
    ages = {table: timedelta(days=keep[key]) for table, key in UNCOMPUTED.items()}
    return set_policies(conn, ages, row_by_row=ROW_BY_ROW)


def _kept(conn: Connection[Any]) -> dict[str, Any]:
    return DEFAULTS | (city_value(conn, "retention") or {})


def _expire_source(conn: Connection[Any], source: Source, before: datetime) -> tuple[int, int]:
    """Freeze, so that nothing is marked any more; work off what was marked; only then drop."""
    row = conn.execute(COMPUTED, (source,)).fetchone()
    if row is None:
        return 0, 0  # nothing is computed yet: nothing may go
    city = time_zone(conn)
    cut = DAY.floor(min(before, row[0]), city)
    with conn.transaction():
        conn.execute(LOCK_CLOSING, (source,))
        conn.execute(FREEZE, {"source": source, "before": cut})
    recompute_late(conn)
    fixed = 0
    for level in LEVELS:
        table = sql.Identifier(f"{source}_{level}")
        fixed += conn.execute(sql.SQL(MARK_FROZEN).format(table), (cut,)).rowcount
    return sum(_drop(conn, table, cut) for table in TABLES[source]), fixed


def _expire_incidents(conn: Connection[Any], days: dict[str, int], clock: datetime) -> int:
    oldest = clock - timedelta(days=min(days.values()))
    with conn.transaction():
        conn.execute(FREEZE, {"source": "incident", "before": DAY.floor(oldest, time_zone(conn))})
        removed = _by_severity(conn, OLD_INCIDENTS, days, clock)
        for orphans in ORPHANS:
            conn.execute(orphans, (oldest,))
    return removed


def _by_severity(conn: Connection[Any], statement: bytes, days: dict[str, int], clock: datetime) -> int:
    return sum(
        conn.execute(statement, (severity, clock - timedelta(days=kept))).rowcount for severity, kept in days.items()
    )


def _drop(conn: Connection[Any], table: str, before: datetime) -> int:
    return len(conn.execute(DROP, (table, before)).fetchall())
