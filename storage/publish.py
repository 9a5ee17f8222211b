"""A day's open data in a folder: CSV and Parquet with a Frictionless data package, GeoJSON, and a DCAT-AP catalogue.

`FOLDER/2026-03-02/r1/…`: written beside, out of one snapshot, and renamed, so that nobody sees half a day. The same
content makes no new issue; a corrected day is issued again as r2, and r1 stays. What is in the folder is published: an
issue that a killed run renamed and never recorded is recorded by the next.
"""

import logging
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import Connection, IsolationLevel, sql

from storage.city import city_value, time_zone
from storage.level import DAY
from storage.open_data import DATASETS, PERSONAL, Dataset
from storage.publish_catalogue import write_catalogue
from storage.publish_package import (
    PACKAGE,
    Withheld,
    about_city,
    hashes,
    issues_of,
    read_package,
    sums_of,
    write_package,
)
from storage.publish_tables import write_tables
from storage.quality import thresholds_of

log: Final = logging.getLogger(__name__)

MAKING: Final = ".making"
LOCK: Final = "SELECT pg_advisory_lock(hashtext('ngatu/publishing'))"
UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('ngatu/publishing'))"
RECORDED: Final = "SELECT DISTINCT revision FROM publication WHERE day = %s"
RECORD: Final = """
    INSERT INTO publication (day, dataset, revision, sha256, rows, withheld, left_out, published_at)
    SELECT %(day)s, %(dataset)s, %(revision)s, %(sha256)s, %(rows)s, %(withheld)s,
           ARRAY(SELECT id FROM device WHERE name = ANY(%(left_out)s) OR name ~ %(personal)s ORDER BY id),
           %(published_at)s
"""
CHECKED: Final = "UPDATE publication SET checked_at = now() WHERE day = %s"
UNWELL: Final = """
    SELECT d.name, CASE WHEN r.told ~ %(personal)s THEN 'not well' ELSE r.told END
    FROM quality_1d q JOIN device d ON d.id = q.device_id, LATERAL (SELECT array_to_string(q.reasons, '; ') AS told) r
    WHERE q.day = %(day)s AND NOT q.well AND d.name !~ %(personal)s ORDER BY q.score, d.name
"""
MEASURED: Final = sql.SQL("""
    SELECT count(*), count(*) FILTER (WHERE well) FROM quality_1d q
    WHERE q.day = %(day)s AND q.device_id IN (SELECT device_id FROM {} WHERE a.bucket = %(lo)s)
""")
# Days that are scored, and were never issued or whose scores or incidents are younger than the last look at them; a
# transaction that was under way then is given a quarter of an hour.
DUE: Final = """
    WITH fresh AS (
        SELECT day, max(computed_at) AS at FROM quality_1d GROUP BY day
        UNION ALL
        SELECT (bucket AT TIME ZONE %(zone)s)::date, max(computed_at) FROM incident_1d GROUP BY 1
    )
    SELECT f.day FROM fresh f LEFT JOIN (SELECT day, max(checked_at) AS at FROM publication GROUP BY day) p USING (day)
    WHERE f.day IN (SELECT day FROM quality_1d)
    GROUP BY f.day, p.at HAVING p.at IS NULL OR max(f.at) + interval '15 minutes' > p.at ORDER BY f.day
"""
SCORED: Final = "SELECT DISTINCT day FROM quality_1d ORDER BY day"


def publish_due_days(conn: Connection[Any], folder: Path) -> dict[str, int]:
    """Issue each day that is scored and not yet issued, or was corrected since; return issues and rows."""
    due = {day for (day,) in conn.execute(DUE, {"zone": time_zone(conn).key}).fetchall()}
    due |= {day for (day,) in conn.execute(SCORED).fetchall() if not (folder / day.isoformat()).is_dir()}
    rows = [_publish(conn, folder, day) for day in sorted(due)]
    if due:
        write_catalogue(about_city(conn), folder)
    return {"issues": sum(count is not None for count in rows), "rows": sum(count or 0 for count in rows)}


def publish_day(conn: Connection[Any], folder: Path, day: date) -> int | None:
    """Issue `day`; return how many rows, or None where nothing has changed since its last issue. Safe to repeat."""
    rows = _publish(conn, folder, day)
    write_catalogue(about_city(conn), folder)
    return rows


