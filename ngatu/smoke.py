"""`ngatu smoke`: the demonstration without anybody looking, until every stage has shown its real output."""

import base64
import json
import logging
import os
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import psutil
from psycopg import Connection

from ngatu.demo.agents import DETECTORS, HISTORY_DAYS
from ngatu.demo.run import House, running_house
from ngatu.demo.site import Site
from ngatu.demo.start import Wishes
from ngatu.home import find_home
from ngatu.passwords import DEVICES
from ngatu.prepare import CHROMIUM
from ngatu.servers.airflow import healthy
from storage.connect import connect
from storage.progress import aggregated_history, progress

if TYPE_CHECKING:
    from playwright.sync_api import Page

log = logging.getLogger(__name__)

PATIENCE_S = 280.0  # for all stages together, from the start
AIRFLOW = ("scheduler", "dag_processor", "triggerer")
GOAL_S = 1.0  # from the deciding frame to the page
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]

OBSERVE = """
() => {
  window.seen = {};
  const known = new Set([...document.querySelectorAll('article.row')].map(e => e.dataset.incidentId));
  new MutationObserver(() => {
    for (const e of document.querySelectorAll('article.row[data-incident-id]')) {
      const id = e.dataset.incidentId;
      if (!known.has(id) && !(id in window.seen))
        window.seen[id] = (Date.now() - Date.parse(e.dataset.decidedAt)) / 1000;
    }
  }).observe(document.body, {childList: true, subtree: true, attributes: true});
}"""


@dataclass(slots=True)
class Stage:
    """One thing that must be seen."""

    name: str
    look: Callable[[], str | None]  # what was seen; None: nothing yet
    seen: str | None = None
    after: float | None = None  # seconds from the start


@dataclass(slots=True)
class Verdict:
    """What a smoke run found."""

    stages: list[Stage] = field(default_factory=list)
    frame_to_page_s: float | None = None
    left: list[str] = field(default_factory=list)  # processes that outlived the stop

    @property
    def failures(self) -> list[str]:
        """What is wrong, in words; empty: nothing."""
        found = [f"{stage.name}: not seen" for stage in self.stages if stage.after is None]
        if self.frame_to_page_s is not None and self.frame_to_page_s > GOAL_S:
            found.append(f"frame to page took {self.frame_to_page_s:.2f} s, more than {GOAL_S:g} s")
        return found + [f"still running after the stop: {process}" for process in self.left]


def run_smoke(wished: Wishes) -> Verdict:
    """Start a fresh house, wait for every stage, stop it, and see that nothing is left."""
    folder = find_home(os.environ) / "smoke"
    shutil.rmtree(folder, ignore_errors=True)
    verdict = Verdict()
    with running_house(wished, folder) as house:
        with connect(house.site.dsn, application="ngatu smoke") as conn, _alerts_page(house.site) as page:
            verdict.stages = _stages(house.site, conn, page)
            house.send()
            _wait(house, verdict.stages)
            delays: dict[str, float] = page.evaluate("() => window.seen")
        verdict.frame_to_page_s = min(delays.values(), default=None) if len(delays) < 3 else _median(delays)
        sessions = set(house.supervisor.pids().values())
    verdict.left = _left(sessions)
    return verdict


def _wait(house: House, stages: list[Stage]) -> None:
    while house.seconds() < PATIENCE_S and any(stage.after is None for stage in stages):
        house.supervisor.watch()
        for stage in stages:
            if stage.after is None and (seen := stage.look()):
                stage.seen, stage.after = seen, house.seconds()
                log.info("%5.1f s  %s: %s", stage.after, stage.name, seen)
        time.sleep(0.25)


def _stages(site: Site, conn: Connection[Any], page: "Page") -> list[Stage]:
    def counted(test: str, unit: str, least: int = 1) -> Callable[[], str | None]:
        def look() -> str | None:
            count = getattr(progress(conn), test)
            return f"{count:,} {unit}" if count >= least else None

        return look

    return [
        Stage("agents connected", counted("online", "devices online", len(DEVICES))),
        Stage("readings stored", counted("series", "declared series have readings", 20)),
        Stage("model runs", lambda: progress(conn).model),
        Stage("minute counts", counted("minute_counts", "rows")),
        Stage("incident with a still", lambda: _incident(conn)),
        Stage("incident on the page", lambda: _on_page(page)),
        Stage("Airflow", lambda: site.airflow.url if healthy(site.airflow, *AIRFLOW) else None),
        Stage("aggregates of the history", lambda: _history(conn)),
        Stage("API", lambda: _api(site)),
    ]


def _incident(conn: Connection[Any]) -> str | None:
    counts = progress(conn)
    return f"{counts.incidents} incidents, {counts.stills} stills" if counts.incidents and counts.stills else None


def _on_page(page: "Page") -> str | None:
    page.wait_for_timeout(1)  # lets the page's own events through
    delays: dict[str, float] = page.evaluate("() => window.seen")
    return f"{_median(delays):.2f} s after the frame that decided it (median of {len(delays)})" if delays else None


def _history(conn: Connection[Any]) -> str | None:
    found = aggregated_history(conn, DETECTORS)
    if any(level.days < HISTORY_DAYS - 1 for level in found.values()):
        return None
    return ", ".join(f"{level.buckets:,} rows of {name} over {level.days:.0f} days" for name, level in found.items())


def _api(site: Site) -> str | None:
    secret = base64.b64encode(f"admin:{site.passwords.admin}".encode()).decode()
    answers = {}
    for path in ("incidents", "series", "devices"):
        request = urllib.request.Request(  # noqa: S310 - our own address
            f"{site.console_url}/api/{path}", headers={"Authorization": f"Basic {secret}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310 - our own address
                found = json.load(answer)
                answers[path] = len(found if isinstance(found, list) else found[path])
        except OSError:
            return None
    return ", ".join(f"{count} {path}" for path, count in answers.items()) if all(answers.values()) else None


@contextmanager
def _alerts_page(site: Site) -> Iterator["Page"]:
    """The operator's page in a real browser, logged in and live."""
    from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only a smoke run opens a browser

    chromium = next(filter(None, map(shutil.which, CHROMIUM)))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        page = browser.new_page(viewport={"width": 1440, "height": 900})
        page.goto(site.console_url)
        page.fill("[name=name]", "admin")
        page.fill("[name=password]", site.passwords.admin)
        page.click("button.btn-main")
        page.wait_for_selector(".feed-state.is-good, .feed-state.is-bad")  # told by the server: it is connected
        page.evaluate(OBSERVE)
        yield page
        browser.close()


def _median(delays: dict[str, float]) -> float:
    ordered = sorted(delays.values())
    return ordered[len(ordered) // 2]


def _left(sessions: set[int]) -> list[str]:
    """Processes of our children's sessions that are still there."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                found.append(f"{process.pid} {process.name()}")
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found
