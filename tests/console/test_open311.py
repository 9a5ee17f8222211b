"""Citizens' reports over HTTP, as GeoReport v2 clients send them."""

from typing import Any

import httpx
import msgspec
import psycopg
import pytest
from psycopg.types.json import Jsonb

from console.reports import without_contacts
from ngatu.city import city_file, read_city
from tests.console.city import City
from tests.console.conftest import Site

FORM = {
    "service_code": "flooding",
    "lat": "21.0123",
    "long": "105.8045",
    "description": "Ngập sâu trước cổng trường, gọi 0912 345 678",
    "first_name": "Lan",
    "last_name": "Nguyễn",
    "phone": "0912345678",
    "email": "lan@example.vn",
}
REQUESTS = "/api/open311/v2/requests.json"


SAY = """
    INSERT INTO city (key, value) VALUES ('reports', %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value"""


@pytest.fixture
def api(site: Site, city: City) -> Any:
    """Somebody who may act, in a city that wants to hear what Hanoi's file names."""
    city.conn.execute(SAY, [Jsonb(msgspec.to_builtins(read_city(city_file("hanoi")).reports))])
    with site.api() as client:
        yield client


def test_a_report_becomes_an_incident_with_a_place_a_text_and_no_name(
    site: Site, api: httpx.Client, city: City
) -> None:
    answer = httpx.post(site.url + REQUESTS, data=FORM | {"api_key": site.session("lan")}, timeout=20)
    assert answer.status_code == 201
    (made,) = answer.json()
    found = api.get(f"/api/incidents/{made['service_request_id']}").json()
    assert (found["kind"], found["severity"], found["status"]) == ("citizen_report", "minor", "new")
    assert (found["latitude"], found["longitude"]) == (21.0123, 105.8045)
    assert found["why"] == {"text": "Ngập sâu trước cổng trường, gọi …", "service": "flooding"}
    row = city.conn.execute("SELECT i::text FROM incident i WHERE id = %s", [found["id"]]).fetchone()
    assert row is not None
    assert not any(secret in row[0] for secret in ("Lan", "Nguyễn", "0912", "example.vn"))


def test_its_status_follows_what_the_operators_do(api: httpx.Client) -> None:
    (made,) = api.post(REQUESTS, data=FORM).json()
    path = f"/api/open311/v2/requests/{made['service_request_id']}.json"
    assert api.get(path).json()[0]["status"] == "open"
    api.post(f"/api/incidents/{made['service_request_id']}/actions", json={"action": "resolve"}).raise_for_status()
    (after,) = api.get(path).json()
    assert (after["status"], after["service_code"], after["lat"]) == ("closed", "flooding", 21.0123)
    assert after["service_request_id"] in [one["service_request_id"] for one in api.get(REQUESTS).json()]


def test_reports_can_be_asked_for_by_id_service_status_and_time(api: httpx.Client) -> None:
    ids = [
        api.post(REQUESTS, data=FORM | {"service_code": code}).json()[0]["service_request_id"]
        for code in ("flooding", "accident", "flooding")
    ]
    api.post(f"/api/incidents/{ids[0]}/actions", json={"action": "resolve"}).raise_for_status()
    both = ",".join(ids)

    def asked(**parameters: str) -> list[str]:
        answer = api.get(REQUESTS, params={"service_request_id": both} | parameters).raise_for_status()
        return [one["service_request_id"] for one in answer.json()]

    assert asked() == ids[::-1]
    assert asked(service_code="flooding") == [ids[2], ids[0]]
    assert asked(service_code="flooding", status="open") == [ids[2]]
    assert asked(status="open,closed", page_size="2") == [ids[2], ids[1]]
    assert asked(start_date="2100-01-01T00:00:00Z") == asked(end_date="2000-01-01T00:00:00Z") == []
    assert api.get(REQUESTS, params={"start_date": "2100-01-01T00:00:00"}).status_code == 422  # no zone


def test_a_report_that_is_not_there_is_told_in_georeport_s_words(api: httpx.Client) -> None:
    answer = api.get("/api/open311/v2/requests/01ARZ3NDEKTSV4RRFFQ69G5FAV.json")
    assert answer.status_code == 404
    (error,) = answer.json()
    assert error["code"] == 404
    assert "no report has the service_request_id" in error["description"]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"service_code": "taxi"}, "is not one of accident"),
        ({"description": " "}, "description must have"),
        ({"description": "x\0y"}, "NUL"),
        ({"lat": "", "long": ""}, "give lat and long, or address_string"),
        ({"lat": "91"}, "WGS 84"),
        ({"lat": "nan"}, "WGS 84"),
        ({"long": ""}, "WGS 84"),
    ],
)
def test_a_wrong_report_is_told_why_in_georeport_s_words(
    api: httpx.Client, city: City, change: dict[str, str], why: str
) -> None:
    before = count(city.conn)
    answer = api.post(REQUESTS, data=FORM | change)
    assert answer.status_code == 400
    assert why in answer.json()[0]["description"]
    assert count(city.conn) == before


@pytest.mark.usefixtures("api")
def test_strangers_and_planners_cannot_report_and_anybody_may_know_what_can_be(site: Site) -> None:
    assert httpx.post(site.url + REQUESTS, data=FORM).status_code == 401
    assert httpx.post(site.url + REQUESTS, data=FORM | {"api_key": "guess"}).status_code == 403
    with site.api("phuong") as planner:
        assert planner.post(REQUESTS, data=FORM).status_code == 403
    codes = [one["service_code"] for one in httpx.get(f"{site.url}/api/open311/v2/services.json").json()]
    assert "flooding" in codes


def test_what_can_be_reported_is_what_the_city_file_says(api: httpx.Client, city: City) -> None:
    city.conn.execute(SAY, [Jsonb({"tram": {"severity": "critical", "vi": "Tàu điện", "en": "Tram"}})])
    (service,) = api.get("/api/open311/v2/services.json").json()
    assert (service["service_code"], service["service_name"], service["description"]) == ("tram", "Tàu điện", "Tram")
    (made,) = api.post(REQUESTS, data=FORM | {"service_code": "tram"}).json()
    assert api.get(f"/api/incidents/{made['service_request_id']}").json()["severity"] == "critical"
    city.conn.execute("DELETE FROM city WHERE key = 'reports'")
    assert api.get("/api/open311/v2/services.json").json() == []
    refused = api.post(REQUESTS, data=FORM)
    assert refused.status_code == 400
    assert "`reports` in its file" in refused.json()[0]["description"]


@pytest.mark.parametrize("text", ["lane 2, at 17:30 on 21/11", "route 32, km 12"])
def test_ordinary_numbers_stay(text: str) -> None:
    assert without_contacts(text) == text


def count(conn: psycopg.Connection) -> int:
    row = conn.execute("SELECT count(*) FROM incident").fetchone()
    assert row is not None
    return int(row[0])
