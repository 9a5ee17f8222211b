import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from storage.aggregates import aggregate
from storage.level import LEVELS
from tests.console.city import City, picture
from tests.console.conftest import PASSWORD, Site

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def api(site: Site, city: City) -> Any:
    del city
    with site.api() as client:
        yield client


@pytest.mark.parametrize(
    "path", ["/api/incidents", "/api/incidents/x/still", "/api/series", "/api/traffic", "/api/devices", "/api/events"]
)
def test_nothing_is_told_to_strangers(site: Site, path: str) -> None:
    answer = httpx.get(site.url + path)
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "log in" in answer.json()["detail"]


def test_health_and_metrics_are_open_and_the_contract_is_written_down(site: Site, city: City) -> None:
    city.incident()
    assert httpx.get(f"{site.url}/healthz").json()["ok"] is True
    assert "ngatu_console_alert_delay_seconds_bucket" in httpx.get(f"{site.url}/metrics").text
    contract = httpx.get(f"{site.url}/openapi.json").json()
    assert set(contract["paths"]) >= {"/api/incidents", "/api/series/{series}/readings", "/api/events", "/healthz"}
    assert contract["components"]["schemas"]["AlertOut"]["properties"]["kind"]["examples"] == ["stopped_vehicle"]
    assert httpx.get(f"{site.url}/asyncapi.json").json()["asyncapi"] == "3.0.0"


def test_incidents_are_filtered_and_paged(api: httpx.Client, city: City) -> None:
    made = [city.incident(kind="speeding", severity="info", zone=f"z{n}") for n in range(5)]
    query: dict[str, Any] = {"kind": "speeding", "severity": "info", "status": "new", "limit": 2}
    first = api.get("/api/incidents", params=query).json()
    assert [one["id"] for one in first] == [made[4].id, made[3].id]
    after = api.get("/api/incidents", params=query | {"before": first[-1]["received"]}).json()
    assert [one["id"] for one in after] == [made[2].id, made[1].id]
    assert api.get("/api/incidents", params={"kind": "speeding", "camera": "south"}).json() == []


def test_incidents_are_given_as_geojson_and_as_ngsi_ld(api: httpx.Client, city: City) -> None:
    made = city.incident(kind="wrong_way", severity="critical", camera="west", zone=None)
    query = {"camera": "west"}
    collection = api.get("/api/incidents", params=query | {"format": "geojson"})
    assert collection.headers["content-type"] == "application/geo+json"
    (feature,) = collection.json()["features"]
    assert feature["geometry"] == {"type": "Point", "coordinates": [105.8023, 21.0041]}
    assert feature["properties"]["kind"] == "wrong_way"
    (entity,) = api.get("/api/incidents", params=query | {"format": "ngsi-ld"}).json()
    assert entity["id"] == f"urn:ngsi-ld:Alert:{made.id}"
    assert entity["subCategory"] == {"type": "Property", "value": "carWrongDirection"}
    assert entity["location"]["value"]["type"] == "Point"
    assert "validTo" not in entity


def test_whoever_was_away_asks_for_what_changed_since(api: httpx.Client, city: City) -> None:
    old = city.incident()
    city.incident()
    since = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    api.post(f"/api/incidents/{old.id}/actions", json={"action": "note", "note": "seen"})
    assert [one["id"] for one in api.get("/api/incidents", params={"since": since}).json()] == [old.id]


def test_the_still_is_the_picture_and_may_be_kept(api: httpx.Client, city: City) -> None:
    made = city.incident()
    assert api.get(f"/api/incidents/{made.id}/still").status_code == 404
    data = city.still(made)
    url = api.get(f"/api/incidents/{made.id}").json()["still_url"]
    answer = api.get(url)
    assert answer.content == data
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "immutable" in answer.headers["cache-control"]
    assert api.get(f"/api/incidents/{made.id}/still").headers["cache-control"] == "no-cache"
    newer = city.still(city.revise(made, raised_from="stopped_vehicle", kind="collision"), picture(255))
    again = api.get(f"/api/incidents/{made.id}").json()["still_url"]
    assert again != url
    assert api.get(again).content == newer


def test_what_is_no_picture_is_not_shown_as_one(api: httpx.Client, city: City) -> None:
    made = city.incident(still=True)
    city.conn.execute("UPDATE evidence SET media_type = 'text/html' WHERE incident_id = %s", (made.id,))
    assert api.get(f"/api/incidents/{made.id}/still").status_code == 415


