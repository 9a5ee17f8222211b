"""One's own account: tokens for programs, one's password, where the interfaces are described. Plain HTML, as login."""

from datetime import UTC, datetime, timedelta
from html import escape
from typing import Annotated, Final

from fastapi import APIRouter, Form, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from console.api.access import Console, Parts, SignedIn, address_of
from console.doors import TooManyAttemptsError, WrongPasswordError
from console.doors import change_password as change_password_of
from console.pages.frame import LOGO, head, visit_of
from console.pages.login import language_of
from console.words import Language, words
from storage import users
from storage.users import Token, User

router: Final = APIRouter(include_in_schema=False)
LASTS_DAYS: Final = (30, 90, 365)
USUAL_DAYS: Final = 90
SHORTEST_PASSWORD: Final = 8
DESCRIBED: Final = (
    ("/openapi.json", "OpenAPI (HTTP)"),
    ("/asyncapi.json", "AsyncAPI (MQTT)"),
    ("/metrics", "Prometheus"),
)


@router.get("/account", response_model=None)
async def show_account(request: Request, console: Parts) -> Response:
    """Show who I am and which programs act for me."""
    visit = await visit_of(request, console)
    if isinstance(visit, Response):
        return visit
    return _page(visit.user, visit.language, await run_in_threadpool(_tokens, console, visit.user.name))


@router.post("/account/tokens", response_model=None)
def make_token(
    request: Request,
    console: Parts,
    user: SignedIn,
    *,
    label: Annotated[str, Form(min_length=1, max_length=80)],
    days: Annotated[int, Form(ge=1, le=max(LASTS_DAYS))] = USUAL_DAYS,
) -> Response:
    """Make a token, and show it this once."""
    made = console.doors.open_session(user, "token", timedelta(days=days), label.replace("\x00", "").strip())
    return _page(user, language_of(request), _tokens(console, user.name), made=made)


@router.post("/account/tokens/{token}/end", response_model=None)
def end_token(token: str, console: Parts, user: SignedIn) -> Response:
    """End a token of mine; whoever has it is turned away from now on."""
    with console.database.connection() as conn:
        users.end_token(conn, user.name, token)
    return RedirectResponse("/account", 303)


@router.post("/account/password", response_model=None)
def change_password(
    request: Request,
    console: Parts,
    user: SignedIn,
    *,
    old: Annotated[str, Form(max_length=1000)] = "",
    new: Annotated[str, Form(max_length=1000)] = "",
) -> Response:
    """Change my password: all my sessions and tokens end."""
    problem = _problem(console, user, old, new, address_of(request))
    if problem:
        return _page(user, language_of(request), _tokens(console, user.name), problem=problem)
    return RedirectResponse("/login", 303)


def _problem(console: Console, user: User, old: str, new: str, address: str) -> str:
    """Change the password; return what stands in the way, as a word of the catalogue, or nothing."""
    if len(new) < SHORTEST_PASSWORD:
        return "password_short"
    try:
        console.doors.check_password(user.name, old, address)
    except WrongPasswordError:
        return "wrong_old_password"
    except TooManyAttemptsError:
        return "too_many_later"
    with console.database.connection() as conn:
        change_password_of(conn, user.name, new)
    return ""


def _tokens(console: Console, name: str) -> list[Token]:
    with console.database.connection() as conn:
        return users.tokens_of(conn, name)


def _page(user: User, language: Language, tokens: list[Token], *, made: str = "", problem: str = "") -> HTMLResponse:
    text = words(language)
    told = f'<p class="door-error" role="alert">{text[problem]}</p>' if problem else ""
    shown = (
        f'<p role="status">{text["token_made"]}<br><input class="num" readonly value="{escape(made, quote=True)}"'
        f' aria-label="{text["token"]}" onfocus="this.select()"></p>'
        if made
        else ""
    )
    days = "".join(
        f"<option value={days}{' selected' if days == USUAL_DAYS else ''}>{days}</option>" for days in LASTS_DAYS
    )
    described = " · ".join(f'<a href="{path}">{name}</a>' for path, name in DESCRIBED)
    page = f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>{text["account"]} · Ngã Tư</title>
{head(language)}</head><body><main class="door"><div class="door-card account">
<a class="brand" href="/">{LOGO} Ngã Tư</a>
<div><strong>{escape(user.name)}</strong> <span class="muted">{user.role}</span></div>{told}
<h2>{text["tokens"]}</h2><p class="muted">{text["tokens_why"]}</p>{shown}{_table(tokens, text)}
<form method="post" action="/account/tokens">
<label>{text["token_label"]}<input name="label" maxlength=80 required></label>
<label>{text["token_days"]}<select name="days">{days}</select></label>
<button class="btn btn-main">{text["token_make"]}</button></form>
<h2>{text["password_change"]}</h2><form method="post" action="/account/password">
<input type="hidden" name="username" value="{escape(user.name, quote=True)}" autocomplete="username">
<label>{text["password_old"]}<input name="old" type="password" autocomplete="current-password" required></label>
<label>{text["password_new"]}<input name="new" type="password" autocomplete="new-password" minlength={SHORTEST_PASSWORD}
 required></label><button class="btn">{text["password_change"]}</button></form>
<p class="muted">{text["described"]} {described}</p></div></main></body></html>"""
    return HTMLResponse(page, headers={"Cache-Control": "no-store"})


def _table(tokens: list[Token], text: dict[str, str]) -> str:
    if not tokens:
        return f'<p class="muted">{text["tokens_none"]}</p>'
    rows = "".join(
        f"<tr><td>{escape(token.label)}</td><td class=num>{_left(token.expires)}</td>"
        f'<td><form method="post" action="/account/tokens/{token.id}/end">'
        f'<button class="btn">{text["token_end"]}</button></form></td></tr>'
        for token in tokens
    )
    heads = f"<tr><th>{text['token_label']}<th>{text['token_days']}<th></tr>"
    return f"<table><thead>{heads}</thead><tbody>{rows}</tbody></table>"


def _left(expires: datetime) -> int:
    return (expires - datetime.now(UTC)).days
