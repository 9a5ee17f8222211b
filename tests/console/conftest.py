"""A real console on a real database, looked at in a real Chromium."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psycopg
import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from console.doors import add_user
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from storage.users import Role
from tests.console.city import City, settle
from tests.servers import PostgresServer

ROOT = Path(__file__).parents[2]
PASSWORD = "wireless-dragon"
PEOPLE: dict[str, Role] = {
    "admin": "admin",
    "lan": "operator",
    "minh": "operator",
    "hoa": "planner",
    "phuong": "planner",
    "tam": "operator",
}


@dataclass(frozen=True)
class Site:
    """A console that runs, with its database."""

    url: str
    dsn: str
    process: Child

    def api(self, name: str = "lan") -> httpx.Client:
        """Return a client that is logged in by HTTP Basic."""
        return httpx.Client(base_url=self.url, auth=(name, PASSWORD), timeout=20)

    def session(self, name: str) -> str:
        """Log in; return the session's key."""
        answer = httpx.post(f"{self.url}/login", data={"name": name, "password": PASSWORD}, timeout=20)
        return answer.cookies["ngatu_session"]

    def healthy(self) -> bool:
        """Tell whether it says that it can work."""
        try:
            return httpx.get(f"{self.url}/healthz", timeout=10).is_success
        except httpx.HTTPError:
            return False


Start = Callable[[str], AbstractContextManager[Site]]
OpenPage = Callable[..., Page]


def program(dsn: str, port: int, log: Path, **more: str) -> Program:
    environ = {
        "NGATU_DSN": dsn,
        "NGATU_PORT": str(port),
        "NGATU_ADMIN_PASSWORD": PASSWORD,
        "NGATU_STORAGE_SECRET": "0123456789abcdef0123",
    }
    command = (sys.executable, "-m", "console")
    return Program(name="console", command=command, log=log, environ=environ | more, cwd=ROOT)


@pytest.fixture(scope="session")
def start_console(guard: Guard, tmp_path_factory: pytest.TempPathFactory) -> Start:
    """Start a console on a database; use it in `with`."""

    @contextmanager
    def start(dsn: str) -> Iterator[Site]:
        port = free_port()
        child = Child(program(dsn, port, tmp_path_factory.mktemp("console") / "log"), guard)
        site = Site(url=f"http://127.0.0.1:{port}", dsn=dsn, process=child)
        child.start()
        try:
            child.wait_ready(site.healthy, timeout=60)
            with psycopg.connect(dsn, autocommit=True) as conn:
                for name, role in PEOPLE.items():
                    add_user(conn, name, PASSWORD, role)
            yield site
        finally:
            child.stop()

    return start


@pytest.fixture(scope="module")
def site(postgres_server: PostgresServer, template_db: str, start_console: Start) -> Iterator[Site]:
    """A console of this module, on a fresh database."""
    with postgres_server.database(template_db) as dsn, start_console(dsn) as running:
        yield running


@pytest.fixture(scope="module")
def city(site: Site) -> Iterator[City]:
    """What the console shows; each test adds its own to it."""
    with psycopg.connect(site.dsn, autocommit=True) as conn:
        yield settle(conn)


@pytest.fixture(scope="module")
def browsers() -> Iterator[dict[tuple[object, ...], BrowserContext]]:
    """Browsers of people who have logged in, kept for the module: their caches are warm, as an operator's are."""
    kept: dict[tuple[object, ...], BrowserContext] = {}
    yield kept
    for context in kept.values():
        context.close()


@pytest.fixture
def open_page(chromium: Browser, site: Site, browsers: dict[tuple[object, ...], BrowserContext]) -> Iterator[OpenPage]:
    """Open a page as somebody who is logged in, in a browser of their own."""
    with ExitStack() as stack:

        def go(
            path: str = "/",
            name: str = "lan",
            *,
            width: int = 1440,
            language: str = "en",
            theme: str = "light",
            at: Site = site,
        ) -> Page:
            which = (at.url, name, width, language, theme)
            if which not in browsers:
                context = chromium.new_context(
                    viewport={"width": width, "height": 900},
                    locale=language,
                    color_scheme="dark" if theme == "dark" else "light",
                )
                context.add_cookies([{"name": "ngatu_session", "value": at.session(name), "url": at.url}])
                browsers[which] = context
            page = browsers[which].new_page()
            stack.callback(page.close)
            page.goto(at.url + path)
            return page

        yield go


@pytest.fixture
def desk(open_page: OpenPage, city: City) -> Page:
    """The alerts page before an operator, once it is live."""
    city.heard()
    page = open_page()
    page.wait_for_selector("[data-last-message]")
    return page
