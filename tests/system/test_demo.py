"""The demonstration as a person runs it: it starts, mends itself, and leaves nothing when it stops."""

import os
import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from ngatu.home import CHECKOUT, find_home
from tests.servers import WaitFor

pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def home(server_folder: Path, packages: Path) -> Path:
    """A home of its own that shares what was downloaded."""
    folder = server_folder / "home"
    folder.mkdir()
    for shared in (packages, packages.with_name(f"{packages.name}.stamp"), find_home(os.environ) / "models"):
        shared.parent.mkdir(exist_ok=True)
        if not shared.exists():
            shared.mkdir()
        (folder / shared.name).symlink_to(shared)
    return folder


@pytest.fixture(scope="module")
def street(server_folder: Path) -> Path:
    """Ten seconds of an empty street: what is tested here is the house, not the eye."""
    path = server_folder / "street.avi"
    film = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10, (320, 240))
    random = np.random.default_rng(1)
    for _ in range(100):
        film.write(random.integers(90, 110, (240, 320, 3), dtype=np.uint8))
    film.release()
    return path


def environ(home: Path) -> dict[str, str]:
    return {**os.environ, "NGATU_HOME": str(home)}


def demo(*options: str) -> list[str]:
    return [sys.executable, "-m", "ngatu", "demo", *options]


def processes_of(home: Path) -> list[psutil.Process]:
    """Whoever has this home in its command line."""
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any(str(home) in word for word in process.info["cmdline"] or ())
    ]


@pytest.fixture
def running(
    home: Path, street: Path, tmp_path: Path, wait_for: WaitFor
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """A demonstration whose page works, and what it has said so far."""
    said = tmp_path / "said"
    with said.open("wb") as out:
        process = subprocess.Popen(
            demo("--video", str(street)), env=environ(home), cwd=CHECKOUT, stdout=out, stderr=out
        )
    try:
        wait_for(lambda: "Log in as" in said.read_text() or process.poll() is not None, timeout=150)
        assert process.poll() is None, said.read_text()
        yield process, said
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(90)


def test_the_demonstration_starts_mends_itself_and_leaves_nothing(
    running: tuple[subprocess.Popen[bytes], Path], home: Path, street: Path, wait_for: WaitFor
) -> None:
    process, said = running
    address = re.search(r"http://127\.0\.0\.1:\d+", said.read_text())
    assert address is not None
    with urllib.request.urlopen(f"{address[0]}/healthz", timeout=10) as answer:
        assert answer.status == 200

    second = subprocess.run(
        demo("--video", str(street)),
        env=environ(home),
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert second.returncode == 1
    assert "runs already" in second.stderr.splitlines()[-1]

    agents = [p for p in processes_of(home) if "host-sensors.yaml" in " ".join(p.cmdline())]
    assert agents
    agents[0].kill()
    wait_for(lambda: "agent-host-sensors crashed" in said.read_text(), timeout=20)
    wait_for(lambda: "agent-host-sensors started again" in said.read_text(), timeout=30)

    process.send_signal(signal.SIGINT)
    assert process.wait(90) == 0
    wait_for(lambda: not processes_of(home), timeout=10)


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--video", "nowhere.mp4"), "nowhere.mp4: no such file"),
        (("--video", __file__, "--model", "nothing.onnx"), "nothing.onnx: no such model"),
        (("--video", __file__, "--model", __file__), "ultralytics"),
        (("--video", __file__, "--scene", "none.yaml"), "none.yaml: no such scene file"),
    ],
)
def test_what_can_not_be_used_is_one_clear_line(
    home: Path, options: tuple[str, ...], told: str, wait_for: WaitFor
) -> None:
    done = subprocess.run(
        demo(*options), env=environ(home), cwd=CHECKOUT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 1, done.stderr[-2000:]
    assert told in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    wait_for(lambda: not processes_of(home), timeout=30)
