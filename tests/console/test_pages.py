import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from console.pages import frame
from console.words import CATALOGUE
from events.incident import Place
from storage.aggregates import aggregate
from storage.level import LEVELS
from storage.wards import Ward, load_wards
from tests.console.city import City
from tests.console.conftest import OpenPage

WARD = Ward(
    code="00367",
    name="Phường <b>Thanh Xuân</b>",
    name_en=None,
    kind="phường",
    district=None,
    province="Hà Nội",
    latitude=21.0,
    longitude=105.8,
    area_km2=3.24,
)
NOW = datetime.now(UTC).replace(microsecond=0)
CSS = (Path(frame.__file__).parent.parent / "static" / "console.css").read_text("utf-8")


@pytest.fixture(scope="module")
def measured(city: City) -> int:
    """A series of a day and a half by minutes, with a hole of three hours, and counts; aggregated."""
    minutes = [n for n in range(36 * 60) if not 600 < n < 780]
    series = city.readings("street/noise", [(NOW - timedelta(minutes=n), 50.0 + n % 7, 0) for n in minutes])
    for n in range(0, 600, 5):
        city.traffic(NOW.replace(second=0) - timedelta(minutes=n), 6, trusted=n > 100)
        city.traffic(NOW.replace(second=0) - timedelta(minutes=n), 2, "car")
    for level in LEVELS.values():
        aggregate(city.conn, level)
    return series


def drawn(page: Page, used: str) -> None:
    page.wait_for_selector(f".chart[data-used='{used}'] canvas")
    rows = int(page.get_attribute(".chart", "data-rows") or 0)
    assert rows > 0
    # ink: a chart that draws nothing has one colour only
    assert page.evaluate("""() => {
      const c = document.querySelector(".chart canvas");
      const d = c.getContext("2d").getImageData(0, 0, c.width, c.height).data;
      const seen = new Set();
      for (let i = 0; i < d.length; i += 4) seen.add((d[i] << 16) | (d[i + 1] << 8) | d[i + 2]);
      return seen.size > 8;
    }""")


def test_a_series_is_found_by_name_and_drawn_with_its_aggregates(open_page: OpenPage, measured: int) -> None:
    page = open_page("/series", "phuong")
    page.fill("[data-find-series]", "noise")
    page.click(f"[data-series-id='{measured}']")
    drawn(page, "15m")
    expect(page.locator("[data-summary]")).to_contain_text("Coverage")
    page.click("[data-range='1h']")
    drawn(page, "raw")
    page.select_option("[data-bucket]", "1h")
    page.click("[data-range='24h']")
    drawn(page, "1h")
    assert f"id={measured}" in page.url
    page.reload()
    drawn(page, "1h")


def test_the_chart_leaves_a_gap_where_nothing_was_measured(open_page: OpenPage, measured: int) -> None:
    page = open_page(f"/series?id={measured}&range=24h&bucket=15m", "phuong")
    drawn(page, "15m")
    # within the hole of three hours nothing of the line's colour stands
    blank = page.evaluate("""() => {
      const c = document.querySelector(".chart canvas"), x = c.getContext("2d");
      const accent = [11, 92, 171];
      const blue = (px) => { const d = x.getImageData(px, 60, 1, c.height - 220).data;
        for (let i = 0; i < d.length; i += 4) if (accent.every((v, k) => Math.abs(d[i + k] - v) < 40)) return true;
        return false; };
      let longest = 0, run = 0;
      for (let px = 70; px < c.width - 40; px++) { run = blue(px) ? 0 : run + 1; longest = Math.max(longest, run); }
      return longest / (c.width - 84);
    }""")
    assert 0.09 < blank < 0.2  # 3 of 24 hours: 0.125


def test_the_csv_of_what_is_shown_is_one_click_away(open_page: OpenPage, measured: int) -> None:
    page = open_page(f"/series?id={measured}&range=24h&bucket=15m", "phuong")
    drawn(page, "15m")
    with page.expect_download() as download:
        page.click("[data-csv]")
    text = download.value.path().read_text()
    assert text.splitlines()[0] == "bucket,n,mean,minimum,maximum,sd,p50,p95,coverage,good,revision"
    assert len(text.splitlines()) > 60


def test_descriptions_are_text_and_never_markup(open_page: OpenPage, city: City) -> None:
    del city
    page = open_page("/series", "phuong")
    page.fill("[data-find-series]", "load1")
    expect(page.locator(".pick-more")).to_have_text("<b>load</b> average")


def test_an_empty_range_says_when_the_newest_value_was(open_page: OpenPage, city: City) -> None:
    series = city.readings("old", [(NOW - timedelta(days=40), 1.0, 0)])
    page = open_page(f"/series?id={series}&range=24h", "phuong")
    expect(page.locator("[data-empty]")).to_contain_text("No values in this range")
    local = (NOW - timedelta(days=40) + timedelta(hours=7)).strftime("%d/%m %H:%M")
    expect(page.locator("[data-empty]")).to_contain_text(local)


def test_traffic_is_drawn_by_class_and_doubtful_minutes_are_marked(open_page: OpenPage, measured: int) -> None:
    del measured
    page = open_page("/traffic", "phuong")
    drawn(page, "15m")
    expect(page.locator("[data-summary]")).to_contain_text("motorcycle")
    expect(page.locator(".doubt")).to_be_visible()
    page.select_option("[data-gate]", index=1)
    drawn(page, "15m")