def test_actions_are_history_and_the_second_to_do_the_same_is_told(api: httpx.Client, site: Site, city: City) -> None:
    made = city.incident()
    path = f"/api/incidents/{made.id}/actions"
    assert api.post(path, json={"action": "assign", "assignee": "patrol 4"}).json()["assignee"] == "patrol 4"
    assert api.post(path, json={"action": "acknowledge"}).json()["status"] == "acknowledged"
    with site.api("minh") as other:
        late = other.post(path, json={"action": "acknowledge"})
        assert late.status_code == 409
        assert late.json()["alert"]["actions"][-1]["who"] == "lan"
        assert other.post(path, json={"action": "resolve", "note": "towed"}).json()["status"] == "resolved"
    done = api.post(path, json={"action": "reopen"}).json()
    assert done["status"] == "new"
    assert [act["action"] for act in done["actions"]] == ["assign", "acknowledge", "resolve", "reopen"]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        ({"action": "explode"}, 422, "body.action"),
        ({"action": "assign"}, 422, "assignee"),
        ({"action": "note", "note": "  "}, 422, "note"),
        ({"action": "note", "note": "a\x00b"}, 422, "NUL"),
        ({"action": "note", "note": "x" * 2001}, 422, "body.note"),
        ({"action": "note", "note": "x", "who": "somebody else"}, 422, "body.who"),
    ],
)
def test_a_wrong_action_is_refused_in_words(
    api: httpx.Client, city: City, body: dict[str, str], status: int, says: str
) -> None:
    answer = api.post(f"/api/incidents/{city.incident().id}/actions", json=body)
    assert answer.status_code == status
    assert says in answer.json()["detail"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/api/incidents/nix", 404),
        ("/api/incidents/%00", 422),
        ("/api/incidents?limit=0", 422),
        ("/api/incidents?limit=1001", 422),
        ("/api/incidents?kind=earthquake", 422),
        ("/api/incidents?since=yesterday", 422),
        ("/api/incidents?since=2026-01-01T00:00:00", 422),
        ("/api/series/999999", 404),
        ("/api/series/99999999999999999999999/readings", 404),
        ("/api/series?q=%00", 422),
        ("/api/traffic?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", 422),
        ("/api/nothing/here", 404),
    ],
)
def test_errors_are_problems_with_a_reason(api: httpx.Client, path: str, status: int) -> None:
    answer = api.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert len(answer.json()["detail"]) > 5


def test_planners_look_and_operators_act(site: Site, city: City) -> None:
    with site.api("phuong") as planner:
        assert planner.get("/api/incidents").status_code == 200
        refused = planner.post(f"/api/incidents/{city.incident().id}/actions", json={"action": "acknowledge"})
    assert refused.status_code == 403


def test_a_session_works_as_cookie_and_as_token_and_a_foreign_page_cannot_write_with_it(site: Site, city: City) -> None:
    with httpx.Client(base_url=site.url) as browser:
        answer = browser.post("/login", data={"name": " Lan ", "password": PASSWORD, "next": "//evil.example"})
        assert answer.status_code == 303
        assert answer.headers["location"] == "/"
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "samesite=lax" in cookie.lower()
        key = browser.cookies["ngatu_session"]
        path = f"/api/incidents/{city.incident().id}/actions"
        foreign = browser.post(path, json={"action": "acknowledge"}, headers={"Origin": "http://evil.example"})
        assert foreign.status_code == 403
        own = browser.post(path, json={"action": "acknowledge"}, headers={"Origin": site.url})
        assert own.status_code == 200
        bearer = {"Authorization": f"Bearer {key}"}
        assert httpx.get(f"{site.url}/api/devices", headers=bearer).status_code == 200
        browser.post("/logout")
        assert httpx.get(f"{site.url}/api/devices", headers=bearer).status_code == 401
        forged = {"Authorization": f"Bearer {key[:-2]}xx"}
        assert httpx.get(f"{site.url}/api/devices", headers=forged).status_code == 401


