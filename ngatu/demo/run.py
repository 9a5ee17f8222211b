"""`ngatu demo`: from nothing to a working page, until Ctrl-C."""

import errno
import fcntl
import logging
import os
import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg

from ngatu.demo.agents import Inputs
from ngatu.demo.line import LiveLine
from ngatu.demo.site import DemoStopped, Site, open_site
from ngatu.demo.start import Wishes, start_agents, start_airflow, start_servers
from ngatu.home import find_home
from ngatu.prepare import clip_file, make_clip
from ngatu.process.guard import Guard
from ngatu.process.reaper import adopt_orphans, reap_orphans
from ngatu.process.supervisor import Supervisor
from ngatu.servers.packages import server_packages
from storage.connect import connect
from vision.detection.detect import open_detector

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class House:
    """A running demonstration."""

    site: Site
    supervisor: Supervisor
    inputs: Inputs
    began: float  # monotonic

    def seconds(self) -> float:
        """Since it was begun."""
        return time.monotonic() - self.began

    def told(self, text: str) -> None:
        """Say how far it is."""
        log.info("%5.1f s  %s", self.seconds(), text)

    def send(self) -> None:
        """Start the agents, and behind them Airflow: slow to start, and nobody waits for it."""
        start_agents(self.site, self.inputs, self.supervisor, self.told)
        start_airflow(self.site, self.supervisor, self.told)


def wishes(video: str | None, model: str | None, scene: Path | None) -> Wishes:
    """Return what the user named, checked; the clip where no video was named.

    Raises:
        DemoStopped: a file does not exist.
        VisionError: the model is none.
    """
    if video is not None and "://" not in video and not video.isdecimal() and not Path(video).exists():
        raise DemoStopped(f"VIDEO={video}: no such file; name a file, an rtsp:// or http:// address, or a device")
    if scene is not None and not scene.exists():
        raise DemoStopped(f"{scene}: no such scene file")
    home = find_home(os.environ)
    if video is None:
        make_clip()
    elif Path(video).exists():
        video = str(Path(video).resolve())
    return Wishes(
        video=video or str(clip_file(home)),
        model=model and _opened(Path(model)),
        scene=scene and scene.resolve(),
        is_clip=video is None,
    )


@contextmanager
def running_house(wished: Wishes, folder: Path | None = None) -> Iterator[House]:
    """Start all but the agents (`House.send`), and stop it whole, whatever happens in between.

    Raises:
        DemoStopped: it can't begin: it runs already, or the disk is full.
        ChildFailed, VisionError: a part could not be started.
    """
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job is born deaf to SIGINT
        signal.signal(number, signal.default_int_handler)
    adopt_orphans()
    began = time.monotonic()
    home = find_home(os.environ)
    with ExitStack() as stack:
        place = folder or home / "demo"
        stack.enter_context(_alone(place))
        site = open_site(place, server_packages(home))
        stack.callback(reap_orphans)
        guard = Guard()
        stack.callback(guard.close)
        supervisor = Supervisor(guard)
        stack.callback(supervisor.stop)

        def told(text: str) -> None:
            log.info("%5.1f s  %s", time.monotonic() - began, text)

        inputs = start_servers(site, wished, supervisor, told)
        yield House(site, supervisor, inputs, began)


def run_demo(wished: Wishes) -> None:
    """Run until Ctrl-C; print where to look, and a live line of counts."""
    try:
        with running_house(wished) as house:
            house.send()
            print(_where_to_look(house.site, wished), flush=True)  # noqa: T201 - it is what the command is for
            _attend(house)
    except KeyboardInterrupt:
        log.info("everything is stopped")
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DemoStopped("the disk is full: free some space, or set NGATU_HOME to another disk") from error
        raise


def _attend(house: House) -> None:
    while True:
        try:
            with connect(house.site.dsn, application="ngatu demo") as conn:
                line = LiveLine(house.site, conn)
                while True:
                    house.supervisor.watch()
                    line.show()
                    time.sleep(0.25)
        except psycopg.OperationalError:
            house.supervisor.watch()
            time.sleep(1.0)  # the database is being started again


def _where_to_look(site: Site, wished: Wishes) -> str:
    lines = [
        "",
        f"  Alerts, series, traffic  {site.console_url}",
        f"  Airflow                  {site.airflow.url}   (some seconds after the rest)",
        f"  Log in as                admin   password {site.passwords.admin}",
        f"  Database                 {site.folder / 'passwords.json'} holds its password, port {site.ports.postgres}",
        f"  Logs                     {site.logs}",
    ]
    if not wished.is_clip and wished.scene is None:
        lines.append(
            f"  Zones                    none are drawn on this camera yet, so that only counts are made: add them in "
            f"{site.folder / 'camera-a.yaml'}, or name a scene file with SCENE="
        )
    return "\n".join([*lines, "", "  Ctrl-C stops everything.", ""])


def _opened(model: Path) -> str:
    """Open it once: better to hear now than from an agent's log that it is no model."""
    open_detector(model)
    return str(model.resolve())


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One demonstration a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise DemoStopped("the demonstration runs already: stop the other one with Ctrl-C first") from error
        yield
