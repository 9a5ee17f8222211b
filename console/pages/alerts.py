"""The page of live alerts."""

from typing import Any, Final

from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool
from nicegui import ui

from console.api.access import Console
from console.database import DatabaseAwayError
from console.models import AlertOut
from console.pages.frame import mount, visit_of
from storage import alerts

STALE_S: Final = 20  # agents send readings every second, and their last_seen is written every few
METHODS: Final = {"alerts": "apply", "pulse": "beat", "fleet": "fleet"}


class Board(ui.element, component="board.js"):
    """The list of alerts and the one that is chosen, drawn by the browser: a flood must not cost the server."""


def add_alerts_page(console: Console) -> None:
    """Put the page at /."""

    @ui.page("/")
    async def alerts_page(request: Request) -> Response | None:
        visit = await visit_of(request, console)
        if isinstance(visit, Response):
            return visit
        props = {"me": visit.user.name, "acts": visit.user.role != "planner", "stale": STALE_S}
        board = mount(console, visit, Board, "board row", props)
        follow(console, board)
        return None


def follow(console: Console, board: ui.element) -> None:
    """Tell a component everything that happens for as long as its page is open."""

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
