"""Every published number of the month against DuckDB's: as it is, as it was seen on the way, by ward, as open data."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import duckdb
import psycopg
import pyarrow as pa
from psycopg import sql

from ngatu.month import plain as duck
from ngatu.month.compare import Compared, compare, csv_source, load_csv, make_ours, make_plain
from ngatu.month.making import BEGIN
from storage import audit_numbers
from storage.ward_series import readings_by_ward, traffic_by_ward

BEFORE, SINCE = date(2025, 6, 30), date(2025, 7, 1)
ALWAYS: Final = datetime(2100, 1, 1, tzinfo=UTC)
STATISTICS: Final = ("n", "mean", "minimum", "maximum", "sd", "p50", "p95", "coverage", "good")
ISSUED_STATISTICS: Final = ("n", "mean", "minimum", "maximum", "p50", "p95", "coverage", "good")


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """When all that had come by `month` had been worked off, and planners looked."""

    month: datetime  # in the month's time
    clock: datetime  # by the database's clock
    issues: tuple[tuple[date, int, list[str]], ...]  # published by then: day, revision, devices left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A kind of table: how both sides ask for it."""

    ours: sql.SQL
    plain: str
    keys: tuple[str, ...]
    values: tuple[str, ...]
    levels: tuple[str, ...] = tuple(duck.WIDTHS)
    at: str = "moment"


SOURCES: Final = {
    "reading": Source(
        ours=audit_numbers.READINGS, plain=duck.READINGS, keys=("bucket", "device", "series"), values=STATISTICS
    ),
    "zone": Source(
        ours=audit_numbers.ZONES,
        plain=duck.ZONES,
        keys=("bucket", "device"),
        values=("count", "occupancy", "queue", "pcu", "coverage", "trusted"),
    ),
    "flow": Source(
        ours=audit_numbers.FLOWS,
        plain=duck.FLOWS,
        keys=("bucket", "device", "class", "direction"),
        values=("count", "speed_mps", "speed_p85_mps"),
    ),
    "incident": Source(
        ours=audit_numbers.INCIDENTS,
        plain=duck.INCIDENTS,
        keys=("bucket", "device", "kind", "severity"),
        values=("n", "ended", "acknowledged", "false_alarms", "duration_s"),
        levels=("1d",),
        at="started",
    ),
}
HOURS_ISSUED: Final = """
    SELECT h.* FROM ({hours}) h JOIN issued i ON (h.bucket + INTERVAL 7 HOUR)::date = i.day
    WHERE NOT list_contains(i.left_out, h.device)
"""
TABLES: Final = {"zone": "traffic", "flow": "traffic"}

Check = Callable[[psycopg.Connection[Any], duckdb.DuckDBPyConnection], Compared]


def checks(days: int, moments: tuple[Moment, ...], folder: Path) -> Iterator[tuple[str, Check]]:
    """Every comparison by its name; the last of `moments` is the end.

    Args:
        days: of the month.
        moments: when planners looked.
        folder: of the open data.
    """
    for kind, source in SOURCES.items():
        for level in source.levels:
            yield f"{kind}_{level}", partial(_table, f"{kind}_{level}", kind, level, None)
    for moment in moments[:-1]:
        for kind, level in (("reading", "1h"), ("reading", "1d"), ("zone", "1h"), ("flow", "1h"), ("incident", "1d")):
            name = f"{kind}_{level} as seen on {moment.month:%d %B}"
            yield name, partial(_table, name, kind, level, moment)
    for day in (BEFORE, SINCE):
        yield f"traffic by ward of {day}", partial(_ward_traffic, day, days)
        yield f"air by ward of {day}", partial(_ward_air, day, days)
    for moment in moments:
        name = f"open data as issued by {moment.month:%d %B}" if moment is not moments[-1] else "open data"
        yield name, partial(_issues, name, moment, folder)