@pytest.mark.parametrize("language", ["vi-VN", "en-US"])
@pytest.mark.parametrize("path", ["/", "/series", "/traffic", "/map", "/devices"])
def test_nothing_is_wider_than_a_phone(
    open_page: OpenPage, city: City, measured: int, path: str, language: str
) -> None:
    city.incident(kind="pedestrian_on_road", zone="a-zone-with-a-very-long-name-that-nobody-would-shorten", still=True)
    page = open_page(f"{path}?id={measured}" if path == "/series" else path, width=390, language=language)
    there = {"/": ".row", "/map": ".pin", "/devices": ".card"}
    page.wait_for_selector(there.get(path, ".chart canvas"))
    if path == "/":
        page.click(".row >> nth=0")
        page.wait_for_selector(".detail h1")
    wide = "() => Math.max(document.documentElement.scrollWidth, document.body.scrollWidth) - innerWidth"
    assert page.evaluate(wide) <= 0


def test_the_map_shows_every_device_of_a_city(open_page: OpenPage, city: City) -> None:
    city.conn.execute("""
        INSERT INTO device (name, latitude, longitude, online)
        SELECT 'many-' || n, 21 + n / 5000.0, 105.8 + n % 20 / 400.0, true FROM generate_series(1, 300) AS n""")
    page = open_page("/map")
    try:
        expect(page.locator(".gear.is-good").nth(299)).to_be_attached(timeout=30_000)
    finally:
        city.conn.execute("DELETE FROM device WHERE name LIKE 'many-%'")


def test_the_map_shows_wards_devices_and_new_incidents_without_tiles(open_page: OpenPage, city: City) -> None:
    load_wards(city.conn, [WARD], [])
    city.conn.execute("UPDATE device SET latitude = 21.01, longitude = 105.81")
    page = open_page("/map")
    expect(page.locator(".ward-name")).to_have_text("Phường <b>Thanh Xuân</b>")
    expect(page.locator(".gear.is-good")).to_have_count(1)
    made = city.incident(kind="wrong_way", place=Place(latitude=21.05, longitude=105.85))
    page.click('.pin[title="Wrong-way driving"]')
    page.click(".map-card a")
    page.wait_for_selector(f'.row.is-chosen[data-incident-id="{made.id}"]')
    assert page.evaluate("performance.getEntriesByType('resource').every((r) => r.name.startsWith(location.origin))")


def test_an_old_alert_is_shown_by_its_link(open_page: OpenPage, city: City) -> None:
    made = city.incident(kind="debris", severity="info")
    city.conn.execute("UPDATE incident SET received = now() - interval '30 days' WHERE id = %s", (made.id,))
    page = open_page(f"/?id={made.id}")
    expect(page.locator(".detail h1")).to_have_text("Debris on the road")


def test_devices_tell_what_waits_and_what_ails_them(open_page: OpenPage, city: City) -> None:
    city.conn.execute("""UPDATE device SET status = '{"outbox": {"messages": 12, "bytes": 9, "budget_bytes": 10}}'""")
    city.conn.execute(
        "INSERT INTO camera_health (id, rev, device_id, subject, name, condition, state, since, why, received)"
        " VALUES ('x', 1, %s, 'camera', 'north', 'covered', 'raised', now(), '{}', now()) ON CONFLICT DO NOTHING",
        (city.device,),
    )
    page = open_page("/devices")
    card = page.locator("[data-device=camera-a]")
    expect(card).to_contain_text("north: covered")
    expect(card.locator("[data-outbox]")).to_have_text("12 messages · 90 %")
    expect(card.locator("[data-camera=north]")).to_contain_text("weak model")


def test_the_theme_follows_the_system_until_somebody_chooses(open_page: OpenPage, city: City) -> None:
    del city
    page = open_page(theme="dark")
    assert page.get_attribute("html", "data-theme") == "dark"
    page.click(".menu summary")
    page.click("[data-theme-choice=light]")
    page.reload()
    assert page.get_attribute("html", "data-theme") == "light"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(238, 241, 245)"


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [":root {", ':root[data-theme="dark"] {'])
def test_every_text_colour_stands_out_by_wcag_aa(theme: str) -> None:
    block = CSS.split(theme, 1)[1].split("}", 1)[0]
    tokens = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})", block))
    texts = [(ink, pane) for pane in ("pane", "raised", "chosen", "ground") for ink in ("text", "muted")]
    texts += [(level, pane) for pane in ("pane", "chosen") for level in ("critical", "major", "minor", "info")]
    texts += [("accent-ink", "accent"), ("good", "good-pane"), ("bad", "bad-pane"), ("warn", "warn-pane")]
    texts += [("mark", level) for level in ("critical", "major", "minor", "info")]
    texts += [("good", "pane"), ("warn", "pane")]
    low = {}
    for ink, pane in texts:
        dark, light = sorted((luminance(tokens[ink]), luminance(tokens[pane])))
        if (light + 0.05) / (dark + 0.05) < 4.5:
            low[ink, pane] = round((light + 0.05) / (dark + 0.05), 2)
    assert low == {}


def test_both_languages_have_every_word_and_the_same_places_in_it() -> None:
    for key, texts in CATALOGUE.items():
        vietnamese, english = (set(re.findall(r"\{(\w+)\}", text)) for text in texts)
        assert vietnamese == english, key
        assert all(text.strip() for text in texts), key
