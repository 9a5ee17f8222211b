"""Incidents: list, one, its picture, and what people do about it."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from pydantic import AwareDatetime

from console import metrics
from console.api import exchange
from console.api.access import Operator, Parts, SignedIn
from console.api.problems import problem
from console.models import ActionIn, AlertOut, Problem
from events.incident import IncidentKind, Severity, State
from storage import alerts

router: Final = APIRouter(prefix="/api/incidents", tags=["incidents"])
PICTURES: Final = {"image/jpeg"}  # what may be shown as a picture: nothing that a browser could run


@router.get(
    "",
    summary="Incidents, newest first",
    response_model=list[AlertOut],
    responses={200: {"content": {exchange.GEOJSON: {}, exchange.NGSI_LD: {}}}},
)
def list_incidents(
    _user: SignedIn,
    console: Parts,
    *,
    status: Annotated[alerts.Status | None, Query(description="What people made of it.")] = None,
    kind: IncidentKind | None = None,
    severity: Severity | None = None,
    state: Annotated[State | None, Query(description="What the camera says.")] = None,
    camera: str | None = None,
    device: str | None = None,
    since: Annotated[AwareDatetime | None, Query(description="Changed after this time.")] = None,
    before: Annotated[AwareDatetime | None, Query(description="Received before this time: for the next page.")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    format: Literal["json", "geojson", "ngsi-ld"] = "json",  # noqa: A002 - the query's word
) -> list[AlertOut] | JSONResponse:
    """Return at most `limit` incidents. For older ones ask again with `before` set to the last one's `received`.

    `format=geojson` is a FeatureCollection; `format=ngsi-ld` is Alert entities of the Smart Data Models.
    """
    wanted = alerts.AlertFilter(
        status=status,
        kind=kind,
        severity=severity,
        state=state,
        camera=camera,
        device=device,
        since=since,
        before=before,
    )
    with console.database.connection() as conn:
        found = [AlertOut.of(alert) for alert in alerts.list_alerts(conn, wanted, limit)]
    if format == "geojson":
        return JSONResponse(exchange.geojson(found), media_type=exchange.GEOJSON)
    if format == "ngsi-ld":
        return JSONResponse(exchange.ngsi_ld(found), media_type=exchange.NGSI_LD)
    return found


@router.get("/{incident}", summary="One incident")
def get_incident(incident: str, _user: SignedIn, console: Parts) -> AlertOut:
    """Return the incident as it now stands."""
    with console.database.connection() as conn:
        try:
            return AlertOut.of(alerts.one_alert(conn, incident))
        except alerts.UnknownIncidentError as error:
            raise HTTPException(404, f"no incident has the id {incident[:40]}") from error


@router.get(
    "/{incident}/still",
    summary="Its picture",
    response_class=Response,
    responses={200: {"content": {"image/jpeg": {}}, "description": "JPEG, blurred at the edge."}},
)
def get_still(
    incident: str,
    _user: SignedIn,
    console: Parts,
    v: Annotated[str, Query(description="Beginning of its SHA-256, as in `still_url`: the browser may keep it.")] = "",
) -> Response:
    """Return the newest picture: an incident that turned out to be another kind has more than one."""
    with console.database.connection() as conn:
        found = alerts.still(conn, incident)
    if found is None:
        raise HTTPException(404, f"incident {incident[:40]} has no picture yet")
    if found.media_type not in PICTURES:
        raise HTTPException(415, f"the picture is {found.media_type[:40]}, which is not shown")
    headers = {
        "Cache-Control": "private, max-age=86400, immutable" if v and found.sha256.hex().startswith(v) else "no-cache",
        "ETag": f'"{found.sha256.hex()}"',
        "Content-Disposition": f'inline; filename="{incident}.jpg"',
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }
    return Response(found.data, media_type=found.media_type, headers=headers)


@router.post(
    "/{incident}/actions",
    summary="Acknowledge, assign, resolve, call it a false alarm, take that back, or note",
    response_model=AlertOut,
    responses={
        409: {"model": Problem, "description": "Somebody was quicker; `alert` says who and when."},
        403: {"model": Problem, "description": "Planners look, operators act."},
    },
)
def add_action(incident: str, wanted: ActionIn, user: Operator, console: Parts) -> AlertOut | JSONResponse:
    """Write down what you do about the incident; every open page sees it at once."""
    if wanted.action == "assign" and not wanted.assignee:
        raise HTTPException(422, "body.assignee: name who takes it")
    if wanted.action == "note" and not (wanted.note or "").strip():
        raise HTTPException(422, "body.note: a note needs words")
    if "\x00" in f"{wanted.note}{wanted.assignee}":
        raise HTTPException(422, "body: NUL cannot be kept in a text")
    with console.database.connection() as conn:
        try:
            alert = alerts.act(conn, incident, wanted.action, user.name, note=wanted.note, assignee=wanted.assignee)
        except alerts.UnknownIncidentError as error:
            raise HTTPException(404, f"no incident has the id {incident[:40]}") from error
        except alerts.AlreadyDoneError as error:
            return problem(409, str(error), alert=AlertOut.of(error.alert).model_dump(mode="json"))
    metrics.ACTIONS.labels(wanted.action).inc()
    return AlertOut.of(alert)
