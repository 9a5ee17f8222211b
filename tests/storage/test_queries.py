"""docs/data.md: its queries give its answers, and its tables are those of the schema."""

import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from ngatu.home import CHECKOUT
from ngatu.month.run import Month
from storage.described import tables

DOCUMENT: Path = CHECKOUT / "docs" / "data.md"
QUESTION = re.compile(r"^### \d+\. (.+?)\n.*?^```sql\n(.*?)^```\n\n^```text\n(.*?)^```", re.DOTALL | re.MULTILINE)
QUESTIONS = QUESTION.findall(DOCUMENT.read_text("utf-8"))


def answer(conn: psycopg.Connection, query: str) -> str:
    """What a query gives, as the document shows it."""
    found = conn.execute(query.encode())
    rows = [[column.name for column in found.description or ()]]
    rows += [["" if value is None else str(value) for value in row] for row in found.fetchall()]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    lines.insert(1, "-+-".join("-" * width for width in widths))
    return "".join(f"{line}\n" for line in lines)


def test_what_else_the_document_asks_can_be_asked(db: psycopg.Connection) -> None:
    queries = re.findall(r"^```sql\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert len(queries) > len(QUESTIONS)
    for query in queries:
        assert db.execute(query.encode()).fetchall() == []  # an empty city


def test_there_are_ten_questions() -> None:
    assert len(QUESTIONS) == 10


@pytest.mark.slow
@pytest.mark.timeout(800)
@pytest.mark.parametrize(
    ("query", "told"), [(query, told) for _, query, told in QUESTIONS], ids=[q for q, *_ in QUESTIONS]
)
def test_the_query_gives_the_answer_that_the_document_shows(month: Month, query: str, told: str) -> None:
    with psycopg.connect(month.place.dsn, autocommit=True) as conn:
        conn.execute("SET TimeZone = 'UTC'")
        assert answer(conn, query) == told


def ngatu_tables(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ngatu", "tables", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=60, cwd=CHECKOUT)


def test_the_document_and_the_schema_agree(dsn: str) -> None:
    """To bring it up to date: ngatu tables docs/data.md --dsn DSN, with a database that has been migrated."""
    told = ngatu_tables("docs/data.md", "--check", "--dsn", dsn)
    assert (told.returncode, told.stdout) == (0, "docs/data.md: up to date\n"), told.stderr


def test_a_document_that_is_out_of_date_is_noticed_and_mended(dsn: str, tmp_path: Path) -> None:
    old = tmp_path / "data.md"
    old.write_text(DOCUMENT.read_text("utf-8").replace("| `online` | bool |", "| `offline` | bool |"), "utf-8")
    assert ngatu_tables(str(old), "--check", "--dsn", dsn).returncode == 1
    assert ngatu_tables(str(old), "--dsn", dsn).returncode == 0
    assert old.read_text("utf-8") == DOCUMENT.read_text("utf-8")
    old.write_text("<!-- columns: nowhere -->\n<!-- end -->\n", "utf-8")
    assert "names the table 'nowhere', which is not in the schema" in ngatu_tables(str(old), "--dsn", dsn).stderr


def test_every_column_that_planners_meet_says_what_it_is(db: psycopg.Connection) -> None:
    schema = tables(db)
    told = set(re.findall(r"<!-- columns: (\w+) -->", DOCUMENT.read_text("utf-8")))
    assert [f"{name}.{c.name}" for name in sorted(told) for c in schema[name].columns if not c.comment] == []
    assert [table.name for table in schema.values() if not table.comment] == []
