from datetime import UTC, datetime, timedelta

import msgspec
from playwright.sync_api import Page, expect
from ulid import ULID

from events.incident import Place
from storage.alerts import act
from storage.registry import ensure_devices
from tests.console.city import City
from tests.console.conftest import OpenPage, Site
from tests.servers import WaitFor

# Notes when each alert's element came, without asking the server anything.
WATCH = """
() => {
  window.came = {};
  new MutationObserver((changes) => {
    for (const change of changes) for (const node of change.addedNodes) {
      const row = node.dataset?.incidentId ? node : node.querySelector?.("[data-incident-id]");
      if (row) window.came[row.dataset.incidentId] ??= Date.now() - Date.parse(row.dataset.decidedAt);
    }
  }).observe(document.body, { childList: true, subtree: true });
  window.loaded = true;
}"""


def row(page: Page, incident: str) -> str:
    del page
    return f'.row[data-incident-id="{incident}"]'


def test_a_new_alert_appears_without_reload_within_a_second_of_its_commit_with_its_still(
    desk: Page, city: City
) -> None:
    desk.evaluate(WATCH)
    made = city.incident(still=True)
    desk.wait_for_selector(f'{row(desk, made.id)}[data-still="1"] img')
    assert desk.evaluate("id => window.came[id]", made.id) < 1000
    assert desk.evaluate("window.loaded")  # the same document
    desk.wait_for_function(
        "s => { const i = document.querySelector(s + ' img'); return i && i.naturalWidth === 640 }",
        arg=row(desk, made.id),
    )


def test_a_still_that_comes_after_its_incident_is_shown_too(desk: Page, city: City) -> None:
    made = city.incident()
    desk.wait_for_selector(f'{row(desk, made.id)}[data-still="0"]')
    city.still(made)
    desk.wait_for_selector(f'{row(desk, made.id)}[data-still="1"]')


def test_a_higher_revision_replaces_the_alert_where_it_stands(desk: Page, city: City) -> None:
    made = city.incident()
    desk.wait_for_selector(row(desk, made.id))
    city.revise(made, state="end", kind="collision", severity="critical", ended_at=datetime.now(UTC))
    changed = desk.wait_for_selector(f'{row(desk, made.id)}[data-rev="2"][data-state="end"]')
    assert changed is not None
    assert "Collision" in changed.inner_text()
    assert "Over" in changed.inner_text()


def test_why_where_and_what_model_are_said_in_words(desk: Page, city: City) -> None:
    made = city.incident(still=True)
    desk.click(row(desk, made.id))
    expect(desk.locator("[data-why]")).to_contain_text("Car stood 14 s in lane-2")
    expect(desk.locator("[data-why]")).to_contain_text("passed by 3")
    expect(desk.locator(".detail .facts")).to_contain_text("87 %")
    expect(desk.locator("[data-model]")).to_contain_text("tiny")
    expect(desk.locator("[data-model]")).to_contain_text("fetch a better one")
    expect(desk.locator(".overlay .box")).to_have_attribute("width", "120")


def test_acknowledging_shows_who_and_when_on_another_open_page(desk: Page, open_page: OpenPage, city: City) -> None:
    other = open_page(name="minh")
    made = city.incident()
    for page in (desk, other):
        page.click(row(page, made.id))
    desk.click("[data-act=acknowledge]")
    other.wait_for_selector(f'{row(other, made.id)}[data-status="acknowledged"]')
    expect(other.locator("[data-history]")).to_contain_text("lan acknowledged")
    expect(other.locator(f"{row(other, made.id)} .taken")).to_contain_text("lan")
    expect(other.locator("[data-act=acknowledge]")).to_be_disabled()


def test_of_two_who_acknowledge_at_once_the_second_is_told_who_was_quicker(
    desk: Page, open_page: OpenPage, city: City, site: Site
) -> None:
    other = open_page(name="minh")
    made = city.incident()
    other.click(row(other, made.id))
    # minh's click is on its way while lan's arrives first
    with site.api("lan") as api:
        other.route(
            "**/actions",
            lambda route: (
                api.post(f"/api/incidents/{made.id}/actions", json={"action": "acknowledge"}),
                route.continue_(),
            )[1],
        )
        other.click("[data-act=acknowledge]")
        expect(other.locator("[data-toast]")).to_contain_text("lan was quicker")
    expect(desk.locator(f"{row(desk, made.id)} .taken")).to_contain_text("lan")


def test_a_key_acknowledges_the_focused_alert_and_another_takes_it_back(desk: Page, city: City) -> None:
    made = city.incident()
    desk.locator(row(desk, made.id)).focus()
    desk.keyboard.press("a")
    desk.wait_for_selector(f'{row(desk, made.id)}[data-status="acknowledged"]')
    desk.keyboard.press("u")
    desk.wait_for_selector(f'{row(desk, made.id)}[data-status="new"]')


def test_keys_typed_into_a_note_act_on_nothing(desk: Page, city: City) -> None:
    made = city.incident()
    desk.click(row(desk, made.id))
    desk.fill(".note input >> nth=0", "")
    desk.locator(".note input").first.type("raf <img src=x onerror=alert(1)>")
    desk.keyboard.press("Enter")
    expect(desk.locator("[data-history] q")).to_have_text("raf <img src=x onerror=alert(1)>")
    assert desk.locator("[data-history] img").count() == 0
    assert desk.get_attribute(row(desk, made.id), "data-status") == "new"


