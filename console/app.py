"""The application: API, pages and what watches them, put together."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from importlib.metadata import version

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.staticfiles import StaticFiles
from nicegui import ui

from console import metrics
from console.api import (
    devices,
    events,
    health,
    incidents,
    open311,
    open_data,
    planners,
    quality,
    series,
    traffic,
    wards,
)
from console.api.access import Console
from console.api.problems import RESPONSES, add_handlers
from console.database import Database
from console.doors import Doors
from console.live import Live
from console.pages import account, login
from console.pages.alerts import add_alerts_page
from console.pages.explore import add_explore_pages
from console.pages.frame import STATIC
from console.pages.places import LEAFLET, add_places_pages
from console.pages.planning import add_planning_pages
from console.pages.reports import add_reports_page
from console.settings import Settings
from events import asyncapi

ABOUT = """
Incidents, series, traffic and devices of the city. Send a session's cookie (log in at `/login`), HTTP Basic, or
`Authorization: Bearer …`. Errors are problem+json (RFC 9457): `detail` says what went wrong and what to do.
Times are RFC 3339 with a zone; in a query write `Z`, or `%2B07:00` for +07:00.
"""


def make_app(settings: Settings) -> FastAPI:
    """Return the console; it connects to the database when it starts, and keeps trying."""
    database = Database(settings.dsn)
    console = Console(settings=settings, database=database, doors=Doors(database, settings.secret), live=Live(settings))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        console.live.start()
        yield
        console.live.stop()
        database.close()

    app = FastAPI(
        title="Ngã Tư", version=version("ngatu"), description=ABOUT, lifespan=lifespan, docs_url=None, redoc_url=None
    )
    app.state.console = console
    add_handlers(app)
    app.middleware("http")(guard)
    for room in (incidents, series, traffic, devices, wards, planners, open311, quality, open_data, events):
        app.include_router(room.router, responses=RESPONSES)
    app.include_router(health.router)
    app.include_router(login.router)
    app.include_router(account.router)
    app.mount("/static/leaflet", StaticFiles(directory=LEAFLET))
    app.mount("/static", StaticFiles(directory=STATIC))

    @app.get("/asyncapi.json", summary="The wire contract: what devices and the city say to each other over MQTT")
    def wire_contract() -> Response:
        return Response(asyncapi.encoded(), media_type="application/json")

    @app.api_route("/api/{path:path}", include_in_schema=False, methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    def nothing_here(path: str) -> None:
        raise HTTPException(404, f"/api/{path[:80]} does not exist: see /openapi.json")

    add_alerts_page(console)
    add_explore_pages(console)
    add_places_pages(console)
    add_planning_pages(console)
    add_reports_page(console)
    ui.run_with(
        app,
        title="Ngã Tư",
        dark=None,
        tailwind=False,
        show_welcome_message=False,
        reconnect_timeout=15,
        favicon=STATIC / "icon.svg",
    )
    return app


async def guard(request: Request, answer: Callable[[Request], Awaitable[Response]]) -> Response:
    """Say on every response what a browser must not do with it."""
    response = await answer(request)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    response.headers.setdefault("X-Frame-Options", "DENY")
    response.headers.setdefault("Referrer-Policy", "same-origin")
    if request.url.path.startswith("/static/"):
        response.headers.setdefault("Cache-Control", "no-cache")  # asked for by plain names: an upgrade must show
    if request.url.path.startswith("/api/"):
        response.headers.setdefault("Cache-Control", "no-store")
        metrics.REQUESTS.labels(str(response.status_code)).inc()
    return response
