"""Reports and deviations, as planners see them; the band of what is normal on a series' chart."""

from datetime import UTC, date, datetime, timedelta
from typing import Final

import pytest
from playwright.sync_api import expect

from storage.aggregates import aggregate
from storage.level import LEVELS
from tests.console.city import City
from tests.console.conftest import OpenPage, Site

NOW: Final = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
PAGE: Final = b"<!doctype html><html lang=vi><h1>Tu\xe1\xba\xa7n 46</h1><script>document.title = 'ran'</script></html>"


@pytest.fixture(scope="module")
def reported(city: City) -> int:
    """Two issues of a week's report, and a series with a band and a deviation; its number."""
    conn = city.conn
    conn.execute(
        "INSERT INTO ward (code, name, kind, province, latitude, longitude)"
        " VALUES ('00070', 'Phường Hoàn Kiếm', 'ward', 'Hà Nội', 21.03, 105.85)"
    )
    for revision, data in ((1, b"<h1>first</h1>"), (2, PAGE)):
        key = ("week", date(2026, 11, 9), "00070", date(1, 1, 1), revision)
        conn.execute(
            "INSERT INTO report_issue (kind, start, ward_code, ward_from, revision, digest, as_of, facts)"
            " VALUES (%s, %s, %s, %s, %s, 'd', %s, '{}')",
            (*key, NOW),
        )
        for form in ("html", "pdf"):
            conn.execute(
                "INSERT INTO report_file (kind, start, ward_code, ward_from, revision, language, format, sha256, data)"
                " VALUES (%s, %s, %s, %s, %s, 'en', %s, 's', %s)",
                (*key, form, data),
            )
    series = city.readings("air/pm2_5", [(NOW - timedelta(minutes=n), 20.0 + n % 5, 0) for n in range(20 * 60)])
    for level in LEVELS.values():
        aggregate(conn, level)
    conn.execute("INSERT INTO measure (series_id, quantity) VALUES (%s, 'value')", (series,))
    for n in range(1, 20):
        conn.execute(
            "INSERT INTO baseline (bucket, measure_id, value, expected, spread, score) VALUES (%s, 1, 22, 21, 2, 0.5)",
            (NOW - timedelta(hours=n),),
        )
    conn.execute(
        "INSERT INTO deviation (measure_id, since, until, peak_at, value, expected, score, buckets)"
        " VALUES (1, %(a)s, %(b)s, %(a)s, 80, 21, 29.5, 2)",
        {"a": NOW - timedelta(hours=6), "b": NOW - timedelta(hours=4)},
    )
    return series


@pytest.mark.usefixtures("reported")
def test_the_latest_issue_is_listed_and_earlier_ones_can_be_had(site: Site) -> None:
    with site.api() as api:
        (report,) = api.get("/api/reports").json()
        assert (report["period"], report["ward_name"], report["revision"]) == ("2026-W46", "Phường Hoàn Kiếm", 2)
        latest = api.get("/api/reports/2026-W46/00070/en.html")
        assert latest.content == PAGE
        assert "default-src 'none'" in latest.headers["content-security-policy"]
        assert api.get("/api/reports/2026-W46/00070/en.html?revision=1").text == "<h1>first</h1>"
        pdf = api.get("/api/reports/2026-W46/00070/en.pdf")
        assert pdf.headers["content-type"] == "application/pdf"
        assert api.get("/api/reports/2026-W45/00070/en.pdf").status_code == 404
        assert "2026-W46" in api.get("/api/reports/november/00070/en.pdf").json()["detail"]


def test_reports_want_a_user(site: Site) -> None:
    import httpx

    for path in ("/api/reports", "/api/reports/2026-W46/00070/en.html", "/api/deviations", "/api/series/1/normal"):
        assert httpx.get(site.url + path).status_code == 401


def test_the_page_lists_reports_and_leads_to_what_was_out_of_the_ordinary(open_page: OpenPage, reported: int) -> None:
    page = open_page("/reports", "hoa")
    row = page.locator("[data-report='2026-W46/00070']")
    expect(row).to_contain_text("Phường Hoàn Kiếm")
    with page.expect_popup() as popup:
        row.locator("[data-open]").click()
    expect(popup.value.locator("h1")).to_have_text("Tuần 46")
    assert popup.value.title() != "ran"  # what a report holds is shown, never run
    popup.value.close()
    page.locator("[data-kind='month']").click()
    expect(row).to_have_count(0)
    event = page.locator("[data-deviation]")
    expect(event).to_contain_text("air/pm2_5")
    expect(event).to_contain_text("▲")
    event.locator("a").click()
    page.wait_for_url(f"**/series?id={reported}&**")
    page.wait_for_selector(".chart[data-normal='19'] canvas")


@pytest.mark.usefixtures("reported")
def test_the_page_fits_a_telephone_in_the_dark_in_vietnamese(open_page: OpenPage) -> None:
    page = open_page("/reports", "phuong", width=390, language="vi", theme="dark")
    expect(page.locator("h1")).to_have_text("Báo cáo")
    expect(page.locator("[data-report]")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth <= 390")
