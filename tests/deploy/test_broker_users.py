import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.deploy import compose

PASSWORDS = {
    "NGATU_MQTT_INGEST_PASSWORD": "one",
    "NGATU_MQTT_AGENT_PASSWORD": "the-agents-own",
    "NGATU_AGENT_DEVICE": "cross.roads",
}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def users(packages: Path, tmp_path: Path) -> Run:
    deploy = tmp_path / "deploy"
    deploy.mkdir()
    for name in ("mosquitto.conf", "mosquitto.acl"):
        (deploy / name).symlink_to(compose.ROOT / "deploy" / name)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": f"{packages}/usr/bin:/usr/bin:/bin", "CONFIG": str(tmp_path), "DEPLOY": str(deploy)}
        return subprocess.run(
            ["/bin/sh", compose.ROOT / "deploy/mosquitto/users.sh", *arguments],
            env={**environ, **PASSWORDS},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def names(tmp_path: Path) -> list[str]:
    return sorted(line.split(":")[0] for line in (tmp_path / "passwords").read_text().splitlines())


def test_each_start_admits_the_users_of_the_environment_and_keeps_the_enrolled(users: Run, tmp_path: Path) -> None:
    assert users().returncode == 0
    enrolled = users("enrol", "camera-7")
    assert enrolled.returncode == 0
    assert len(enrolled.stdout.strip()) == 32
    assert users().returncode == 0
    assert names(tmp_path) == ["camera-7", "cross.roads", "ingest"]
    assert (tmp_path / "passwords").stat().st_mode & 0o077 == 0
    assert "the-agents-own" not in (tmp_path / "passwords").read_text()


def test_revoking_one_device_leaves_those_with_a_similar_name(users: Run, tmp_path: Path) -> None:
    users()
    users("enrol", "crossXroads")
    users("revoke", "cross.roads")
    assert names(tmp_path) == ["crossXroads", "ingest"]


@pytest.mark.parametrize("name", ["", "../x", "a b", "a\nroot", "-x", "+"])
def test_what_is_no_device_name_is_refused(users: Run, tmp_path: Path, name: str) -> None:
    users()
    before = names(tmp_path)
    refused = users("enrol", name)
    assert refused.returncode == 2
    assert "no device name" in refused.stderr
    assert names(tmp_path) == before
