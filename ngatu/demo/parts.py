"""The parts of the house that run: which process, how it is told its settings, how it shows that it works.

docker-compose.yml starts the same parts as containers; a test compares the two.
"""

import os
import sys
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

from ngatu.demo.site import Site
from ngatu.home import CHECKOUT
from ngatu.process.child import Program
from ngatu.process.supervisor import Part
from ngatu.servers import airflow, mosquitto, postgres

SERVERS, STORING, SERVING, SENDING = 0, 1, 2, 3  # layers: stopped from the last to the first


def database(site: Site) -> Part:
    """PostgreSQL 17 with TimescaleDB."""
    return Part(program=postgres.program(site.cluster), ready=site.cluster.ready, layer=SERVERS)


def broker(site: Site) -> Part:
    """Mosquitto."""
    return Part(program=mosquitto.program(site.broker), ready=site.broker.answers, layer=SERVERS)


def ingest(site: Site) -> Part:
    """MQTT into the database."""
    environ = {
        "NGATU_DSN": site.dsn,
        "NGATU_MQTT_URL": f"mqtt://ingest@127.0.0.1:{site.ports.broker}",
        "NGATU_MQTT_PASSWORD": site.passwords.ingest,
        "NGATU_METRICS_PORT": str(site.ports.ingest),
    }
    return Part(
        program=_python(site, "ingest", ("-m", "ingest"), environ),
        ready=lambda: answers(f"{site.metrics_url}/healthz"),
        layer=STORING,
    )


def console(site: Site, city: str) -> Part:
    """The pages and the HTTP API."""
    environ = {
        "NGATU_DSN": site.dsn,
        "NGATU_HOST": "127.0.0.1",
        "NGATU_PORT": str(site.ports.console),
        "NGATU_CITY": city,
        "NGATU_ADMIN_PASSWORD": site.passwords.admin,
        "NGATU_STORAGE_SECRET": site.passwords.storage_secret,
        "NGATU_OPEN_DATA": str(site.airflow.open_data),
    }
    return Part(
        program=_python(site, "console", ("-m", "console"), environ),
        ready=lambda: answers(f"{site.console_url}/healthz"),
        layer=SERVING,
    )


def agent(site: Site, device: str, settings: Path) -> Part:
    """One edge agent."""
    environ = {"NGATU_MQTT_PASSWORD": site.passwords.devices[device]}
    return Part(program=_python(site, f"agent-{device}", ("-m", "edge", str(settings)), environ), layer=SENDING)


def airflow_parts(site: Site) -> tuple[Part, ...]:
    """API server, scheduler, DAG processor and triggerer; the API server reports on all four."""
    site_of_airflow = site.airflow
    reports = (("metadatabase",), ("scheduler",), ("dag_processor",), ("triggerer",))
    return tuple(
        Part(
            program=program,
            ready=lambda names=names: airflow.healthy(site_of_airflow, *names),  # type: ignore[misc]
            timeout=180,
            layer=SERVING,
        )
        for program, names in zip(airflow.programs(site_of_airflow, site.logs), reports, strict=True)
    )


def answers(address: str) -> bool:
    """Whether an HTTP GET of `address` is answered with success."""
    try:
        with urllib.request.urlopen(address, timeout=3) as answer:  # noqa: S310 - our own http addresses
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _python(site: Site, name: str, arguments: tuple[str, ...], environ: Mapping[str, str]) -> Program:
    return Program(
        name=name,
        command=(sys.executable, *arguments),
        log=site.logs / f"{name}.log",
        environ={"PATH": f"{Path(sys.executable).parent}:{os.defpath}", "HOME": str(site.folder), **environ},
        cwd=CHECKOUT,
    )
