"""Starts the house in the order in which its parts need each other, as much at once as two cores bear."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

from ngatu.city import City, city_file, read_city
from ngatu.city_lists import load_city
from ngatu.demo import parts
from ngatu.demo.agents import Inputs, write_agents
from ngatu.demo.site import DATABASE, DemoStopped, Site
from ngatu.process.child import ChildFailed
from ngatu.process.supervisor import Supervisor
from ngatu.replay import detector_counts, write_replay
from ngatu.servers import airflow, mosquitto, postgres
from storage.migrate import migrate
from vision.detection.models import find_model

log = logging.getLogger(__name__)

CITY = "hanoi"
MODEL_THREADS = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the user named."""

    video: str
    model: str | None
    scene: Path | None
    is_clip: bool


def start_servers(site: Site, wishes: Wishes, supervisor: Supervisor, told: Callable[[str], None]) -> Inputs:
    """Start database, broker, ingest and console; return when the page works, with what the agents will look at.

    Raises:
        ChildFailed: a part could not be started; its last words are in the message.
        DemoStopped: something that is needed can't be had.
        VisionError: the model can't be had.
    """
    city = read_city(city_file(CITY))
    with ThreadPoolExecutor(thread_name_prefix="start") as pool:
        model = pool.submit(find_model, wishes.model, site.folder.parent / "models")
        replay = pool.submit(_replay_file, site, city)
        broker = pool.submit(_start_broker, site, supervisor)
        _start_database(site, supervisor)
        broker.result()
        told("database and broker are up")
        running: list[Future[None]] = [
            pool.submit(supervisor.start, parts.ingest(site)),
            pool.submit(supervisor.start, parts.console(site, city.name)),
        ]
        for part in running:
            part.result()
        told(f"ingest and console are up: {site.console_url}")
        return Inputs(
            video=wishes.video,
            model=model.result().path,
            replay=replay.result(),
            scene=wishes.scene,
            is_clip=wishes.is_clip,
        )


def start_agents(site: Site, inputs: Inputs, supervisor: Supervisor, told: Callable[[str], None]) -> None:
    """Start the three agents.

    Raises:
        ChildFailed: one could not be started.
    """
    for device, settings in write_agents(site, inputs).items():
        supervisor.start(parts.agent(site, device, settings))
    told(f"three agents send; the camera's model is {inputs.model.name}")


def start_airflow(site: Site, supervisor: Supervisor, told: Callable[[str], None]) -> threading.Thread:
    """Bring Airflow up behind the scenes: it is slow to start, and nobody waits for it."""

    def run() -> None:
        try:
            _prepare_airflow(site)
            processes = parts.airflow_parts(site)
            with ThreadPoolExecutor(len(processes)) as pool:
                for started in [pool.submit(supervisor.start, part) for part in processes]:
                    started.result()
            told(f"Airflow is up: {site.airflow.url}")
        except ChildFailed as error:
            log.error("Airflow could not be started, everything else goes on: %s", error)  # noqa: TRY400 - one line

    thread = threading.Thread(target=run, name="airflow", daemon=True)
    thread.start()
    return thread


def _start_database(site: Site, supervisor: Supervisor) -> None:
    postgres.initialise(site.cluster)
    supervisor.start(parts.database(site))
    migrate(postgres.ensure_database(site.cluster, DATABASE))
    load_city(site.dsn, CITY)


def _start_broker(site: Site, supervisor: Supervisor) -> None:
    mosquitto.initialise(site.broker)
    supervisor.start(parts.broker(site))


def _prepare_airflow(site: Site) -> None:
    """Its tables are made once for each version."""
    from importlib.metadata import version  # noqa: PLC0415

    postgres.ensure_database(site.cluster, "airflow")
    stamp = site.airflow.folder / "migrated"
    wanted = version("apache-airflow")
    if not stamp.exists() or stamp.read_text() != wanted:
        airflow.initialise(site.airflow)
        stamp.write_text(wanted)


def _replay_file(site: Site, city: City) -> Path:
    path = site.folder / "detectors.csv"
    if not path.exists():
        count = write_replay(path, detector_counts(ZoneInfo(city.time_zone)))
        if count == 0:
            raise DemoStopped("the package traffic-anomaly holds no counts any more: its sample data has changed")
        log.info("replay=%s readings=%d", path.name, count)
    return path