def _publish(conn: Connection[Any], folder: Path, day: date) -> int | None:
    home = folder / day.isoformat()
    home.mkdir(parents=True, exist_ok=True)
    with _alone(conn), _snapshot(conn), _beside(folder) as made:
        recorded = {revision for (revision,) in conn.execute(RECORDED, (day,))}
        for issue in issues_of(home):
            if int(issue.name[1:]) not in recorded:
                _record(conn, day, issue)
        rows, withheld = _write(conn, day, made)
        last = next(iter(reversed(issues_of(home))), None)
        if last is not None and _same(made, withheld, read_package(last)):
            conn.execute(CHECKED, (day,))
            return None
        revision = 1 + max(recorded | {int(issue.name[1:]) for issue in issues_of(home)}, default=0)
        write_package(about_city(conn), day, revision, made, rows, withheld)
        _put(made, home / f"r{revision}")
        _record(conn, day, home / f"r{revision}")
    log.info("published day=%s revision=%d rows=%d", day, revision, sum(rows.values()))
    return sum(rows.values())


@contextmanager
def _alone(conn: Connection[Any]) -> Iterator[None]:
    """Let no other publication run meanwhile. Taken before the snapshot; a killed run's goes with its session."""
    conn.execute(LOCK)
    try:
        yield
    finally:
        conn.execute(UNLOCK)


@contextmanager
def _snapshot(conn: Connection[Any]) -> Iterator[None]:
    """One transaction that sees one moment: a day's datasets agree with each other."""
    before = conn.isolation_level
    conn.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with conn.transaction():
            yield
    finally:
        conn.isolation_level = before


@contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """An empty folder on the same disk, gone in the end; a killed run's goes too."""
    made = folder / MAKING
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put(made: Path, target: Path) -> None:
    """Rename `made` to `target`, its content on the disk first."""
    _flush(*made.iterdir(), made)
    made.rename(target)
    _flush(target.parent)


def _flush(*paths: Path) -> None:
    for path in paths:
        handle = os.open(path, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


def _write(conn: Connection[Any], day: date, made: Path) -> tuple[dict[str, int], Withheld]:
    """Write what may be published; return the rows of each dataset, and what is withheld of each and why."""
    zone = time_zone(conn)
    lo = datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    hi = DAY.ceil(lo + timedelta(hours=1), zone)
    parameters = {"day": day, "lo": lo, "hi": hi, "smallest": city_value(conn, "smallest_count") or 5}
    named = conn.execute(UNWELL, {"day": day, "personal": PERSONAL})
    unwell = [{"device": name, "why": reasons} for name, reasons in named]
    rows: dict[str, int] = {}
    withheld: dict[str, list[dict[str, str | None]]] = {}
    for dataset in DATASETS:
        why = _below(conn, dataset, parameters)
        if why is None:
            written = write_tables(conn, dataset, parameters, made)
            rows[dataset.name] = written.rows
            why = f"{written.personal} rows, a name in them looks like a number plate" if written.personal else None
        withheld[dataset.name] = [{"device": None, "why": why}] if why else []
        withheld[dataset.name] += unwell if dataset.well_only else []
    return rows, withheld


def _below(conn: Connection[Any], dataset: Dataset, parameters: Mapping[str, Any]) -> str | None:
    """Why the whole dataset is withheld; None: it is not."""
    if not dataset.measured:
        return None
    counts = conn.execute(MEASURED.format(sql.SQL(dataset.measured)), parameters).fetchall()[0]
    least = thresholds_of(conn)["dataset"]
    if counts[0] == 0:
        return "nothing was measured"
    if counts[1] < least * counts[0]:
        return f"{counts[1]} of {counts[0]} devices were well, at least {least:.0%} must be"
    return None


def _same(made: Path, withheld: Withheld, package: Mapping[str, Any]) -> bool:
    """Whether the tables say what the last issue says; Parquet's bytes may differ with the library's version."""
    then, now = hashes(package), sums_of(made)
    return withheld == package["withheld"] and all(
        then.get(name) == now.get(name) for name in then.keys() | now.keys() if name.endswith(".csv")
    )


def _record(conn: Connection[Any], day: date, issue: Path) -> None:
    package = read_package(issue)
    sums, rows = hashes(package), {resource["path"]: resource.get("rows") for resource in package["resources"]}
    for dataset in DATASETS:
        file, withheld = f"{dataset.name}.csv", package["withheld"][dataset.name]
        told = {
            "day": day, "dataset": dataset.name, "revision": int(issue.name[1:]),
            "sha256": sums.get(file), "rows": rows.get(file, 0),
            "withheld": [": ".join(filter(None, (one["device"], one["why"]))) for one in withheld],
            "left_out": [one["device"] for one in withheld if one["device"]], "personal": PERSONAL,
            "published_at": datetime.fromtimestamp((issue / PACKAGE).stat().st_mtime, UTC),
        }  # fmt: skip
        conn.execute(RECORD, told)
