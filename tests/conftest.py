"""Real servers for all tests: PostgreSQL 17 + TimescaleDB, Mosquitto, Chromium. Started once, gone at the end."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from playwright.sync_api import Browser, Page, expect, sync_playwright

from ngatu.home import find_home
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto
from ngatu.servers.packages import server_packages
from tests.servers import Broker, PostgresServer, WaitFor, running_broker, running_postgres

# The same examples each time: a commit that is green stays green. `--hypothesis-profile=default` looks for new ones.
settings.register_profile("fixed", derandomize=True)
settings.load_profile("fixed")

CHROMIUM_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def wait_for() -> WaitFor:
    """Return once `condition()` is true; fail after `timeout` seconds."""

    def wait(condition: Callable[[], object], timeout: float = 30) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            if time.monotonic() > deadline:
                pytest.fail(f"waited {timeout:g} s in vain for {getattr(condition, '__name__', condition)}")
            time.sleep(0.01)

    return wait


@pytest.fixture(scope="session")
def guard() -> Iterator[Guard]:
    """Ends our servers if pytest is killed."""
    made = Guard()
    yield made
    made.close()


@pytest.fixture(scope="session", autouse=True)
def _terminated_like_ctrl_c() -> None:
    signal.signal(signal.SIGTERM, signal.default_int_handler)


@pytest.fixture(scope="session")
def server_folder() -> Iterator[Path]:
    """A folder that `nobody` can reach, which pytest's own temporary ones are not."""
    folder = Path(tempfile.mkdtemp(prefix="ngatu-test-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def packages() -> Path:
    return server_packages(find_home(os.environ))


@pytest.fixture(scope="session")
def postgres_server(packages: Path, server_folder: Path, guard: Guard) -> Iterator[PostgresServer]:
    """PostgreSQL 17 + TimescaleDB on a free port, fsync on, without password."""
    with running_postgres(packages, server_folder / "postgres", guard) as server:
        yield server


@pytest.fixture
def private_postgres(packages: Path, server_folder: Path, guard: Guard) -> Iterator[PostgresServer]:
    """A cluster of its own, for tests that break it."""
    folder = Path(tempfile.mkdtemp(prefix="postgres-", dir=server_folder))
    with running_postgres(packages, folder, guard) as server:
        yield server


@pytest.fixture(scope="session")
def template_db(postgres_server: PostgresServer) -> str:
    """The name of a database with the whole schema, to copy from."""
    from storage.migrate import migrate

    name = "template_ngatu"
    postgres_server.execute(f"CREATE DATABASE {name}")
    migrate(postgres_server.cluster.dsn(name))
    postgres_server.execute(
        f"ALTER DATABASE {name} ALLOW_CONNECTIONS false",  # TimescaleDB's workers too: a template must have no visitors
        f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'",
    )
    return name


@pytest.fixture
def dsn(postgres_server: PostgresServer, template_db: str) -> Iterator[str]:
    """The DSN of a fresh database with the whole schema."""
    with postgres_server.database(template_db) as address:
        yield address


@pytest.fixture
def empty_dsn(postgres_server: PostgresServer) -> Iterator[str]:
    """The DSN of a fresh database without anything in it."""
    with postgres_server.database() as address:
        yield address


@pytest.fixture
def db(dsn: str) -> Iterator[psycopg.Connection]:
    """An autocommit connection to a fresh database with the whole schema."""
    with psycopg.connect(dsn, autocommit=True) as conn:
        yield conn


@pytest.fixture(scope="session")
def broker(packages: Path, server_folder: Path, guard: Guard) -> Iterator[Broker]:
    """Mosquitto on a free port, anyone may connect. Shared: use a device name of your own."""
    site = mosquitto.BrokerSite(packages=packages, folder=server_folder / "mosquitto", port=free_port())
    with running_broker(site, guard) as server:
        yield server


@pytest.fixture
def private_broker_site(packages: Path, server_folder: Path) -> mosquitto.BrokerSite:
    folder = Path(tempfile.mkdtemp(prefix="mosquitto-", dir=server_folder))
    return mosquitto.BrokerSite(packages=packages, folder=folder, port=free_port())


@pytest.fixture
def private_broker(private_broker_site: mosquitto.BrokerSite, guard: Guard) -> Iterator[Broker]:
    """A Mosquitto of its own, anyone may connect, for tests that break it."""
    with running_broker(private_broker_site, guard) as server:
        yield server


@pytest.fixture
def guarded_broker(private_broker_site: mosquitto.BrokerSite, guard: Guard) -> Iterator[Broker]:
    """A Mosquitto of its own with passwords and the access list; `.site.users` has them: ingest, camera-a, camera-b."""
    site = replace(private_broker_site, users={"ingest": "one", "camera-a": "two", "camera-b": "three"})
    with running_broker(site, guard) as server:
        yield server


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """A headless Chromium: the one of this machine."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        pytest.fail("Chromium is missing: ask for the package chromium (apt-get install chromium)")
    expect.set_options(timeout=20_000)  # a busy machine is no failure
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=CHROMIUM_FLAGS)
        yield browser
        with suppress(Exception):
            browser.close()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A fresh page, without cookies, 1440 by 900."""
    context = chromium.new_context(viewport={"width": 1440, "height": 900})
    yield context.new_page()
    context.close()