def _table(
    name: str,
    kind: str,
    level: str,
    moment: Moment | None,
    conn: psycopg.Connection[Any],
    raw: duckdb.DuckDBPyConnection,
) -> Compared:
    source, table = SOURCES[kind], f"{TABLES.get(kind, kind)}_{level}"
    seen = moment.clock if moment else None
    load_csv(raw, source.keys, source.values, lambda out: audit_numbers.write_csv(conn, source.ours, table, out, seen))
    parameters: dict[str, Any] = {"seen": _naive(moment.month if moment else ALWAYS)}
    if kind == "incident":
        parameters["acted"] = moment is None
    make_plain(raw, duck.with_level(source.plain, level, source.at), parameters)
    return compare(raw, name, source.keys, source.values)


def _ward_traffic(day: date, days: int, conn: psycopg.Connection[Any], raw: duckdb.DuckDBPyConnection) -> Compared:
    rows = traffic_by_ward(conn, "1d", BEGIN, BEGIN + timedelta(days=days), wards_of=day)
    told = [(_naive(row.bucket), row.code, row.klass, row.count, row.speed_mps) for row in rows if row.klass]
    return _by_ward(raw, f"traffic by ward of {day}", day, told, ("bucket", "code", "class"), ("count", "speed_mps"))


def _ward_air(day: date, days: int, conn: psycopg.Connection[Any], raw: duckdb.DuckDBPyConnection) -> Compared:
    rows = readings_by_ward(conn, "1d", BEGIN, BEGIN + timedelta(days=days), series="air/pm2_5", wards_of=day)
    told = [(_naive(row.bucket), row.code, row.n, row.mean, row.minimum, row.maximum) for row in rows]
    return _by_ward(raw, f"air by ward of {day}", day, told, ("bucket", "code"), ("n", "mean", "minimum", "maximum"))


def _by_ward(
    raw: duckdb.DuckDBPyConnection,
    name: str,
    day: date,
    rows: list[tuple[Any, ...]],
    keys: tuple[str, ...],
    values: tuple[str, ...],
) -> Compared:
    columns = list(zip(*rows, strict=True)) or [()] * len(keys + values)
    raw.register("told_by_ward", pa.table(dict(zip(keys + values, map(list, columns), strict=True))))
    make_ours(raw, "FROM told_by_ward")
    raw.unregister("told_by_ward")
    raw.execute(duck.PLACED, {"day": day})
    make_plain(raw, duck.with_level(duck.WARD_TRAFFIC if "class" in keys else duck.WARD_AIR, "1d"))
    return compare(raw, name, keys, values)


def _issues(
    name: str, moment: Moment, folder: Path, _conn: psycopg.Connection[Any], raw: duckdb.DuckDBPyConnection
) -> Compared:
    """The newest issue of each day by then: the readings of each device that it does not leave out."""
    newest = {day: (revision, left_out) for day, revision, left_out in moment.issues}
    files = [folder / day.isoformat() / f"r{revision}" / "readings.csv" for day, (revision, _) in newest.items()]
    keys = ("bucket", "device", "series")
    types = {
        "bucket": "TIMESTAMPTZ", "device": "VARCHAR", "series": "VARCHAR", "unit": "VARCHAR",
        **dict.fromkeys(ISSUED_STATISTICS, "DOUBLE"), "revision": "BIGINT",
    }  # fmt: skip
    make_ours(raw, f"FROM {csv_source(files, types)}")
    raw.execute("ALTER TABLE ours ALTER bucket TYPE TIMESTAMP")
    raw.execute("CREATE OR REPLACE TEMP TABLE issued (day date, left_out text[])")
    for day, (_, left_out) in newest.items():
        raw.execute("INSERT INTO issued VALUES (?, ?)", [day, left_out])
    hours = duck.with_level(duck.READINGS, "1h")
    make_plain(raw, HOURS_ISSUED.format(hours=hours), {"seen": _naive(moment.month)})
    return compare(raw, name, keys, ISSUED_STATISTICS)


def _naive(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(tzinfo=None)
