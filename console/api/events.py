"""Live alerts as server-sent events."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, HTTPException, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from console.api.access import Console, Parts, SignedIn
from console.models import AlertOut
from storage import alerts

router: Final = APIRouter(prefix="/api/events", tags=["incidents"])
BEHIND: Final = 1000  # events a reader may be behind before it is cut off, to come back and ask for what it missed
OVERLAP: Final = timedelta(seconds=10)  # a transaction's rows bear its beginning's time: look a little further back

Event = tuple[str, dict[str, Any]]


@router.get(
    "",
    summary="Live alerts, as they happen",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/event-stream": {}}, "description": "Events `incident` and `pulse`."}},
)
async def get_events(
    _user: SignedIn,
    console: Parts,
    *,
    since: Annotated[AwareDatetime | None, Query(description="Begin with what changed after this time.")] = None,
    last_event_id: Annotated[str | None, Header()] = None,
) -> StreamingResponse:
    """Stream each incident that changes (event `incident`, its data as in /api/incidents) and a `pulse` every 2 s.

    A reader that was cut off sends Last-Event-ID, as browsers do, and is told what it missed, some of it twice:
    (id, changed) tells. One that falls 1,000 events behind is cut off.
    """
    try:
        begin = datetime.fromisoformat(last_event_id) - OVERLAP if last_event_id else since
    except ValueError as error:
        raise HTTPException(422, f"header.Last-Event-ID: {last_event_id!r} is not one of ours") from error
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return StreamingResponse(_stream(console, begin), media_type="text/event-stream", headers=headers)


async def _stream(console: Console, begin: datetime | None) -> AsyncIterator[str]:
    queue: asyncio.Queue[Event] = asyncio.Queue(BEHIND)
    full = asyncio.Event()

    def listen(event: str, facts: dict[str, Any]) -> None:
        try:
            queue.put_nowait((event, facts))
        except asyncio.QueueFull:
            full.set()

    leave = console.live.subscribe(listen)
    try:
        if begin is not None:
            for alert in await run_in_threadpool(_missed, console, begin):
                yield _incident(alert)
        yield _event("pulse", console.live.pulse)
        while not (full.is_set() or console.live.stopping):
            try:
                event, facts = await asyncio.wait_for(queue.get(), 0.5)
            except TimeoutError:
                continue
            if event == "alerts":
                yield "".join(_incident(alert) for alert in facts["alerts"])
            elif event == "pulse":
                yield _event("pulse", facts)
    finally:
        leave()


def _missed(console: Console, since: datetime) -> list[dict[str, Any]]:
    with console.database.connection() as conn:
        found = alerts.list_alerts(conn, alerts.AlertFilter(since=since), BEHIND)
    return [AlertOut.of(alert).model_dump(mode="json") for alert in reversed(found)]


def _incident(alert: dict[str, Any]) -> str:
    return f"id: {alert['changed']}\n" + _event("incident", alert)


def _event(name: str, facts: dict[str, Any]) -> str:
    return f"event: {name}\ndata: {json.dumps(facts, ensure_ascii=False)}\n\n"
