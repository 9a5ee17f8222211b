"""The pages of series and traffic: drawn by the browser from the API that everybody may use."""

from fastapi import Request, Response
from nicegui import ui
from nicegui.elements.echart import EChart  # noqa: F401 - registers the module that our charts import

from console.api.access import Console
from console.pages.frame import mount, visit_of


class Explorer(ui.element, component="explorer.js"):
    """One series over time."""


class Counts(ui.element, component="counts.js"):
    """Traffic by class over time."""


def add_explore_pages(console: Console) -> None:
    """Put the pages at /series and /traffic."""

    @ui.page("/series")
    async def series_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        mount(console, visit, Explorer, "explorer")
        return None

    @ui.page("/traffic")
    async def traffic_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        mount(console, visit, Counts, "counts")
        return None
