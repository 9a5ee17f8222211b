"""Published numbers as CSV, by names instead of ids: for comparison with another computation of the same.

Times are UTC without a zone. A moment `seen` asks for what stood there then, by the functions that planners ask.
"""

from datetime import date, datetime
from typing import IO, Any, Final

from psycopg import Connection, sql

READINGS: Final = sql.SQL("""
    SELECT a.bucket AT TIME ZONE 'UTC' AS bucket, d.name AS device, s.name AS series, a.n, a.mean, a.minimum,
           a.maximum, a.sd, a.p50, a.p95, a.coverage, a.good
    FROM {source} a JOIN series s ON s.id = a.series_id JOIN device d ON d.id = s.device_id WHERE a.n > 0
""")
ZONES: Final = sql.SQL("""
    SELECT a.bucket AT TIME ZONE 'UTC' AS bucket, d.name AS device, a.count, a.occupancy, a.queue, a.pcu, a.coverage,
           a.trusted
    FROM {source} a JOIN device d ON d.id = a.device_id WHERE a.class = '' AND a.direction = ''
""")
FLOWS: Final = sql.SQL("""
    SELECT a.bucket AT TIME ZONE 'UTC' AS bucket, d.name AS device, a.class, a.direction, a.count, a.speed_mps,
           a.speed_p85_mps
    FROM {source} a JOIN device d ON d.id = a.device_id WHERE a.class <> ''
""")
INCIDENTS: Final = sql.SQL("""
    SELECT a.bucket AT TIME ZONE 'UTC' AS bucket, d.name AS device, a.kind, a.severity, a.n, a.ended, a.acknowledged,
           a.false_alarms, a.duration_s
    FROM {source} a JOIN device d ON d.id = a.device_id WHERE a.n > 0
""")
STORED: Final = """
    SELECT (SELECT count(*) FROM reading), (SELECT count(*) FROM misdated_reading), (SELECT count(*) FROM incident),
           (SELECT count(DISTINCT (device_id, at)) FROM traffic), (SELECT count(*) FROM rejected),
           (SELECT count(*) FROM late_mark) + (SELECT count(*) FROM late_work)
"""
ISSUED: Final = """
    SELECT p.day, p.revision, ARRAY(SELECT name FROM device WHERE id = ANY(p.left_out)) FROM publication p
    WHERE p.dataset = %s AND p.rows > 0 ORDER BY p.day, p.revision
"""
AGGREGATES: Final = (
    *(f"{source}_{level}" for source in ("reading", "traffic") for level in ("15m", "1h", "1d")),
    "incident_1d",
)
HISTORY: Final = sql.SQL("SELECT count(*), coalesce(sum(revision - 1), 0)::bigint FROM {} WHERE revision > 1")
UNCLAIMED: Final = "SELECT EXISTS (SELECT FROM late_mark) AND NOT EXISTS (SELECT FROM late_work)"
TRUST_HALF: Final = "UPDATE city SET value = value || '{\"complete\": 0.5}' WHERE key = 'thresholds'"
ACT: Final = "INSERT INTO incident_action (incident_id, who, action) VALUES (%s, 'lan', %s)"


def write_csv(conn: Connection[Any], query: sql.SQL, table: str, out: IO[bytes], seen: datetime | None = None) -> None:
    """Write one of the queries above over `table` (such as reading_1h), as it is or as it was `seen`, with a header."""
    source: sql.Composable = sql.Identifier(table)
    if seen is not None:
        source = sql.SQL("{}({})").format(sql.Identifier(f"{table}_as_of"), sql.Literal(seen))
    statement = sql.SQL("COPY ({}) TO STDOUT (FORMAT csv, HEADER)").format(query.format(source=source))
    with conn.cursor() as cursor, cursor.copy(statement) as copy:
        out.writelines(copy)


def stored(conn: Connection[Any]) -> tuple[int, int, int, int, int, int]:
    """Readings, misdated ones, incidents, minutes of traffic, rejected messages, late buckets that wait."""
    row = conn.execute(STORED).fetchall()[0]
    return (row[0], row[1], row[2], row[3], row[4], row[5])


def issued(conn: Connection[Any], dataset: str) -> list[tuple[date, int, list[str]]]:
    """Each issue that is not withheld as a whole: day, revision, the devices that it leaves out."""
    return [(day, revision, list(names)) for day, revision, names in conn.execute(ISSUED, (dataset,))]


def changed(conn: Connection[Any]) -> tuple[int, int]:
    """How many buckets were published and changed later, at all levels; and their earlier numbers, counted."""
    told = [conn.execute(HISTORY.format(sql.Identifier(table))).fetchall()[0] for table in AGGREGATES]
    return sum(buckets for buckets, _ in told), sum(earlier for _, earlier in told)


def is_late_unclaimed(conn: Connection[Any]) -> bool:
    """Whether rows came late, and no run has begun to work that off."""
    return bool(conn.execute(UNCLAIMED).fetchall()[0][0])


def clock(conn: Connection[Any]) -> datetime:
    """The database's own."""
    now: datetime = conn.execute("SELECT clock_timestamp()").fetchall()[0][0]
    return now


def trust_half(conn: Connection[Any]) -> None:
    """Have the city ask for half of what is due, not for nine tenths."""
    conn.execute(TRUST_HALF)


def act(conn: Connection[Any], actions: list[tuple[str, str]]) -> None:
    """Store what an operator did to incidents: their ids, and `acknowledge` or `false_alarm`."""
    with conn.cursor() as cursor:
        cursor.executemany(ACT, actions)
