import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ngatu.demo import parts
from ngatu.demo.site import Ports, Site
from ngatu.passwords import DEVICES, Passwords
from ngatu.process.supervisor import Part
from tests.deploy import compose

SERVICE = {"postgres": "timescaledb", **{f"agent-{device}": "agent" for device in DEVICES}}
HERE_ONLY = {  # where a machine without containers differs: loopback addresses, folders of its own
    "AIRFLOW__API__HOST",
    "AIRFLOW__API__PORT",
    "AIRFLOW__API__BASE_URL",
    "AIRFLOW__LOGGING__BASE_LOG_FOLDER",
}
AGENT = compose.ROOT / "deploy" / "agent" / "agent.yaml"


@pytest.fixture
def started(tmp_path: Path) -> list[Part]:
    """What the demonstration starts."""
    site = Site(folder=tmp_path, packages=tmp_path, ports=Ports(), passwords=Passwords())
    agents = [parts.agent(site, device, tmp_path / f"{device}.yaml") for device in DEVICES]
    servers = [parts.database(site), parts.broker(site), parts.ingest(site), parts.console(site, "Hà Nội")]
    return [*servers, *agents, *parts.airflow_parts(site)]


def service_of(part: Part) -> str:
    return SERVICE.get(part.program.name, part.program.name)


def environment(name: str) -> set[str]:
    service = compose.services()[name]
    target = service.get("build", {}).get("target")
    image = compose.processes()[target].values("ENV") if target in compose.processes() else []
    return {*service.get("environment", {}), *re.findall(r"(\w+)=", " ".join(image))}


def test_compose_starts_every_part_of_the_demonstration_and_beside_them_only_what_watches(started: list[Part]) -> None:
    running = {name for name, service in compose.services().items() if not compose.is_job(service)}
    assert running - {service_of(part) for part in started} == {"grafana", "prometheus"}
    assert {service_of(part) for part in started} <= running


def test_a_container_is_told_what_the_demonstration_tells_its_part(started: list[Part]) -> None:
    for part in started:
        name = service_of(part)
        told = {key for key in part.program.environ if key.startswith(("NGATU_", "AIRFLOW_"))} - HERE_ONLY
        assert told <= environment(name), name


def test_a_setting_of_airflow_that_is_no_address_has_the_same_value(started: list[Part]) -> None:
    for part in (part for part in started if part.program.name.startswith("airflow-")):
        in_compose = compose.services()[part.program.name]["environment"]
        for key in ("CORE__EXECUTOR", "CORE__PARALLELISM", "CORE__DAGS_ARE_PAUSED_AT_CREATION", "API__WORKERS"):
            assert in_compose[f"AIRFLOW__{key}"] == part.program.environ[f"AIRFLOW__{key}"]


def test_the_agent_of_compose_has_settings_that_an_agent_takes() -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "edge", AGENT, "--check"], cwd=compose.ROOT, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert yaml.safe_load(AGENT.read_text())["device"] == compose.example()["NGATU_AGENT_DEVICE"]
