"""A private city to break: database, broker, two ingest processes, three agents, and the lines between them."""

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.error import HTTPError
from urllib.request import urlopen

import yaml

from edge.boxfile import load_given_up
from ngatu.faults.line import Line, Lines
from ngatu.faults.plan import AGENTS, INGESTS
from ngatu.home import CHECKOUT
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import mosquitto, postgres
from storage.migrate import migrate

DEVICES: Final = tuple(f"agent-{letter}" for letter in "abcdefgh"[:AGENTS])
DATABASE: Final = "ngatu"
BUDGET: Final = "256MB"
SMALL_BUDGET: Final = "1MiB"  # the smallest that an outbox takes


@dataclass(frozen=True, slots=True, kw_only=True)
class Commands:
    """How the programs under test are started; tests put broken ones in their place."""

    ingest: tuple[str, ...] = (sys.executable, "-m", "ingest")
    agent: tuple[str, ...] = (sys.executable, "-m", "edge")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """What an agent's generator makes."""

    readings: int = 40  # a second, in messages of a tenth of a second
    incidents: float = 2  # a second, each with a still
    still_bytes: int = 4096


PACE: Final = Pace()
QUIET: Final = Pace(readings=0, incidents=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """One agent: its process, its configuration, and the log of what it made."""

    device: str
    child: Child
    line: Line
    folder: Path

    @property
    def file(self) -> Path:
        """Its YAML file."""
        return self.folder / "agent.yaml"

    @property
    def log(self) -> Path:
        """What its generators made and its outbox took."""
        return self.folder / "made.csv"

    def start(self) -> None:
        """Start it; of its log, a line that a kill has torn is taken away."""
        if self.log.exists():
            with self.log.open("rb+") as log:
                log.truncate(log.read().rfind(b"\n") + 1)
        self.child.start()

    def evicts(self) -> bool:
        """Whether its outbox has given up messages for want of room."""
        outbox = self.folder / "state" / "outbox.db"
        if not outbox.exists():
            return False
        with closing(sqlite3.connect(f"file:{outbox}?mode=ro", uri=True)) as conn, suppress(sqlite3.OperationalError):
            return any(reason == "evicted" for _, reason in load_given_up(conn))
        return False

    def configure(self, pace: Pace, budget: str = BUDGET) -> None:
        """Write its YAML file; it counts from the next start on."""
        generator = {
            "kind": "generator",
            "rate": pace.readings,
            "series": 10,
            "incidents_per_s": pace.incidents,
            "still_bytes": pace.still_bytes,
            "log": self.log.name,
        }
        document = {
            "device": self.device,
            "folder": "state",
            "broker": {"url": f"mqtt://127.0.0.1:{self.line.port}", "keepalive_s": 5},
            "outbox": {"budget": budget},
            "uplink": {"status_s": 1, "resend_s": 1, "resend_max_s": 5},
            "sensors_s": 0.1,
            "sensors": [generator] if pace != QUIET else [],
        }
        self.file.write_text(yaml.safe_dump(document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Ingest:
    """One ingest process."""

    child: Child
    metrics_port: int

    def ailments(self) -> str:
        """What it says that keeps it from working; empty: all is well."""
        try:
            with urlopen(f"http://127.0.0.1:{self.metrics_port}/healthz", timeout=2):
                return ""
        except HTTPError as error:
            with error:
                return error.read().decode()
        except OSError as error:
            return f"no answer: {error}"


@dataclass(frozen=True, slots=True, kw_only=True)
class City:
    """Everything that can be broken."""

    cluster: postgres.Cluster
    site: mosquitto.BrokerSite
    database: Child
    broker: Child
    ingests: tuple[Ingest, ...]
    agents: tuple[Agent, ...]
    lines: tuple[Line, ...]  # of the agents, then of each ingest process: to the broker, to the database

    @property
    def dsn(self) -> str:
        """Past all lines."""
        return self.cluster.dsn(DATABASE)

    def start_database(self) -> None:
        """Start it and wait until it answers."""
        self.database.start()
        self.database.wait_ready(self.cluster.ready, timeout=60)

    def start_broker(self, *, wiped: bool = False) -> None:
        """Start it and wait until it answers; `wiped`: without what it had persisted."""
        if wiped:
            shutil.rmtree(self.site.folder / "data")
            mosquitto.initialise(self.site)
        self.broker.start()
        self.broker.wait_ready(self.site.answers, timeout=20)


@contextmanager
def city(folder: Path, packages: Path, commands: Commands) -> Iterator[City]:
    """Start a city in `folder`; stop it, whatever happened, at the end. The agents are configured, not started."""
    with ExitStack() as stack:
        guard = Guard()
        stack.callback(guard.close)
        cluster = postgres.Cluster(packages=packages, folder=folder / "postgres", port=free_port())
        site = mosquitto.BrokerSite(packages=packages, folder=folder / "mosquitto", port=free_port())
        postgres.initialise(cluster)
        mosquitto.initialise(site)
        lines = stack.enter_context(Lines())
        backhaul = [(lines.to(site.port), lines.to(cluster.port)) for _ in range(INGESTS)]
        field = [lines.to(site.port) for _ in DEVICES]
        made = City(
            cluster=cluster,
            site=site,
            database=Child(postgres.program(cluster), guard),
            broker=Child(mosquitto.program(site), guard),
            ingests=tuple(_ingest(folder, number, commands, lines, guard) for number, lines in enumerate(backhaul, 1)),
            agents=tuple(
                _agent(folder, device, line, commands, guard) for device, line in zip(DEVICES, field, strict=True)
            ),
            lines=(*field, *(line for pair in backhaul for line in pair)),
        )
        stack.callback(made.database.stop)
        made.start_database()
        migrate(postgres.ensure_database(cluster, DATABASE))
        stack.callback(made.broker.stop)
        made.start_broker()
        for child in (part.child for parts in (made.ingests, made.agents) for part in parts):
            stack.callback(child.stop)
        for ingest in made.ingests:
            ingest.child.start()
        yield made


def _ingest(folder: Path, number: int, commands: Commands, lines: tuple[Line, Line], guard: Guard) -> Ingest:
    broker, database = lines
    port = free_port()
    program = Program(
        name=f"ingest-{number}",
        command=commands.ingest,
        log=folder / f"ingest-{number}.log",
        environ={
            "PATH": os.defpath,
            "HOME": str(folder),
            "NGATU_DSN": f"postgresql://postgres@127.0.0.1:{database.port}/{DATABASE}",
            "NGATU_MQTT_URL": f"mqtt://127.0.0.1:{broker.port}",
            "NGATU_METRICS_PORT": str(port),
        },
        cwd=CHECKOUT,
    )
    return Ingest(child=Child(program, guard), metrics_port=port)


def _agent(folder: Path, device: str, line: Line, commands: Commands, guard: Guard) -> Agent:
    home = folder / device
    home.mkdir()
    program = Program(
        name=device,
        command=(*commands.agent, str(home / "agent.yaml")),
        log=folder / f"{device}.log",
        environ={"PATH": os.defpath, "HOME": str(home)},
        cwd=CHECKOUT,
    )
    agent = Agent(device=device, child=Child(program, guard), line=line, folder=home)
    agent.configure(PACE)
    return agent
