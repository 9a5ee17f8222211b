"""Open311 GeoReport v2: hotlines and apps hand in what citizens report (wiki.open311.org/GeoReport_v2).

JSON only. `api_key` is a token of somebody who may act; HTTP Basic and bearer tokens do as well. Names, telephone
numbers and e-mail addresses that the form may carry are not read.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from console.api.access import Parts, SignedIn, may_act, who_asks
from console.reports import DEVICE, LONGEST, Service, make_report, services, store_report
from storage import alerts
from storage.alerts import Alert

router: Final = APIRouter(prefix="/api/open311/v2", tags=["open311"])
CLOSED: Final = frozenset({"resolved", "false_alarm"})
NEWEST: Final = 1000  # GeoReport: a query looks at no more


@router.get("/services.json", summary="What can be reported")
def service_list(console: Parts) -> list[dict[str, Any]]:
    """Return the services that the city file names."""
    with console.database.connection() as conn:
        offered = services(conn)
    return [
        {
            "service_code": code,
            "service_name": service.vi,
            "description": service.en,
            "metadata": False,
            "type": "realtime",
            "keywords": code,
            "group": "traffic",
        }
        for code, service in offered.items()
    ]


@router.post("/requests.json", summary="Report something", status_code=201)
def report(
    request: Request,
    console: Parts,
    service_code: Annotated[str, Form()] = "",
    description: Annotated[str, Form()] = "",
    lat: Annotated[str, Form()] = "",
    long: Annotated[str, Form()] = "",
    address_string: Annotated[str, Form(max_length=1000)] = "",
    api_key: Annotated[str, Form(max_length=200)] = "",
) -> JSONResponse:
    """Store a report; return its `service_request_id`, under which its status can be asked for."""
    user = console.doors.user_of(api_key.strip()) if api_key else who_asks(request, console)
    if user is None:
        return _refused(403, "api_key is not known: ask the city for a token")
    may_act(user)
    with console.database.connection() as conn:
        offered = services(conn)
        wrong = _what_is_wrong(service_code, offered, description, lat, long, address_string)
        if wrong is not None:
            return _refused(400, wrong)
        latitude, longitude = (float(lat), float(long)) if lat else (None, None)
        text, severity, now = description.strip(), offered[service_code].severity, datetime.now(UTC)
        made = make_report(service_code, severity, text, latitude, longitude, address_string, now)
        store_report(conn, made)
    return JSONResponse([{"service_request_id": made.id, "service_notice": "", "account_id": None}], 201)


@router.get("/requests.json", summary="What was reported, newest first")
def requests(
    _user: SignedIn,
    console: Parts,
    service_request_id: str = "",
    service_code: str = "",
    status: str = "",
    start_date: AwareDatetime | None = None,
    end_date: AwareDatetime | None = None,
    page_size: Annotated[int, Query(ge=1, le=NEWEST)] = 100,
) -> list[dict[str, Any]]:
    """Return at most `page_size` of the newest thousand reports until `end_date`; ids, codes and statuses by commas."""
    asked = alerts.AlertFilter(kind="citizen_report", device=DEVICE, before=end_date)
    with console.database.connection() as conn:
        found = alerts.list_alerts(conn, asked, NEWEST)
        offered = services(conn)
    said = [_said(alert, offered) for alert in found if start_date is None or alert.received >= start_date]
    for key, listed in (
        ("service_request_id", service_request_id),
        ("service_code", service_code),
        ("status", status),
    ):
        wanted = {part.strip() for part in listed.split(",")}
        said = [one for one in said if not listed or one[key] in wanted]
    return said[:page_size]


@router.get("/requests/{request_id}.json", summary="One report", response_model=None)
def one_request(request_id: str, _user: SignedIn, console: Parts) -> list[dict[str, Any]] | JSONResponse:
    """Return the report in a list of one, as GeoReport wants it."""
    with console.database.connection() as conn:
        try:
            alert, offered = alerts.one_alert(conn, request_id), services(conn)
        except alerts.UnknownIncidentError:
            return _refused(404, f"no report has the service_request_id {request_id[:40]}")
    if alert.kind != "citizen_report":
        return _refused(404, f"{request_id[:40]} is no citizen's report")
    return [_said(alert, offered)]


def _what_is_wrong(
    service: str, offered: Mapping[str, Service], text: str, lat: str, long: str, address: str
) -> str | None:
    if not offered:
        return "the city names nothing to report: `reports` in its file, then `ngatu city load`"
    if service not in offered:
        return f"service_code {service[:40]!r} is not one of {', '.join(offered)}"
    if not text.strip() or len(text) > LONGEST or "\0" in text + address:
        return f"description must have 1 to {LONGEST} characters, none of them NUL"
    if not lat and not long:
        return None if address.strip() else "give lat and long, or address_string"
    try:
        inside = abs(float(lat)) <= 90 and abs(float(long)) <= 180
    except ValueError:
        inside = False
    return None if inside else "lat and long must be WGS 84 degrees, both of them"


def _refused(status: int, why: str) -> JSONResponse:
    return JSONResponse([{"code": status, "description": why}], status)


def _said(alert: Alert, offered: Mapping[str, Service]) -> dict[str, Any]:
    service = str(alert.why.get("service", "other"))
    return {
        "service_request_id": alert.id,
        "status": "closed" if alert.status in CLOSED else "open",
        "status_notes": alert.status,
        "service_name": offered[service].vi if service in offered else service,
        "service_code": service,
        "description": alert.why.get("text"),
        "requested_datetime": alert.received.isoformat(),
        "updated_datetime": alert.changed.isoformat(),
        "address": alert.why.get("address"),
        "lat": alert.latitude,
        "long": alert.longitude,
    }
