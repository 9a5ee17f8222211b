"""What stands around every page: fonts, colours, the bar on top, and who looks."""

import hashlib
from dataclasses import dataclass
from functools import cache
from html import escape
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from fastapi import Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import RedirectResponse, Response
from nicegui import ui

from console.api.access import COOKIE, Console
from console.database import DatabaseAwayError
from console.words import LANGUAGES, Language, choose_language, words
from storage.users import User

STATIC: Final = Path(__file__).parent.parent / "static"
PAGES: Final = (
    ("/", "alerts"),
    ("/series", "series"),
    ("/traffic", "traffic"),
    ("/map", "map"),
    ("/reports", "reports"),
    ("/devices", "devices"),
    ("/quality", "quality"),
    ("/publications", "open_data"),
)
NATIVE: Final = {"vi": "Tiếng Việt", "en": "English"}

LOGO: Final = (
    '<svg viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="7" fill="var(--accent)"/>'
    '<path d="M13 4h6v9h9v6h-9v9h-6v-9H4v-6h9z" fill="var(--accent-ink)"/>'
    '<circle cx="16" cy="16" r="2.6" fill="var(--accent)"/></svg>'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Visit:
    """One person looking at one page."""

    user: User
    language: Language
    path: str


async def visit_of(request: Request, console: Console) -> Visit | Response:
    """Return who looks; or the way to the login page, or, with the database away, a page that tries again."""
    language = choose_language(request.cookies.get("ngatu_lang"), request.headers.get("accept-language", ""))
    try:
        key = request.cookies.get(COOKIE, "")
        user = await run_in_threadpool(console.doors.user_of, key) if key else None
    except DatabaseAwayError:
        return waiting_page(language, console)
    if user is None:
        return RedirectResponse(f"/login?next={quote(request.url.path)}", 303)
    return Visit(user=user, language=language, path=request.url.path)


def frame(console: Console, visit: Visit) -> dict[str, str]:
    """Draw the bar on top of a page; return the page's words."""
    text = words(visit.language)
    ui.page_title(f"{text[_page(visit.path)]} · Ngã Tư")
    ui.add_head_html(head(visit.language))
    ui.html(_bar(console, visit, text), sanitize=False)
    return text


def mount(
    console: Console, visit: Visit, component: type[ui.element], templates: str, props: dict[str, Any] | None = None
) -> ui.element:
    """Draw a page that is one component of ours, whose templates (names, by blanks) stand beside it."""
    text = frame(console, visit)
    for name in templates.split():
        html = (Path(__file__).parent / f"{name}.html").read_text("utf-8")
        ui.add_body_html(f'<script type="text/x-template" id="{name}-template">{html}</script>')
    with ui.element("main").props("id=main").classes("board-main"):
        made = component()
    made._props |= {"words": text, "timezone": console.live.timezone, **(props or {})}  # noqa: SLF001 - props() parses text
    return made


def head(language: Language) -> str:
    """Return what every page has in its head."""
    return (
        f'<script>document.documentElement.lang = "{language}"</script>'
        f'<script src="/static/frame.js?v={_version("frame.js")}"></script>'
        f'<link rel="stylesheet" href="/static/console.css?v={_version("console.css")}">'
    )


def choices(language: Language, path: str, text: dict[str, str]) -> str:
    """Return the switches of language and theme."""
    languages = "".join(
        f'<a class="btn" lang="{code}" href="/language/{code}?next={quote(path)}"'
        f"{' aria-current=true' if code == language else ''}>{NATIVE[code]}</a>"
        for code in LANGUAGES
    )
    themes = "".join(
        f'<button type="button" class="btn" data-theme-choice="{name}">{text["theme_" + name]}</button>'
        for name in ("auto", "light", "dark")
    )
    return (
        f'<div class="choice" role="group" aria-label="{text["language"]}">{languages}</div>'
        f'<div class="choice" role="group" aria-label="{text["theme"]}">{themes}</div>'
    )


def waiting_page(language: Language, console: Console) -> Response:
    """Return a page that loads itself again until the database is there."""
    text = words(language)
    body = f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8"><meta http-equiv="refresh" content="3">
<meta name="viewport" content="width=device-width, initial-scale=1"><title>Ngã Tư</title>{head(language)}</head>
<body><main class="door"><div class="door-card"><div class="brand">{LOGO} Ngã Tư</div>
<p>{escape(console.settings.city)}</p><p class="door-error" role="alert">{text["no_database"]}</p></div></main>
</body></html>"""
    return Response(body, 503, {"Retry-After": "3"}, "text/html; charset=utf-8")


def _page(path: str) -> str:
    return next((name for address, name in PAGES if address == path), "alerts")


def _bar(console: Console, visit: Visit, text: dict[str, str]) -> str:
    links = "".join(
        f'<a href="{path}"{" aria-current=page" if path == visit.path else ""}>{text[name]}</a>' for path, name in PAGES
    )
    return (
        f'<a class="skip" href="#main">{text["skip"]}</a><header class="top">'
        f'<a class="brand" href="/">{LOGO}<span class="brand-name">Ngã Tư</span> '
        f"<small>{escape(console.settings.city)}</small></a>"
        f'<nav class="nav">{links}</nav><span class="top-gap"></span>'
        f'<span class="clock num"><span data-clock="{console.live.timezone}"></span></span>'
        f'<details class="menu"><summary class="btn btn-quiet">{escape(visit.user.name)} ▾</summary>'
        f'<div class="menu-list">{choices(visit.language, visit.path, text)}'
        f'<a class="btn" href="/account">{text["account"]}</a><form method="post" action="/logout">'
        f'<button class="btn">{text["log_out"]}</button></form></div></details></header>'
    )


@cache
def _version(name: str) -> str:
    return hashlib.sha256((STATIC / name).read_bytes()).hexdigest()[:12]
