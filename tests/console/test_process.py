import socket
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import expect

from console.settings import BadSettingError, settings_from
from ngatu.process.child import Child
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from storage.migrate import migrate
from tests.console.city import settle
from tests.console.conftest import OpenPage, Start, program
from tests.servers import PostgresServer, WaitFor


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({}, "NGATU_DSN is missing"),
        ({"NGATU_DSN": "x", "NGATU_PORT": "http"}, "NGATU_PORT='http'"),
        ({"NGATU_DSN": "x", "NGATU_ADMIN_PASSWORD": "admin"}, "NGATU_ADMIN_PASSWORD is too short"),
        ({"NGATU_DSN": "x", "NGATU_STORAGE_SECRET": "short"}, "NGATU_STORAGE_SECRET is too short"),
    ],
)
def test_a_wrong_setting_is_named(environ: dict[str, str], says: str) -> None:
    with pytest.raises(BadSettingError, match=says):
        settings_from(environ)


def test_secrets_are_not_in_what_a_log_would_show() -> None:
    settings = settings_from(
        {
            "NGATU_DSN": "postgresql://u:hush@h/d",
            "NGATU_ADMIN_PASSWORD": "hush-hush",
            "NGATU_STORAGE_SECRET": "hush" * 4,
        }
    )
    assert "hush" not in repr(settings)


def test_a_taken_port_is_one_clear_line(guard: Guard, tmp_path: Path, wait_for: WaitFor) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        child = Child(program("postgresql://127.0.0.1:1/x", taken.getsockname()[1], tmp_path / "log"), guard)
        child.start()
        wait_for(lambda: not child.running, 60)
    assert child.exit_code == 1
    lines = (tmp_path / "log").read_text().splitlines()
    assert len(lines) == 1
    assert "set NGATU_HOST and NGATU_PORT to a free one" in lines[0]


def test_without_a_database_it_says_so_once_and_keeps_trying_and_leaves_when_asked(
    guard: Guard, tmp_path: Path, wait_for: WaitFor
) -> None:
    port = free_port()
    child = Child(program(f"postgresql://127.0.0.1:{free_port()}/none", port, tmp_path / "log"), guard)
    child.start()
    try:
        wait_for(lambda: "database=away" in (tmp_path / "log").read_text(), 60)
        told = httpx.get(f"http://127.0.0.1:{port}/healthz")
        assert told.status_code == 503
        assert len(told.json()["reasons"]) == 2
        assert httpx.get(f"http://127.0.0.1:{port}/login").status_code == 200
        refused = httpx.get(f"http://127.0.0.1:{port}/api/devices", auth=("admin", "x"))
        assert refused.status_code == 503
        assert "try again" in refused.json()["detail"]
    finally:
        child.stop()
    assert child.exit_code == 0
    assert (tmp_path / "log").read_text().count("database=away") == 1
    assert "Traceback" not in (tmp_path / "log").read_text()


def test_a_database_without_the_schema_is_waited_for(
    start_console: Start, empty_dsn: str, guard: Guard, tmp_path: Path, wait_for: WaitFor
) -> None:
    del start_console
    port = free_port()
    child = Child(program(empty_dsn, port, tmp_path / "log"), guard)
    child.start()
    try:
        wait_for(lambda: "database=away" in (tmp_path / "log").read_text(), 60)
        migrate(empty_dsn)
        wait_for(lambda: httpx.get(f"http://127.0.0.1:{port}/healthz").is_success, 40)
    finally:
        child.stop()


def test_an_open_page_tells_of_a_stopped_database_and_recovers_with_it(
    private_postgres: PostgresServer, start_console: Start, open_page: OpenPage, wait_for: WaitFor
) -> None:
    private_postgres.execute("CREATE DATABASE city")
    dsn = private_postgres.cluster.dsn("city")
    migrate(dsn)
    with start_console(dsn) as site:
        with psycopg.connect(dsn, autocommit=True) as conn:
            settle(conn)
        page = open_page(at=site)
        page.wait_for_selector("[data-last-message]")
        with private_postgres.stopped():
            expect(page.locator("[data-banner]")).to_contain_text("The database is away", timeout=40_000)
            assert not site.healthy()
            waiting = httpx.get(site.url, cookies={"ngatu_session": page.context.cookies()[0]["value"]})
            assert waiting.status_code == 503
            assert 'http-equiv="refresh"' in waiting.text
        wait_for(site.healthy, 40)
        with psycopg.connect(dsn, autocommit=True) as conn:
            city = settle(conn)
            made = city.incident()
        expect(page.locator(f'.row[data-incident-id="{made.id}"]')).to_be_visible(timeout=20_000)
        city_back = page.locator("[data-banner]")
        expect(city_back).to_have_count(0, timeout=30_000)
