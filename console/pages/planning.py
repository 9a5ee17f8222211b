"""The pages of data quality and of open data."""

from fastapi import Request, Response
from nicegui import ui

from console.api.access import Console
from console.pages.frame import mount, visit_of


class Quality(ui.element, component="quality.js"):
    """The five words: city, wards, devices."""


class OpenData(ui.element, component="open_data.js"):
    """Issues, their files, and what was withheld."""


def add_planning_pages(console: Console) -> None:
    """Put the pages at /quality and /publications."""

    @ui.page("/quality")
    async def quality_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        mount(console, visit, Quality, "quality")
        return None

    @ui.page("/publications")
    async def publications_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        mount(console, visit, OpenData, "open_data")
        return None
