"""The page of reports, and of what was out of the ordinary."""

from fastapi import Request, Response
from nicegui import ui

from console.api.access import Console
from console.pages.frame import mount, visit_of


class Reports(ui.element, component="reports.js"):
    """Reports of wards to open, deviations to look into."""


def add_reports_page(console: Console) -> None:
    """Put the page at /reports."""

    @ui.page("/reports")
    async def reports_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        mount(console, visit, Reports, "reports", {"language": visit.language})
        return None