def test_an_alert_under_the_pointer_stays_there_when_others_arrive(desk: Page, city: City) -> None:
    for _ in range(12):
        last = city.incident()
    desk.wait_for_selector(row(desk, last.id))
    desk.hover(f".row >> nth={3}")
    under = desk.evaluate("document.querySelector('.row:hover').dataset.incidentId")
    before = desk.locator(row(desk, under)).bounding_box()
    for _ in range(3):
        last = city.incident()
    desk.wait_for_selector(row(desk, last.id), state="attached")
    desk.wait_for_function("n => document.querySelectorAll('.pill').length === n", arg=1)
    assert desk.locator(row(desk, under)).bounding_box() == before
    desk.click(".pill")
    desk.wait_for_function("document.querySelector('.list').scrollTop === 0")


def test_an_incident_that_arrives_late_says_so(desk: Page, city: City) -> None:
    made = city.incident(at=datetime.now(UTC) - timedelta(hours=2))
    desk.click(row(desk, made.id))
    expect(desk.locator(".detail .facts")).to_contain_text("arrived 2 h late")


def test_a_silent_city_is_not_shown_as_a_quiet_one(desk: Page, city: City) -> None:
    city.heard(ago=120)
    expect(desk.locator("[data-banner]")).to_contain_text("No device has been heard for", timeout=20_000)
    city.heard()
    expect(desk.locator("[data-banner]")).to_have_count(0, timeout=20_000)


def test_filters_keep_what_passes_and_the_empty_list_says_why(desk: Page, city: City) -> None:
    made = city.incident(kind="debris", severity="info", zone="bridge-9")
    desk.wait_for_selector(row(desk, made.id))
    desk.fill("input[type=search]", "bridge-9")
    expect(desk.locator(".row")).to_have_count(1)
    desk.fill("input[type=search]", "no such place")
    expect(desk.locator("[data-empty]")).to_contain_text("No alert passes the filter")
    desk.click("[data-empty] button")
    expect(desk.locator(row(desk, made.id))).to_have_count(1)


def test_a_planner_sees_alerts_and_no_buttons(open_page: OpenPage, city: City) -> None:
    made = city.incident()
    page = open_page(name="phuong")
    page.click(row(page, made.id))
    expect(page.locator(".detail h1")).to_have_text("Stopped vehicle")
    assert page.locator("[data-act]").count() == 0


def test_the_page_speaks_vietnamese_and_english(open_page: OpenPage, city: City) -> None:
    made = city.incident(kind="illegal_uturn")
    page = open_page(language="vi-VN")
    expect(page.locator(row(page, made.id))).to_contain_text("Quay đầu sai quy định")
    page.click(".menu summary")
    page.click(".menu a[lang=en]")
    expect(page.locator(row(page, made.id))).to_contain_text("Illegal U-turn")


def test_a_session_that_has_ended_leads_to_the_login_page(open_page: OpenPage, city: City) -> None:
    made = city.incident()
    page = open_page(name="tam")
    page.click(row(page, made.id))
    city.conn.execute("DELETE FROM console_key USING console_user u WHERE u.id = user_id AND u.name = 'tam'")
    page.click("[data-act=acknowledge]")
    page.wait_for_url("**/login?next=*")


def test_a_flood_of_five_hundred_does_not_freeze_the_page(desk: Page, city: City, wait_for: WaitFor) -> None:
    desk.evaluate("""() => {
      window.longest = 0;
      let last = performance.now();
      const tick = (now) => {
        window.longest = Math.max(window.longest, now - last);
        last = now;
        requestAnimationFrame(tick);
      };
      requestAnimationFrame(tick);
    }""")
    last = [city.incident() for _ in range(500)][-1]
    desk.wait_for_selector(row(desk, last.id), timeout=20_000)
    wait_for(lambda: int(desk.inner_text("[data-tab=all] .count")) >= 500, 20)
    assert desk.evaluate("window.longest") < 1000
    desk.click(row(desk, last.id))
    desk.click("[data-act=acknowledge]")
    expect(desk.locator("[data-history]")).to_contain_text("lan acknowledged", timeout=2000)
    assert desk.locator(".row").count() <= 120


def test_one_event_that_two_cameras_saw_is_one_card_and_one_click(desk: Page, city: City) -> None:
    place = Place(box=(100.0, 120.0, 220.0, 260.0), error_m=0.5, latitude=21.0251, longitude=105.8523)
    first = city.incident(place=place)
    desk.wait_for_selector(row(desk, first.id))
    other = msgspec.structs.replace(first, id=str(ULID()), camera="south")
    device = ensure_devices(city.conn, ["camera-b"])["camera-b"]
    city.store(other, device=device)
    expect(desk.locator(f"{row(desk, first.id)} [data-linked]")).to_have_text("also seen by camera-b south")
    expect(desk.locator(row(desk, other.id))).to_have_count(0)
    act(city.conn, first.id, "resolve", "lan")
    expect(desk.locator(row(desk, first.id))).to_have_count(0)
    expect(desk.locator(row(desk, other.id))).to_have_count(0)
