"""Weekly and monthly reports: from raw rows through the DAGs' own steps to pages that people read."""

import io
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest
from playwright.sync_api import Page
from psycopg import IsolationLevel
from typer.testing import CliRunner

from ngatu.cli import build
from storage.quality import score_due_days
from storage.report_facts import ReportFacts, collect
from storage.report_issues import due_periods, list_issues, report_file
from storage.report_period import Period, parse_period
from tests.dags.weeks import END, NOW, WARD, lay_weeks
from tests.servers import PostgresServer

WEEK = parse_period("2026-W11")


@pytest.fixture(scope="module")
def laid(postgres_server: PostgresServer, template_db: str) -> Iterator[str]:
    """Name the database to copy from: two weeks of a ward."""
    with postgres_server.database(template_db) as dsn:
        lay_weeks(dsn)
        name = dsn.rsplit("/", 1)[1]
        postgres_server.execute(
            f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",  # TimescaleDB's workers too: a template has no visitors
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
        )
        yield name


@pytest.fixture
def dsn(postgres_server: PostgresServer, laid: str) -> Iterator[str]:
    with postgres_server.database(laid) as address:
        yield address


@pytest.fixture
def conn(connected: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(connected, autocommit=True) as conn:
        yield conn


def facts_of(conn: psycopg.Connection, period: Period = WEEK) -> ReportFacts:
    return collect(conn, WARD, period)


def run(dag: Any, **more: Any) -> dict[str, int]:
    dag.deadline = None  # Airflow 3.3's dag.test() takes it for the number of a stored one
    done = dag.test(logical_date=NOW, run_after=NOW, **more)
    assert done.state == "success"
    (told,) = [ti.xcom_pull(task_ids=ti.task_id) for ti in done.get_task_instances()]
    return dict(told)


def text_of(pdf: bytes) -> str:
    from pypdfium2 import PdfDocument

    document = PdfDocument(io.BytesIO(pdf))
    return "\n".join(page.get_textpage().get_text_range() for page in document)


def test_its_numbers_are_those_of_the_raw_rows(conn: psycopg.Connection) -> None:
    facts = facts_of(conn)
    plain = conn.execute(
        "SELECT (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date, sum(count), sum(count) / sum(count / speed_mps)"
        " FROM traffic WHERE class NOT IN ('person', 'bicycle') AND at >= %s AND at < %s"
        " AND NOT (device_id = 2 AND (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date = '2026-03-12') GROUP BY 1 ORDER BY 1",
        (END - timedelta(days=7), END),
    ).fetchall()
    assert [(day.day, day.vehicles) for day in facts.traffic] == [(day, count) for day, count, _ in plain]
    assert [day.speed_mps for day in facts.traffic] == pytest.approx([speed for *_, speed in plain], rel=1e-5)
    air = conn.execute(
        "SELECT avg(value) FROM reading WHERE series_id = 1 AND at >= %s AND at < %s GROUP BY"
        " (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date ORDER BY (at AT TIME ZONE 'Asia/Ho_Chi_Minh')::date",
        (END - timedelta(days=7), END),
    ).fetchall()
    pm = [day.mean for day in facts.air if day.series == "air/pm2_5"]
    assert pm == pytest.approx([mean for (mean,) in air])


def test_a_device_that_was_not_well_is_left_out_and_the_report_says_so(conn: psycopg.Connection) -> None:
    facts = facts_of(conn)
    (camera_b,) = [device for device in facts.devices if device.name == "camera-b"]
    assert (camera_b.scored, camera_b.well) == (7, 6)
    assert camera_b.reason.startswith("alive")
    thursday = facts.traffic[3]
    assert thursday.coverage == pytest.approx(2 / 3, rel=1e-3)
    assert thursday.vehicles < 0.8 * facts.traffic[2].vehicles


def test_the_same_numbers_are_no_correction_whatever_plan_the_database_makes(conn: psycopg.Connection) -> None:
    before = facts_of(conn)
    conn.execute("VACUUM ANALYZE")  # as autovacuum does, at any time
    after = facts_of(conn)
    assert before.hours != after.hours  # sums in another order differ in their last digits
    assert before.digest == after.digest
    (first, *others) = after.hours
    other = msgspec.structs.replace(first, vehicles=(first.vehicles or 0.0) + 0.01)
    assert msgspec.structs.replace(after, hours=(other, *others)).digest != after.digest


def test_nobody_on_foot_or_on_a_bicycle_can_be_picked_out(conn: psycopg.Connection) -> None:
    conn.execute("UPDATE traffic_1d SET count = 2 WHERE class = 'person' AND device_id = 1")
    conn.execute("UPDATE traffic_1d SET count = 0 WHERE class = 'person' AND device_id = 2")
    facts = facts_of(conn)
    people = [row.count for row in facts.classes if row.klass == "person"]
    assert None in people
    told = [row.count for row in facts.classes if row.klass in {"person", "bicycle"} and row.count is not None]
    assert told
    assert all(count % (2 * facts.smallest) == 0 for count in told)
    motor = sum(row.count or 0 for row in facts.classes if row.klass not in {"person", "bicycle"})
    assert sum(day.vehicles for day in facts.traffic) == pytest.approx(motor)


@pytest.mark.parametrize(("count", "told"), [(19, None), (20, 40)])
def test_how_few_on_foot_are_too_few_is_the_citys_word(
    conn: psycopg.Connection, count: int, told: float | None
) -> None:
    conn.execute("DELETE FROM city WHERE key = 'smallest_count'")
    conn.execute("INSERT INTO city (key, value) VALUES ('smallest_count', '20')")
    conn.execute("UPDATE traffic_1d SET count = 0 WHERE class = 'person'")
    conn.execute(
        "UPDATE traffic_1d t SET count = %s FROM (SELECT DISTINCT ON (bucket) * FROM traffic_1d WHERE class = 'person'"
        " AND device_id = 1 ORDER BY bucket, camera, zone, direction) o WHERE (t.bucket, t.device_id, t.camera, t.zone,"
        " t.class, t.direction) = (o.bucket, o.device_id, o.camera, o.zone, o.class, o.direction)",
        (count,),
    )
    assert {row.count for row in facts_of(conn).classes if row.klass == "person"} - {0} == {told}


def test_the_dag_issues_once_and_again_only_what_was_corrected(
    conn: psycopg.Connection, dag_of: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_NGATU_REPORTS", str(tmp_path))
    dag = dag_of("reports")
    assert [period.name for period in due_periods(conn)] == ["2026-W10", "2026-W11"]
    first = run(dag)
    assert (first["written"], first["changed"]) == (2, 0)
    folder = tmp_path / "2026-W11" / WARD
    names = {"report.vi.html", "report.vi.pdf", "report.en.html", "report.en.pdf"}
    assert {file.name for file in (folder / "r1").iterdir()} == names
    assert run(dag) == {"read": 0, "written": 0, "changed": 0}
    # A camera's hour came late: the day is computed and scored again, and its week issued again.
    conn.execute("UPDATE traffic SET count = 2 * count WHERE at >= %s AND device_id = 1", (END - timedelta(hours=1),))
    from storage.aggregates import backfill

    backfill(conn, END - timedelta(hours=1), END)
    score_due_days(conn)
    assert run(dag)["changed"] == 1
    assert sorted(path.name for path in folder.iterdir()) == ["r1", "r2"]
    (latest,) = list_issues(conn, kind="week", limit=1)
    assert (latest.start, latest.revision, latest.ward_name) == (WEEK.start, 2, "Phường Hoàn Kiếm")
    kept = report_file(conn, WEEK, WARD, "en", "html", revision=1)
    assert kept == (folder / "r1" / "report.en.html").read_bytes()
    assert facts_of(conn).corrected > 0


def test_any_range_is_made_again_by_hand(
    conn: psycopg.Connection, dag_of: Callable[[str], Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_NGATU_REPORTS", str(tmp_path))
    params = {"start": "2026-03-09", "end": "2026-03-15", "ward": WARD}
    assert run(dag_of("reports"), run_conf=params)["written"] == 1
    assert run(dag_of("reports"), run_conf=params)["written"] == 0
    assert [issue.start for issue in list_issues(conn)] == [WEEK.start]


def test_a_run_that_is_killed_half_way_leaves_nothing(
    conn: psycopg.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags.report import issue

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(issue, "record_issue", killed)
        with pytest.raises(KeyboardInterrupt):
            issue.issue_period(conn, tmp_path, WEEK)
    assert list_issues(conn) == []
    conn.isolation_level = IsolationLevel.READ_COMMITTED
    assert issue.issue_period(conn, tmp_path, WEEK).written == 1
    assert [path.name for path in (tmp_path / "2026-W11" / WARD).iterdir()] == ["r1"]


class Outline(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_the_page_needs_nothing_else_and_each_plot_has_its_words_and_its_table(conn: psycopg.Connection) -> None:
    from dags.report.issue import make_files

    files = make_files(facts_of(conn), 1)
    page = files["vi", "html"].decode()
    assert not re.search(r'(src|href)="(?!#)', page.replace("http://www.w3.org/1999/xlink", ""))
    outline = Outline()
    outline.feed(page)
    assert ("html", {"lang": "vi"}) in outline.tags
    figures = [found for tag, found in outline.tags if tag == "figure"]
    assert len(figures) == 5
    assert all(found["role"] == "img" and len(found["aria-label"] or "") > 40 for found in figures)
    assert sum(tag == "table" for tag, _ in outline.tags) == 6
    assert files == make_files(facts_of(conn), 1)  # to the byte


def test_the_pdf_prints_every_vietnamese_letter(conn: psycopg.Connection) -> None:
    from dags.report.issue import make_files

    told = text_of(make_files(facts_of(conn), 3)["vi", "pdf"])
    for words in ("Phường Hoàn Kiếm", "Tuần 11/2026", "Lưu lượng", "Chạy quá tốc độ", "không ngoại suy", "bản 3"):
        assert words in told


def test_a_ward_without_devices_says_so(conn: psycopg.Connection) -> None:
    from dags.report.issue import make_files

    files = make_files(collect(conn, "00082", WEEK), 1)
    assert "Chưa có thiết bị nào trong phường này" in files["vi", "html"].decode()
    assert "No device stands in this ward" in text_of(files["en", "pdf"])


def test_the_command_writes_a_page_that_a_browser_shows_without_trouble(dsn: str, tmp_path: Path, page: Page) -> None:
    options = ["report", "--ward", WARD, "--week", "2026-W11", "--out", str(tmp_path), "--dsn", dsn]
    told = CliRunner().invoke(build(), [*options, "--language", "en"])
    assert told.exit_code == 0, told.output
    file = tmp_path / f"{WARD}_2026-W11.en.html"
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(message.text))
    page.on("request", lambda request: trouble.append(request.url) if not request.url.startswith("file:") else None)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(file.as_uri())
    assert page.locator("h1").inner_text() == "Hoan Kiem Ward"
    page.locator("#volumes summary").click()
    assert page.locator("#volumes tbody tr").count() == 7
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
    assert trouble == []


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--week", "2026-W60"], "2026-W60"),
        (["--week", "2026-11"], ""),
        (["--month", "2026-11", "--week", "2026-W10"], "one period"),
        (["--week", "2026-W11", "--ward", "nowhere"], "no ward has the code nowhere"),
        (["--week", "2026-W11", "--language", "fr"], "vi and en"),
    ],
)
def test_a_wrong_wish_gets_one_clear_error(options: list[str], told: str, dsn: str, tmp_path: Path) -> None:
    wish = ["report", "--ward", WARD, "--out", str(tmp_path), "--dsn", dsn, *options]
    done = CliRunner().invoke(build(), wish)
    if told:
        assert done.exit_code == 1
        assert told in str(done.exception)
    else:
        assert done.exit_code == 0


def test_weeks_follow_the_citys_days_and_months_end_where_they_end() -> None:
    assert parse_period("2026-W53").end.isoformat() == "2027-01-04"
    assert parse_period("2026-02").end.isoformat() == "2026-03-01"
    assert parse_period("2026-W01").before.name == "2025-W52"
