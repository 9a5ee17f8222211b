import psycopg
from playwright.sync_api import Page


def test_a_fresh_database_has_timescaledb_at_hand(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute("CREATE EXTENSION timescaledb")
        row = conn.execute("SELECT current_setting('timescaledb.license'), current_setting('fsync')").fetchone()
    assert row == ("apache", "on")


def test_two_databases_in_one_test_run_do_not_meet(empty_dsn: str) -> None:
    with psycopg.connect(empty_dsn, autocommit=True) as conn:
        conn.execute("CREATE TABLE once (n int)")


def test_two_databases_in_one_test_run_do_not_meet_again(empty_dsn: str) -> None:
    test_two_databases_in_one_test_run_do_not_meet(empty_dsn)


def test_chromium_shows_a_page(page: Page) -> None:
    page.set_content("<h1>Ngã Tư</h1>")
    assert page.inner_text("h1") == "Ngã Tư"
