import os
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from ngatu.home import find_home
from ngatu.servers.debs import unpack_one
from tests.deploy import compose

SECRET = re.compile(r"PASSWORD|SECRET|KEY")
REFERENCE = re.compile(r"\$\{[A-Z_]+(:\?[^}]*)?\}")


@pytest.fixture(scope="session")
def docker_compose() -> Path:
    """Docker's own program, out of Debian's package: it reads and judges a file without an engine."""
    folder = find_home(os.environ) / "docker-compose"
    program = folder / "usr/libexec/docker/cli-plugins/docker-compose"
    if not program.exists():
        unpack_one("docker-compose", folder)
    return program


def config(program: Path, variables: Mapping[str, str], tmp_path: Path) -> subprocess.CompletedProcess[str]:
    env_file = tmp_path / "env"
    env_file.write_text("".join(f"{name}={value}\n" for name, value in variables.items()))
    return subprocess.run(
        [program, "--file", compose.FILE, "--env-file", env_file, "config"],
        env={"PATH": os.defpath, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_docker_compose_takes_the_file_with_the_example_filled_in(docker_compose: Path, tmp_path: Path) -> None:
    done = config(docker_compose, compose.filled(), tmp_path)
    assert done.returncode == 0, done.stderr
    assert not done.stderr, "a variable that nothing sets, or an outdated word"


def test_docker_compose_notices_a_misspelt_word(docker_compose: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.yml"
    broken.write_text(compose.FILE.read_text().replace("healthcheck:", "healthchek:", 1))
    done = subprocess.run([docker_compose, "-f", broken, "config", "-q"], capture_output=True, text=True, check=False)
    assert done.returncode


@pytest.mark.parametrize("name", sorted(compose.required()))
def test_nothing_starts_without(docker_compose: Path, tmp_path: Path, name: str) -> None:
    done = config(docker_compose, {**compose.filled(), name: ""}, tmp_path)
    assert done.returncode
    assert name in done.stderr


def test_the_example_lists_every_variable_and_no_other() -> None:
    assert set(compose.example()) == compose.wanted()


def test_the_example_explains_what_has_no_value_and_gives_no_secret() -> None:
    lines = compose.EXAMPLE.read_text().splitlines()
    for number, line in enumerate(lines):
        if line.endswith("="):
            assert lines[number - 1].startswith("# "), line
    assert {name for name, value in compose.example().items() if not value} == compose.required()
    assert not [name for name, value in compose.example().items() if value and SECRET.search(name)]


def test_no_secret_stands_in_the_file() -> None:
    text = compose.FILE.read_text()
    secrets = re.findall(r"^ *([A-Z_]*(?:PASSWORD|SECRET|FERNET_KEY|SECRET_KEY)[A-Z_]*): (.*)$", text, re.MULTILINE)
    assert len(secrets) > 15
    given = {name: value for name, value in secrets if not REFERENCE.fullmatch(value) and not value.startswith("/")}
    assert given == {}
    assert not re.search(r"://[^@\s]*:[^@$\s]*@", text), "a password in an address"


@pytest.mark.parametrize(("name", "service"), compose.services().items())
def test_a_container_may_do_little(name: str, service: compose.Service) -> None:
    image = service["image"]
    stage = service.get("build", {}).get("target")
    user = service.get("user") or compose.processes()[stage].values("USER")[-1]
    assert user.split(":")[0] not in {"0", "root"}
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert re.search(r":v?\d+\.\d+\.\d+", image), f"{image} is not pinned"
    limits = service["deploy"]["resources"]["limits"]
    assert {"cpus", "memory", "pids"} <= limits.keys()
    assert all(port.startswith("${") and ":-127.0.0.1}" in port for port in service.get("ports", [])), name


@pytest.mark.parametrize(("name", "service"), compose.services().items())
def test_a_container_says_whether_it_is_well_and_waits_for_what_it_needs(name: str, service: compose.Service) -> None:
    everything = compose.services()
    assert ("healthcheck" in service) != compose.is_job(service), name
    for needed, how in service.get("depends_on", {}).items():
        done = "service_completed_successfully" if compose.is_job(everything[needed]) else "service_healthy"
        assert how["condition"] == done


@pytest.mark.parametrize(("name", "service"), compose.services().items())
def test_what_is_mounted_exists(name: str, service: compose.Service) -> None:
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        if source.startswith("./"):
            assert (compose.ROOT / source).exists(), f"{name} mounts {source}"
