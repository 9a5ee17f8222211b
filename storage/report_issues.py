"""Which reports are due, which were issued, and their files."""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import msgspec
from psycopg import Connection
from psycopg.types.json import Jsonb

from storage.city import time_zone
from storage.report_facts import ReportFacts
from storage.report_period import Kind, Period

LOCK: Final = "SELECT pg_advisory_lock(hashtext('ngatu/reports'))"
UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('ngatu/reports'))"
# A period is over when its last day is closed at every source, and told when that day is scored.
DUE: Final = """
    WITH closed AS (
        SELECT (min(computed_until) AT TIME ZONE %(zone)s)::date AS until FROM closing WHERE level = '1d'
    ), period AS (
        SELECT k.kind, k.start, (k.start + k.length)::date AS end, max(q.day) AS last,
               greatest(max(q.computed_at), (
                   SELECT max(i.computed_at) FROM incident_1d i
                   WHERE i.bucket >= k.start::timestamp AT TIME ZONE %(zone)s
                     AND i.bucket < (k.start + k.length) AT TIME ZONE %(zone)s)) AS changed
        FROM quality_1d q, LATERAL (VALUES
            ('week', date_trunc('week', q.day::timestamp)::date, interval '7 days'),
            ('month', date_trunc('month', q.day::timestamp)::date, interval '1 month')) k (kind, start, length)
        GROUP BY k.kind, k.start, k.length
    )
    SELECT p.kind, p.start FROM period p CROSS JOIN closed LEFT JOIN report_checked c USING (kind, start)
    WHERE p.end <= closed.until AND p.last = p.end - 1 AND (c.checked_at IS NULL OR p.changed > c.checked_at)
    ORDER BY p.start, p.kind
"""
WARDS: Final = "SELECT DISTINCT code FROM device_ward(%s) ORDER BY code"
LAST: Final = """
    SELECT revision, digest FROM report_issue
    WHERE kind = %s AND start = %s AND ward_code = %s AND ward_from = %s ORDER BY revision DESC LIMIT 1
"""
RECORD: Final = """
    INSERT INTO report_issue (kind, start, ward_code, ward_from, revision, digest, as_of, facts)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
KEEP: Final = """
    INSERT INTO report_file (kind, start, ward_code, ward_from, revision, language, format, sha256, data)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)
"""
CHECKED: Final = """
    INSERT INTO report_checked (kind, start, checked_at) VALUES (%s, %s, %s)
    ON CONFLICT (kind, start) DO UPDATE SET checked_at = greatest(report_checked.checked_at, excluded.checked_at)
"""
LIST: Final = """
    SELECT DISTINCT ON (i.start, i.kind, i.ward_code, i.ward_from)
           i.kind, i.start, i.ward_code, i.ward_from, w.name, i.revision, i.as_of, i.issued_at
    FROM report_issue i LEFT JOIN ward w ON w.code = i.ward_code AND w.valid_from = i.ward_from
    WHERE (%(kind)s::text IS NULL OR i.kind = %(kind)s) AND (%(ward)s::text IS NULL OR i.ward_code = %(ward)s)
    ORDER BY i.start DESC, i.kind, i.ward_code, i.ward_from, i.revision DESC LIMIT %(limit)s
"""
FILE: Final = """
    SELECT data FROM report_file
    WHERE kind = %s AND start = %s AND ward_code = %s AND language = %s AND format = %s
      AND (%s::int IS NULL OR revision = %s)
    ORDER BY ward_from DESC, revision DESC LIMIT 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """The latest issue of one report."""

    kind: Kind
    start: date
    ward_code: str
    ward_from: date
    ward_name: str | None
    revision: int
    as_of: datetime | None
    issued_at: datetime


def due_periods(conn: Connection[Any]) -> list[Period]:
    """Weeks and months that are over and scored, and were never reported or have changed since."""
    rows = conn.execute(DUE, {"zone": time_zone(conn).key}).fetchall()
    return [Period(kind=kind, start=start) for kind, start in rows]


def wards_with_devices(conn: Connection[Any], day: date) -> list[str]:
    """Codes of the wards of `day` in which (a share of) a device stands."""
    return [code for (code,) in conn.execute(WARDS, (day,))]


@contextmanager
def reports_locked(conn: Connection[Any]) -> Iterator[datetime]:
    """Let no other run issue reports meanwhile; gives when it began to look. The session holds it, killed or not."""
    conn.execute(LOCK)
    try:
        yield conn.execute("SELECT clock_timestamp()").fetchall()[0][0]
    finally:
        if not conn.closed:
            conn.execute(UNLOCK)


def last_issue(conn: Connection[Any], facts: ReportFacts) -> tuple[int, str]:
    """Revision and digest of the latest issue of the same ward and period; 0 and '' where there is none."""
    row = conn.execute(LAST, _key(facts)).fetchone()
    return (row[0], row[1]) if row else (0, "")


def record_issue(
    conn: Connection[Any], facts: ReportFacts, revision: int, files: Mapping[tuple[str, str], bytes]
) -> None:
    """Keep an issue and its files, by (language, format). The caller owns the transaction."""
    told = Jsonb(msgspec.to_builtins(facts))
    conn.execute(RECORD, (*_key(facts), revision, facts.digest, facts.as_of, told))
    for (language, form), data in files.items():
        conn.execute(KEEP, (*_key(facts), revision, language, form, hashlib.sha256(data).hexdigest(), data))


def record_checked(conn: Connection[Any], period: Period, at: datetime) -> None:
    """Say that everything younger than `at` has been looked at."""
    conn.execute(CHECKED, (period.kind, period.start, at))


def list_issues(
    conn: Connection[Any], *, kind: str | None = None, ward: str | None = None, limit: int = 200
) -> list[Issue]:
    """The latest issue of each report, the latest period first."""
    rows = conn.execute(LIST, {"kind": kind, "ward": ward, "limit": limit})
    return [Issue(**dict(zip(Issue.__slots__, row, strict=True))) for row in rows]


def report_file(
    conn: Connection[Any], period: Period, ward: str, language: str, form: str, *, revision: int | None = None
) -> bytes | None:
    """One file of a report, its latest revision unless another is asked for; None: there is none."""
    row = conn.execute(FILE, (period.kind, period.start, ward, language, form, revision, revision)).fetchone()
    return None if row is None else bytes(row[0])


def _key(facts: ReportFacts) -> tuple[str, date, str, date]:
    return facts.kind, facts.start, facts.ward.code, facts.ward.valid_from
