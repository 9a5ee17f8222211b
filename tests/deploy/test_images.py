import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy import compose

PROCESS = {"edge": "edge", "camera": "edge", "ingest": "ingest", "console": "console", "airflow": "dags"}
LIST_PACKAGES = """
import importlib, json, sys
before = set(sys.modules)
from importlib.metadata import packages_distributions
importlib.import_module(sys.argv[1])
owners = packages_distributions()
print(json.dumps(sorted({d.lower() for m in set(sys.modules) - before if "." not in m for d in owners.get(m, [])})))
"""


def locked(name: str) -> set[str]:
    text = (compose.ROOT / "locks" / f"{name}.txt").read_text()
    return {match[1].lower().replace("_", "-") for match in re.finditer(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)}


def test_each_process_of_ours_has_an_image() -> None:
    assert compose.processes().keys() == PROCESS.keys()


@pytest.mark.parametrize(("name", "stage"), compose.processes().items())
def test_an_image_is_made_of_what_is_there(name: str, stage: compose.Stage) -> None:
    assert stage.image == "${PYTHON}"
    assert stage.lock == name
    assert stage.values("USER")[-1] == "10001:10001"
    assert all((compose.ROOT / room / "__init__.py").exists() for room in stage.rooms)


@pytest.mark.parametrize(("name", "stage"), compose.processes().items())
def test_a_process_starts_with_the_rooms_and_packages_of_its_image_alone(
    name: str, stage: compose.Stage, tmp_path: Path
) -> None:
    for room in stage.rooms:
        (tmp_path / room).symlink_to(compose.ROOT / room)
    module = PROCESS[name] if name == "airflow" else f"{PROCESS[name]}.__main__"
    done = subprocess.run(
        [sys.executable, "-P", "-c", LIST_PACKAGES, module],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    used = {package.replace("_", "-") for package in json.loads(done.stdout.splitlines()[-1])}
    assert used <= locked(name) | {"ngatu"}, "imported, and not in its lock"


@pytest.mark.parametrize("name", [*PROCESS])
def test_a_lock_pins_what_the_tests_ran_with(name: str) -> None:
    pin = re.compile(r"^([A-Za-z0-9._-]+==\S+)", re.MULTILINE)
    tested = set(pin.findall((compose.ROOT / "locks/dev.txt").read_text()))
    assert set(pin.findall((compose.ROOT / "locks" / f"{name}.txt").read_text())) <= tested


def test_an_edge_box_without_cameras_stays_small() -> None:
    assert not locked("edge") & {"numpy", "opencv-python-headless", "onnxruntime", "openvino", "psycopg"}
