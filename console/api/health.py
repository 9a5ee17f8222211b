"""For machines that watch the console: is it well, and how is it doing. Open to all, tells no secrets."""

from contextlib import suppress
from datetime import timedelta
from typing import Any, Final

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from console.api.access import Parts
from console.database import DatabaseAwayError
from console.metrics import BEHIND, OVERDUE, REGISTRY, TROUBLES
from storage import explore
from storage.aggregate_watch import aggregate_lag, dag_troubles

router: Final = APIRouter(tags=["operation"])


@router.get("/healthz", summary="200 where the console can do its work, else 503 with the reasons")
def healthz(console: Parts) -> JSONResponse:
    """Ask the database, and whether new alerts are being listened for."""
    reasons: list[str] = []
    facts: dict[str, Any] = {}
    try:
        with console.database.connection() as conn:
            feed = explore.feed(conn)
        facts["last_message"] = feed.last_seen.isoformat() if feed.last_seen else None
    except DatabaseAwayError as error:
        reasons.append(f"database: {error}")
    if not console.live.pulse["database"]:
        reasons.append(f"listener: {console.live.pulse['problem']}")
    return JSONResponse({"ok": not reasons, "reasons": reasons, **facts}, 503 if reasons else 200)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
def metrics(console: Parts) -> Response:
    """Return the console's own counters, and whether the aggregates keep up; nothing of that without the database."""
    for gauge in (OVERDUE, BEHIND, TROUBLES):
        gauge.clear()
    with suppress(DatabaseAwayError), console.database.connection() as conn:
        for lag in aggregate_lag(conn):
            OVERDUE.labels(lag.source, lag.level).set(lag.overdue)
            if lag.behind is not None:
                BEHIND.labels(lag.source, lag.level).set(lag.behind.total_seconds())
        for trouble in dag_troubles(conn, timedelta(hours=1)):
            TROUBLES.labels(trouble.dag, trouble.kind).set(trouble.times)
    return Response(generate_latest(REGISTRY), media_type=CONTENT_TYPE_LATEST)
