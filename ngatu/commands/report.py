"""`ngatu report`: a ward's week or month as an HTML page and a PDF, without Airflow."""

import os
from pathlib import Path
from typing import Annotated

import typer

from ngatu.process.child import ChildFailed


def report(
    *,
    ward: Annotated[str, typer.Option(help="its code, as 00070")],
    week: Annotated[str | None, typer.Option(help="2026-W46")] = None,
    month: Annotated[str | None, typer.Option(help="2026-11")] = None,
    language: Annotated[str, typer.Option(help="vi or en")] = "vi",
    out: Annotated[Path, typer.Option(help="folder to write into")] = Path(),
    dsn: Annotated[str | None, typer.Option(help="else NGATU_DSN")] = None,
) -> None:
    """Write WARD_PERIOD.LANGUAGE.html and .pdf from the numbers as they stand now; nothing is issued."""
    from psycopg import IsolationLevel

    from dags.report.issue import make_files
    from dags.report.words import LANGUAGES
    from storage.connect import connect
    from storage.report_facts import UnknownWard, collect
    from storage.report_period import BadPeriod, parse_period

    if language not in LANGUAGES:
        raise ChildFailed(f"--language {language}: there is {' and '.join(LANGUAGES)}")
    if (week is None) == (month is None):
        raise ChildFailed("name one period: --week 2026-W46 or --month 2026-11")
    address = dsn or os.environ.get("NGATU_DSN")
    if not address:
        raise ChildFailed("which database? give --dsn or set NGATU_DSN")
    try:
        period = parse_period(week or month or "")
        with connect(address, application="ngatu report") as conn:
            conn.isolation_level = IsolationLevel.REPEATABLE_READ
            with conn.transaction():
                facts = collect(conn, ward, period)
    except (BadPeriod, UnknownWard) as error:
        raise ChildFailed(str(error)) from error
    out.mkdir(parents=True, exist_ok=True)
    for (told, form), data in make_files(facts, 1, [found for found in LANGUAGES if found == language]).items():
        path = out / f"{ward}_{period.name}.{told}.{form}"
        path.write_bytes(data)
        print(path)
