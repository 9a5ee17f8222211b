from datetime import UTC, datetime, timedelta

import httpx
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import Page, expect

from console.doors import Throttle, TooManyAttemptsError
from storage import users
from tests.console.conftest import PASSWORD, Site
from tests.servers import WaitFor


def log_in(page: Page, site: Site, password: str, onward: str = "/") -> None:
    page.goto(f"{site.url}/login?next={onward}")
    page.fill("[name=name]", "minh")
    page.fill("[name=password]", password)
    page.click("button.btn-main")


def guess(site: Site) -> httpx.Response:
    return httpx.post(f"{site.url}/login", data={"name": "phuong", "password": "guess"})


def test_a_page_asks_who_you_are_and_then_shows_itself(page: Page, site: Site) -> None:
    page.goto(f"{site.url}/series")
    page.wait_for_url("**/login?next=/series")
    log_in(page, site, PASSWORD, "/series")
    page.wait_for_url(f"{site.url}/series")
    expect(page.locator("[data-find-series]")).to_be_visible()


def test_a_wrong_password_is_refused_and_guessing_is_slowed_down(page: Page, site: Site, wait_for: WaitFor) -> None:
    log_in(page, site, "wrong")
    expect(page.locator("[role=alert]")).to_be_visible()
    assert page.context.cookies() == []
    answers = [guess(site) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [401] * 4
    wait_for(lambda: int(guess(site).headers.get("retry-after", 0)) >= 4)  # it doubles: 1, 2, 4
    right = httpx.post(f"{site.url}/login", data={"name": "phuong", "password": PASSWORD})
    assert right.status_code == 429
    assert int(right.headers["retry-after"]) >= 1
    other = httpx.post(f"{site.url}/login", data={"name": "lan", "password": PASSWORD})
    assert other.status_code == 303


def test_basic_is_refused_and_slowed_down_too(site: Site, wait_for: WaitFor) -> None:
    def ask(password: str) -> httpx.Response:
        return httpx.get(f"{site.url}/api/devices", auth=("tam", password))

    assert [ask(f"guess {n}").status_code for n in range(4)] == [401] * 4
    wait_for(lambda: ask("guess").status_code == 429)


def test_nothing_typed_into_the_form_becomes_markup(site: Site) -> None:
    name = '"><script>alert(1)</script>'
    answer = httpx.post(f"{site.url}/login", data={"name": name, "password": "x", "next": name})
    assert answer.status_code == 401
    assert "<script>alert" not in answer.text


def test_passwords_and_sessions_are_kept_only_as_hashes(site: Site) -> None:
    import psycopg

    key = site.session("admin")
    with psycopg.connect(site.dsn) as conn:
        kept = conn.execute("SELECT password FROM console_user").fetchall()
        keys = conn.execute("SELECT encode(sha256, 'escape') FROM console_key").fetchall()
    assert all(password.startswith("$argon2id$") for (password,) in kept)
    assert not any(key in found for (found,) in keys)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_wait_doubles_and_ends_at_five_minutes() -> None:
    clock = Clock()
    throttle = Throttle(clock)
    throttle.attempt({"lan": 3})
    throttle.attempt({"lan": 3})
    waits = []
    for _ in range(12):
        throttle.attempt({"lan": 3})
        with pytest.raises(TooManyAttemptsError) as told:
            throttle.attempt({"lan": 3})
        waits.append(told.value.seconds)
        clock.now += told.value.seconds
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


@given(st.lists(st.sampled_from("abc"), max_size=60))
def test_nobody_waits_for_what_others_did(names: list[str]) -> None:
    throttle = Throttle(Clock())
    for name in names:
        try:
            throttle.attempt({name: 3})
        except TooManyAttemptsError:
            assert names.count(name) > 3
    throttle.attempt({"d": 3})


def test_the_throttle_forgets_the_oldest_when_it_is_full() -> None:
    throttle = Throttle(Clock(), most=100)
    for n in range(1000):
        throttle.attempt({str(n): 1})
    assert len(throttle._failures) == 100


def test_a_token_is_made_shown_once_used_by_a_program_and_ended(page: Page, site: Site) -> None:
    log_in(page, site, PASSWORD, "/account")
    page.fill("[name=label]", "nightly <b>export</b>")
    page.click("form[action='/account/tokens'] button")
    token = page.locator("[role=status] input").input_value()
    page.goto(f"{site.url}/account")
    expect(page.locator("tbody tr")).to_contain_text("nightly <b>export</b>")
    assert token not in page.content()
    bearer = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{site.url}/api/devices", headers=bearer).status_code == 200
    page.click("tbody button")
    expect(page.locator("tbody tr")).to_have_count(0)
    assert httpx.get(f"{site.url}/api/devices", headers=bearer).status_code == 401


def test_nobody_ends_the_token_of_somebody_else(site: Site) -> None:
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        users.add_key(conn, "tam", bytes(32), "token", datetime.now(UTC) + timedelta(days=1), "export")
        (token,) = users.tokens_of(conn, "tam")
        with httpx.Client(base_url=site.url) as browser:
            browser.post("/login", data={"name": "lan", "password": PASSWORD})
            browser.post(f"/account/tokens/{token.id}/end")
        assert users.tokens_of(conn, "tam") == [token]
        assert users.end_token(conn, "tam", token.id)


def test_a_password_is_changed_by_who_knows_the_old_one_and_ends_all_sessions(site: Site) -> None:
    new = "another password"
    with httpx.Client(base_url=site.url, headers={"Accept-Language": "en"}) as browser:
        browser.post("/login", data={"name": "hoa", "password": PASSWORD})
        refused = browser.post("/account/password", data={"old": "wrong", "new": new})
        assert "present password is wrong" in refused.text
        assert browser.post("/account/password", data={"old": PASSWORD, "new": new}).status_code == 303
        assert browser.get("/api/devices").status_code == 401
        assert browser.post("/login", data={"name": "hoa", "password": PASSWORD}).status_code == 401
        assert browser.post("/login", data={"name": "hoa", "password": new}).status_code == 303


def test_another_site_cannot_make_a_token_in_my_name(site: Site) -> None:
    with httpx.Client(base_url=site.url) as browser:
        browser.post("/login", data={"name": "lan", "password": PASSWORD})
        forged = browser.post("/account/tokens", data={"label": "x"}, headers={"Origin": "https://elsewhere.example"})
        assert forged.status_code == 403