def test_series_are_found_by_words_and_read_as_json_and_csv(api: httpx.Client, city: City) -> None:
    values = [(NOW - timedelta(seconds=n), float(n), n % 2) for n in range(10, 0, -1)]
    series = city.readings("detector/77/volume", values)
    assert [one["id"] for one in api.get("/api/series", params={"q": "VOLUME camera-a 77"}).json()] == [series]
    query = {"from": (NOW - timedelta(seconds=5)).isoformat(), "to": NOW.isoformat()}
    got = api.get(f"/api/series/{series}/readings", params=query).json()
    assert [reading["value"] for reading in got["readings"]] == [5, 4, 3, 2, 1]
    assert got["readings"][0]["quality"] == 1
    assert got["from"].startswith(query["from"][:19])
    text = api.get(f"/api/series/{series}/readings", params=query | {"format": "csv"})
    assert text.headers["content-disposition"] == 'attachment; filename="camera-a_detector_77_volume_raw.csv"'
    assert text.text.splitlines()[:2] == ["at,value,quality", f"{values[5][0].isoformat()},5.0,1"]


def test_a_value_that_json_cannot_say_is_null(api: httpx.Client, city: City) -> None:
    series = city.readings("odd", [(NOW - timedelta(seconds=1), float("inf"), 0)])
    assert api.get(f"/api/series/{series}/readings").json()["readings"][0]["value"] is None


def test_more_rows_than_the_limit_are_refused_and_csv_takes_them(api: httpx.Client, city: City) -> None:
    values = [(NOW - timedelta(seconds=n), 1.0, 0) for n in range(50_001, 0, -1)]
    series = city.readings("busy", values)
    refused = api.get(f"/api/series/{series}/readings")
    assert refused.status_code == 413
    assert "format=csv" in refused.json()["detail"]
    text = api.get(f"/api/series/{series}/readings", params={"format": "csv"}).text
    assert text.count("\n") == 50_002


def test_aggregates_are_served_by_bucket_and_traffic_by_class(api: httpx.Client, city: City) -> None:
    start = NOW.replace(minute=0, second=0) - timedelta(hours=3)
    series = city.readings("slow", [(start + timedelta(minutes=n), float(n), 0) for n in range(60)])
    for n in range(15):
        city.traffic(start + timedelta(minutes=n), 4)
        city.traffic(start + timedelta(minutes=n), 1, "bus")
    for name in ("15m", "1h"):
        aggregate(city.conn, LEVELS[name])
    query = {"from": start.isoformat(), "to": (start + timedelta(hours=1)).isoformat()}
    got = api.get(f"/api/series/{series}/readings", params=query | {"bucket": "15m"}).json()["aggregates"]
    assert [(row["n"], row["mean"], row["minimum"], row["maximum"]) for row in got] == [
        (15, 7, 0, 14), (15, 22, 15, 29), (15, 37, 30, 44), (15, 52, 45, 59),
    ]  # fmt: skip
    for bucket in ("1m", "15m", "1h"):
        rows = api.get("/api/traffic", params=query | {"bucket": bucket, "zone": "gate-north"}).json()
        sums = {name: sum(row["count"] for row in rows if row["class"] == name) for name in ("motorcycle", "bus")}
        assert sums == {"motorcycle": 60, "bus": 15}
    assert {"device": "camera-a", "camera": "north", "zone": "gate-north"} in api.get("/api/traffic/gates").json()


def test_devices_tell_their_cameras_and_models(api: httpx.Client) -> None:
    found = {device["name"]: device for device in api.get("/api/devices").json()}
    assert found["camera-a"]["online"] is True
    assert found["camera-a"]["cameras"][0]["model"]["weak"] is True


def events_of(lines: Any) -> Any:
    name, ident = "", None
    for line in lines:
        field, _, value = line.partition(": ")
        if field == "event":
            name = value
        elif field == "id":
            ident = value
        elif field == "data":
            yield name, ident, json.loads(value)


def test_events_stream_alerts_as_they_happen_and_what_was_missed(api: httpx.Client, city: City) -> None:
    with api.stream("GET", "/api/events") as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        events = events_of(stream.iter_lines())
        assert next(events)[0] == "pulse"
        made = city.incident()
        name, ident, alert = next(event for event in events if event[0] == "incident")
        assert alert["id"] == made.id
    missed = city.incident()
    with api.stream("GET", "/api/events", headers={"Last-Event-ID": ident}) as stream:
        found = set()
        for name, _, alert in events_of(stream.iter_lines()):
            if name == "pulse":
                break
            found.add(alert["id"])
    assert missed.id in found
