import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from tests.deploy import compose

PROCESS = {"edge": "edge", "camera": "edge", "ingest": "ingest", "console": "console", "airflow": "dags"}
# Imports argv[1] as if only the packages argv[2:] were installed.
IMPORT_WITH = """
import importlib, sys
from importlib.metadata import packages_distributions

locked, owners = set(sys.argv[2:]), packages_distributions()
def absent(module):
    names = {name.lower().replace("_", "-").replace(".", "-") for name in owners.get(module, ())}
    return bool(names) and not names & locked

class Absent:
    def find_spec(name, path=None, target=None):
        if path is None and absent(name):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent)
importlib.import_module(sys.argv[1])
"""


def locked(name: str) -> set[str]:
    text = (compose.ROOT / "locks" / f"{name}.txt").read_text()
    return {
        match[1].lower().replace("_", "-").replace(".", "-")
        for match in re.finditer(r"^([A-Za-z0-9._-]+)==", text, re.MULTILINE)
    }


def test_the_command_line_migrates_with_the_rooms_of_the_ingest_image(empty_dsn: str, tmp_path: Path) -> None:
    command = compose.services()["migrate"]["command"]
    for room in compose.processes()["ingest"].rooms:
        (tmp_path / room).symlink_to(compose.ROOT / room)
    for _ in range(2):
        subprocess.run(
            [sys.executable, "-P", *command[1:4], "--city", "hanoi"],
            env={"PYTHONPATH": str(tmp_path), "NGATU_DSN": empty_dsn, "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
            check=True,
            cwd=tmp_path,
        )
    with psycopg.connect(empty_dsn) as conn:
        assert conn.execute("SELECT count(*) > 100 FROM ward").fetchone() == (True,)


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
    module = "dags.aggregates" if name == "airflow" else f"{PROCESS[name]}.__main__"
    done = subprocess.run(
        [sys.executable, "-P", "-c", IMPORT_WITH, module, *locked(name)],
        env={"PYTHONPATH": str(tmp_path), "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def pinned(name: str) -> set[str]:
    text = (compose.ROOT / "locks" / f"{name}.txt").read_text()
    return set(re.findall(r"^([A-Za-z0-9._-]+==\S+)", text, re.MULTILINE))


@pytest.mark.parametrize("name", [*PROCESS])
def test_a_lock_pins_what_the_tests_ran_with(name: str) -> None:
    assert pinned(name) <= pinned("dev")


def test_the_tests_of_the_ultralytics_stack_find_all_that_other_tests_import() -> None:
    assert pinned("dev") <= pinned("ultralytics")


def test_an_edge_box_without_cameras_stays_small() -> None:
    assert not locked("edge") & {"numpy", "opencv-python-headless", "onnxruntime", "openvino", "psycopg"}
