"""The pages of series and traffic: drawn by the browser from the API that everybody may use."""

from pathlib import Path
from typing import Final

from fastapi import Request, Response
from nicegui import ui
from nicegui.elements.echart import EChart  # noqa: F401 - registers the module that our charts import

from console.api.access import Console
from console.pages.frame import frame, visit_of

HERE: Final = Path(__file__).parent


class Explorer(ui.element, component="explorer.js"):
    """One series over time."""


class Counts(ui.element, component="counts.js"):
    """Traffic by class over time."""


def add_explore_pages(console: Console) -> None:
    """Put the pages at /series and /traffic."""

    @ui.page("/series")
    async def series_page(request: Request) -> Response | None:
        return await _show(request, console, Explorer, "explorer")

    @ui.page("/traffic")
    async def traffic_page(request: Request) -> Response | None:
        return await _show(request, console, Counts, "counts")


async def _show(request: Request, console: Console, component: type[ui.element], template: str) -> Response | None:
    visit = await visit_of(request, console)
    if isinstance(visit, Response):
        return visit
    text = frame(console, visit)
    html = (HERE / f"{template}.html").read_text("utf-8")
    ui.add_body_html(f'<script type="text/x-template" id="{template}-template">{html}</script>')
    with ui.element("main").props("id=main").classes("board-main"):
        component()._props |= {"words": text, "timezone": console.live.timezone}  # noqa: SLF001 - props() would parse it as text
    return None
