"""The page of live alerts."""

from pathlib import Path
from typing import Any, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from nicegui import ui

from console.api.access import Console
from console.database import DatabaseAwayError
from console.models import AlertOut
from console.pages.frame import frame, visit_of
from storage import alerts

STALE_S: Final = 20  # agents send readings every second, and their last_seen is written every few
TEMPLATE: Final = Path(__file__).with_name("board.html")
METHODS: Final = {"alerts": "apply", "pulse": "beat", "fleet": "fleet"}


class Board(ui.element, component="board.js"):
    """The list of alerts and the one that is chosen, drawn by the browser: a flood must not cost the server."""

    def __init__(self, words: dict[str, str], timezone: str, me: str, *, acts: bool) -> None:
        super().__init__()
        self._props |= {"words": words, "me": me, "acts": acts, "timezone": timezone, "stale": STALE_S}
        self._props["brand"] = f"{words['alerts']} · Ngã Tư"


def add_alerts_page(console: Console) -> None:
    """Put the page at /."""

    @ui.page("/")
    async def alerts_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        text = frame(console, visit)
        ui.add_body_html(f'<script type="text/x-template" id="board-template">{TEMPLATE.read_text("utf-8")}</script>')
        with ui.element("main").props("id=main").classes("board-main"):
            board = Board(text, console.live.timezone, visit.user.name, acts=visit.user.role != "planner")
        follow(console, board)
        return None


def follow(console: Console, board: Board) -> None:
    """Tell the board everything that happens for as long as its page is open."""

    async def fill() -> None:
        try:
            found = await run_in_threadpool(_board, console)
        except DatabaseAwayError:
            return  # the pulse says so, and resync comes with the database
        board.run_method("fleet", console.live.fleet)
        board.run_method("beat", console.live.pulse)
        board.run_method("reset", {"alerts": found})

    def tell(event: str, facts: dict[str, Any]) -> None:
        if event == "resync":
            board.run_method("refill")
        else:
            board.run_method(METHODS[event], facts)

    board.on("ready", fill)
    board.client.on_delete(console.live.subscribe(tell))


def _board(console: Console) -> list[dict[str, Any]]:
    with console.database.connection() as conn:
        return [AlertOut.of(alert).model_dump(mode="json") for alert in alerts.board(conn)]
