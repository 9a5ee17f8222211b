"""The pages of the map and of devices."""

from html import escape
from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from nicegui import ui
from nicegui.elements import leaflet

from console.api.access import Console
from console.database import DatabaseAwayError
from console.pages.alerts import follow
from console.pages.frame import mount, visit_of
from storage.city import city_value

LEAFLET: Final = Path(leaflet.__file__).parent / "dist" / "leaflet"
HANOI: Final = {"latitude": 21.0278, "longitude": 105.8342, "zoom": 12}


class CityMap(ui.element, component="map.js"):
    """Wards, devices, incidents."""


class Devices(ui.element, component="devices.js"):
    """A card for each device."""


def add_places_pages(console: Console) -> None:
    """Put the pages at /map and /devices."""

    @ui.page("/map")
    async def map_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        ui.add_head_html('<link rel="stylesheet" href="/static/leaflet/leaflet.css">')
        props = {"centre": await run_in_threadpool(_centre, console), "tiles": console.settings.tiles}
        props["attribution"] = escape(console.settings.attribution)
        follow(console, mount(console, visit, CityMap, "map", props))
        return None

    @ui.page("/devices")
    async def devices_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        mount(console, visit, Devices, "devices")
        return None


def _centre(console: Console) -> Any:
    try:
        with console.database.connection() as conn:
            return city_value(conn, "centre") or HANOI
    except DatabaseAwayError:
        return HANOI
