"""Reports into a folder and the database: made beside, put in place at once, the same numbers never twice.

`FOLDER/2026-W46/<ward>/r1/report.vi.html`, `.vi.pdf`, `.en.html`, `.en.pdf`; a corrected one is r2.
"""

import logging
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

from psycopg import Connection, IsolationLevel

from dags.report.page import as_html
from dags.report.paper import as_pdf
from dags.report.sections import compose
from dags.report.words import LANGUAGES, Language, Words
from storage.aggregates import Done
from storage.report_facts import ReportFacts, collect
from storage.report_issues import (
    due_periods,
    last_issue,
    record_checked,
    record_issue,
    reports_locked,
    wards_with_devices,
)
from storage.report_period import Kind, Period, period_of

log: Final = logging.getLogger(__name__)

Files = Mapping[tuple[str, str], bytes]  # by language and format


def issue_due(conn: Connection[Any], folder: Path) -> Done:
    """Issue every report that is due; return numbers read, reports written, and how many of those were corrections."""
    return sum((issue_period(conn, folder, period) for period in due_periods(conn)), Done())


def issue_period(conn: Connection[Any], folder: Path, period: Period, wards: Sequence[str] | None = None) -> Done:
    """Issue a week's or month's reports: of every ward with a device, or of these. Safe to repeat.

    Raises:
        UnknownWard: one of `wards` did not hold on its last day.
    """
    conn.isolation_level = IsolationLevel.REPEATABLE_READ  # a report's numbers are of one moment
    done = Done()
    with reports_locked(conn) as looked_at:
        for ward in wards if wards is not None else wards_with_devices(conn, period.days[-1]):
            done += _issue(conn, folder, period, ward)
        if wards is None:
            record_checked(conn, period, looked_at)
    log.info("reported period=%s read=%d written=%d changed=%d", period.name, done.read, done.written, done.changed)
    return done


def issue_range(conn: Connection[Any], folder: Path, first: date, last: date, *, ward: str | None = None) -> Done:
    """Issue every week and month that lies within [first, last]."""
    kinds: tuple[Kind, ...] = ("week", "month")
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    periods = {period_of(kind, day) for day in days for kind in kinds}
    inside = sorted(found for found in periods if found.start >= first and found.end <= last + timedelta(days=1))
    wards = None if ward is None else [ward]
    return sum((issue_period(conn, folder, period, wards) for period in inside), Done())


def make_files(facts: ReportFacts, revision: int, languages: Iterable[Language] = LANGUAGES) -> Files:
    """The files of a report, by (language, format); the same facts give the same bytes."""
    files: dict[tuple[str, str], bytes] = {}
    for language in languages:
        report = compose(facts, Words(language), revision)
        files[language, "html"] = as_html(report)
        files[language, "pdf"] = as_pdf(report, facts.as_of)
    return files


def _issue(conn: Connection[Any], folder: Path, period: Period, ward: str) -> Done:
    with conn.transaction():
        facts = collect(conn, ward, period)
        last, digest = last_issue(conn, facts)
        read = sum(len(rows) for rows in (facts.traffic, facts.classes, facts.hours, facts.incidents, facts.air))
        if digest == facts.digest:
            return Done(read=read)
        revision = last + 1
        files = make_files(facts, revision)
        with put(folder / period.name / ward / f"r{revision}") as made:
            for (language, form), data in files.items():
                (made / f"report.{language}.{form}").write_bytes(data)
        record_issue(conn, facts, revision, files)
    return Done(read=read, written=1, changed=int(revision > 1))


@contextmanager
def put(target: Path) -> Iterator[Path]:
    """A folder to write into; it becomes `target` at the end, or nothing is left of it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    made = target.with_name(f".making-{os.getpid()}")
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir()
    try:
        yield made
        if target.exists():  # a run was killed before it was recorded
            target.rename(made / ".unrecorded")
            shutil.rmtree(made / ".unrecorded")
        made.rename(target)
    finally:
        shutil.rmtree(made, ignore_errors=True)
