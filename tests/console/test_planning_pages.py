"""The pages of data quality and open data, in a browser; the open files, for anybody."""

import json
from collections.abc import Iterator

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from console.doors import add_user
from console.words import CATALOGUE
from ngatu.process.child import Child
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from storage.aggregate_watch import note_alarm
from storage.publish import publish_due_days
from tests.console.conftest import PASSWORD, OpenPage, Site, program
from tests.servers import PostgresServer
from tests.storage.conftest import PUBLISHED_DAY, fill_day

WHY = [
    {"word": "alive", "value": None, "threshold": 600.0},
    {
        "word": "complete", "value": 0.42, "threshold": 0.9, "least": [["air/pm25", 0.42]],
        "missing": 7, "explained": 3,
    },
]  # fmt: skip


@pytest.fixture(scope="module")
def site(
    postgres_server: PostgresServer, template_db: str, guard: Guard, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A console that has the folder of open data, of one day in two issues."""
    folder = tmp_path_factory.mktemp("open-data")
    with postgres_server.database(template_db) as dsn:
        with psycopg.connect(dsn, autocommit=True) as conn:
            fill_day(conn, dsn)
            conn.execute("UPDATE quality_1d SET why = %s, complete = 0.42 WHERE NOT well", (json.dumps(WHY),))
            publish_due_days(conn, folder)
            conn.execute("UPDATE reading_1h SET mean = 13, revision = 2")
            publish_due_days(conn, folder)
            add_user(conn, "phuong", PASSWORD, "planner")
        port = free_port()
        log = tmp_path_factory.mktemp("console") / "log"
        child = Child(program(dsn, port, log, NGATU_OPEN_DATA=str(folder)), guard)
        running = Site(url=f"http://127.0.0.1:{port}", dsn=dsn, process=child)
        child.start()
        child.wait_ready(running.healthy, timeout=60)
        yield running
        child.stop()


def test_the_scorecard_shows_the_worst_first_with_the_reason_in_words(open_page: OpenPage) -> None:
    page = open_page("/quality", "phuong")
    rows = page.locator(".scores tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.first).to_have_attribute("data-name", "bad")
    expect(rows.first).to_contain_text("Alive: nothing came that day")
    expect(rows.first).to_contain_text("42.0 % of at least 90 %; least: air/pm25 42 %; 7 messages missing; 3 given up")
    expect(page.locator("[data-city]")).to_contain_text("1 of 2 devices are well")
    page.fill("[data-find]", "given up")
    expect(rows).to_have_count(1)


def test_the_scorecard_speaks_vietnamese_and_knows_the_wards_of_any_day(open_page: OpenPage) -> None:
    page = open_page("/quality", "phuong", language="vi")
    expect(page.locator(".scores")).to_contain_text("cả ngày không có số liệu")
    page.click("[data-by=ward]")
    expect(page.locator(".scores tbody")).to_contain_text("Phường Hoàn Kiếm")
    page.fill("[data-wards-of]", "2025-06-30")
    expect(page.locator(".scores tbody")).to_contain_text("Phường Hàng Trống")


def test_what_does_not_keep_up_is_told_above_the_scores_and_to_prometheus(open_page: OpenPage, site: Site) -> None:
    page = open_page("/quality", "phuong")
    expect(page.locator("[data-city]")).to_be_visible()
    expect(page.locator("[data-behind]")).to_have_count(0)
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        conn.execute(
            "INSERT INTO closing (source, level, closed_until, computed_until) VALUES"
            " ('reading', '15m', now(), now() - interval '50 minutes'), ('traffic', '1d', now(), now()),"
            " ('traffic', '1h', now(), now() - interval '5 hours')"
        )
        for kind, dag in [("overdue", "reports"), ("failed", "late"), ("failed", "late")]:
            note_alarm(conn, kind=kind, dag=dag, task=None, run="r", detail="no")
        page.reload()
        notices = page.locator("[data-behind] li")
        expect(notices).to_have_text(
            [
                "Aggregates are behind: Traffic by hour, 5 h.",
                "Aggregates are behind: Readings by 15 minutes, 50 min.",
                "The job late failed in the last 24 hours (2); see `ngatu aggregates status`.",
                "The job reports missed its deadline in the last 24 hours (1); see `ngatu aggregates status`.",
            ]
        )
        page = open_page("/quality", "phuong", language="vi")
        expect(page.locator("[data-behind] li").first).to_have_text(
            "Số liệu tổng hợp chưa kịp: Giao thông, giờ, chậm 5 giờ."
        )
        told = httpx.get(f"{site.url}/metrics").text
        assert 'ngatu_aggregate_overdue{level="1h",source="traffic"} 1.0' in told
        assert 'ngatu_aggregate_overdue{level="1d",source="traffic"} 0.0' in told
        assert 'ngatu_dag_troubles{dag="late",kind="failed"} 2.0' in told
        conn.execute("DELETE FROM dag_alarm")
        conn.execute("DELETE FROM closing")
    assert "ngatu_dag_troubles{" not in httpx.get(f"{site.url}/metrics").text


def test_open_data_shows_issues_files_and_what_is_withheld_and_why(open_page: OpenPage, site: Site) -> None:
    page = open_page("/publications", "phuong")
    day = page.locator(f"[data-day='{PUBLISHED_DAY}']")
    expect(day.locator("[data-revision]")).to_contain_text("corrected, issue 2")
    expect(day.locator("[data-earlier]")).to_contain_text("r1")
    day.locator("[data-dataset=readings] summary").click()
    expect(day.locator("[data-dataset=readings]")).to_contain_text("bad: correct: 50%")
    link = day.locator("[data-dataset=readings] .files a").first
    with page.expect_download() as download:
        link.click()
    assert "13" in download.value.path().read_text("utf-8")
    assert httpx.get(f"{site.url}{page.get_attribute('[data-catalogue]', 'href')}").json()["@type"] == "dcat:Catalog"


def test_anybody_gets_the_files_and_nothing_else_of_the_folder(site: Site) -> None:
    home = f"{site.url}/open-data/{PUBLISHED_DAY}/r2"
    answer = httpx.get(f"{home}/devices.geojson")
    assert answer.headers["content-type"] == "application/geo+json"
    assert httpx.get(f"{home}/readings.csv").headers["content-type"].startswith("text/csv")
    for path in ("../../../etc/passwd", "%2e%2e/%2e%2e/etc/passwd", ".making/readings.csv", "", str(PUBLISHED_DAY)):
        assert httpx.get(f"{site.url}/open-data/{path}").status_code in {404, 405}
    assert httpx.get(f"{site.url}/api/open-data").status_code == 401
    assert httpx.get(f"{site.url}/api/quality").status_code == 401


def test_the_api_gives_a_days_words_by_device_ward_and_city(site: Site) -> None:
    with site.api("phuong") as api:
        told = api.get("/api/quality", params={"day": str(PUBLISHED_DAY)}).json()
        assert [device["device"] for device in told["devices"]] == ["bad", "good"]
        assert told["city"]["devices"] == 2
        assert {ward["name"] for ward in told["wards"]} == {"Phường Hoàn Kiếm"}
        assert api.get("/api/quality", params={"day": "2020-01-01"}).json()["city"] is None


def test_every_reason_has_words_in_both_languages() -> None:
    for word in ("correct", "complete", "clean", "calibrated", "alive", "shared"):
        assert {f"word.{word}", f"why.{word}"} <= CATALOGUE.keys()
