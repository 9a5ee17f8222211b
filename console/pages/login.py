"""Logging in and out: plain HTML, so that it works while everything else does not, and password managers know it."""

from datetime import timedelta
from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console import metrics
from console.api.access import COOKIE, Console, Parts, address_of
from console.database import DatabaseAwayError
from console.doors import SESSION, TooManyAttemptsError, WrongPasswordError
from console.pages.frame import LOGO, choices, head, waiting_page
from console.words import LANGUAGES, Language, choose_language, words

router: Final = APIRouter(include_in_schema=False)
YEAR: Final = timedelta(days=365)


@router.get("/login")
def show_login(request: Request, console: Parts, *, next: str = "/") -> HTMLResponse:  # noqa: A002 - the query's word
    """Show the form."""
    return _form(request, console, _inside(next))


@router.post("/login")
def log_in(
    request: Request,
    console: Parts,
    name: Annotated[str, Form(max_length=200)] = "",
    password: Annotated[str, Form(max_length=1000)] = "",
    next: Annotated[str, Form()] = "/",  # noqa: A002 - the form's word
) -> Response:
    """Check the password; open a session, or say what is wrong (401, or 429 with how long to wait)."""
    try:
        user = console.doors.check_password(name.replace("\x00", ""), password, address_of(request))
        key = console.doors.open_session(user)
    except WrongPasswordError:
        metrics.LOGINS.labels("refused").inc()
        return _form(request, console, _inside(next), 401, name, "wrong_password")
    except TooManyAttemptsError as error:
        metrics.LOGINS.labels("slowed").inc()
        return _form(request, console, _inside(next), 429, name, "too_many", error.seconds)
    except DatabaseAwayError:
        return waiting_page(language_of(request), console)
    metrics.LOGINS.labels("let_in").inc()
    answer = RedirectResponse(_inside(next), 303)
    answer.set_cookie(
        COOKIE, key, max_age=int(SESSION.total_seconds()), httponly=True, samesite="lax", secure=console.settings.secure
    )
    return answer


@router.post("/logout")
def log_out(request: Request, console: Parts) -> RedirectResponse:
    """End the session."""
    console.doors.close_session(request.cookies.get(COOKIE, ""))
    answer = RedirectResponse("/login", 303)
    answer.delete_cookie(COOKIE)
    return answer


@router.get("/language/{code}")
def set_language(code: str, *, next: str = "/") -> RedirectResponse:  # noqa: A002 - the query's word
    """Remember the language."""
    answer = RedirectResponse(_inside(next), 303)
    if code in LANGUAGES:
        answer.set_cookie("ngatu_lang", code, max_age=int(YEAR.total_seconds()), samesite="lax")
    return answer


def _inside(address: str) -> str:
    return address if address.startswith("/") and not address.startswith(("//", "/\\")) else "/"


def language_of(request: Request) -> Language:
    """Return what the visitor chose, else what the browser asks for."""
    return choose_language(request.cookies.get("ngatu_lang"), request.headers.get("accept-language", ""))


def _form(
    request: Request,
    console: Console,
    onward: str,
    status: int = 200,
    name: str = "",
    problem: str | None = None,
    seconds: float = 0,
) -> HTMLResponse:
    language = language_of(request)
    text = words(language)
    told = f'<p class="door-error" role="alert">{text[problem].format(seconds=round(seconds))}</p>' if problem else ""
    page = f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>{text["log_in"]} · Ngã Tư</title>{head(language)}</head><body><main class="door">
<form class="door-card" method="post" action="/login">
<div class="brand">{LOGO} Ngã Tư</div><div><strong>{text["control_room"]}</strong><br>
<span class="muted">{escape(console.settings.city)}</span></div>{told}
<label>{text["name"]}<input name="name" value="{escape(name, quote=True)}" autocomplete="username"
 autocapitalize="none" required autofocus></label>
<label>{text["password"]}<input name="password" type="password" autocomplete="current-password" required></label>
<input type="hidden" name="next" value="{escape(onward, quote=True)}">
<button class="btn btn-main">{text["log_in"]}</button>{choices(language, "/login", text)}</form></main></body></html>"""
    headers = {"Retry-After": f"{seconds:.0f}"} if seconds else None
    return HTMLResponse(page, status, headers)
