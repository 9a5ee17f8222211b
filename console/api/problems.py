"""Errors as problem+json (RFC 9457): what went wrong, and what to do."""

from http import HTTPStatus
from typing import Any, Final

import psycopg
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from console.database import DatabaseAwayError, first_line
from console.models import Problem

MEDIA_TYPE: Final = "application/problem+json"
RESPONSES: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": Problem, "description": why}
    for status, why in (
        (401, "Log in first, or send HTTP Basic or a bearer token."),
        (404, "There is none."),
        (422, "A parameter is wrong; `detail` names it."),
        (503, "The database cannot be reached: try again."),
    )
}


def problem(status: int, detail: str, headers: dict[str, str] | None = None, **more: Any) -> JSONResponse:
    """Return the error as a response."""
    facts = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail, **more}
    return JSONResponse(facts, status, headers, MEDIA_TYPE)


def add_handlers(app: FastAPI) -> None:
    """Answer every error of the API as a problem."""

    @app.exception_handler(HTTPException)
    async def _(_request: Request, error: HTTPException) -> JSONResponse:
        return problem(error.status_code, str(error.detail), dict(error.headers or {}))

    @app.exception_handler(RequestValidationError)
    async def _(_request: Request, error: RequestValidationError) -> JSONResponse:
        found = error.errors()[0]
        where = ".".join(str(part) for part in found["loc"])
        return problem(422, f"{where}: {found['msg']}")

    @app.exception_handler(psycopg.DataError)
    async def _(_request: Request, error: psycopg.DataError) -> JSONResponse:
        return problem(422, f"the database refuses a value: {first_line(error)}")

    @app.exception_handler(DatabaseAwayError)
    async def _(_request: Request, error: DatabaseAwayError) -> JSONResponse:
        return problem(503, f"the database cannot be reached ({error}): try again", {"Retry-After": "5"})
