"""Gets what `make` needs before there is a virtual environment: standard library only, the slow parts at once.

`python3 -m ngatu.prepare python servers clip chromium` does those named; what is there already costs nothing.
"""

import hashlib
import logging
import os
import shutil
import subprocess
import sys
import time
import venv
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ngatu.home import CHECKOUT, find_home
from ngatu.servers.debs import PackagesUnavailable, unpack_one
from ngatu.servers.packages import server_packages

log = logging.getLogger("ngatu")

FREE_BYTES = 4 << 30  # what a first start fills, with room to spare
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
CLIP = Path("usr/share/doc/opencv-doc/examples/data/vtest.avi")


class NotPrepared(RuntimeError):
    """Something is missing that we could not get; the message is one line that says what to do."""


def make_environment(folder: Path, lock: Path) -> None:
    """Make the virtual environment `folder` hold exactly what `lock` names, and this checkout; once per lock."""
    wanted = hashlib.sha256(lock.read_bytes() + (CHECKOUT / "pyproject.toml").read_bytes()).hexdigest()
    stamp = folder / "ngatu.stamp"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    _room_for(folder)
    uv = folder / "bin" / "uv"
    if not uv.exists():
        log.info("making the virtual environment %s", folder.name)
        _with_uv(folder)
    log.info("installing the Python packages of %s", lock.name)
    # a company's own certificates stand among the system's, not among those that uv carries
    install: list[str | Path] = [uv, *(["--system-certs"] if CERTIFICATES.exists() else []), "pip"]
    into: list[str | Path] = ["--quiet", "--python", folder / "bin/python"]
    _run([*install, "sync", *into, lock])
    _run([*install, "install", *into, "--no-deps", "--editable", CHECKOUT])
    stamp.write_text(wanted)


def _with_uv(folder: Path) -> None:
    """Make an empty virtual environment with uv in it, also where Debian's python3-venv is missing."""
    venv.EnvBuilder(symlinks=True).create(folder)
    python = folder / "bin" / "python"
    environ = dict(os.environ)
    if subprocess.run([python, "-m", "ensurepip"], capture_output=True, check=False).returncode:
        unpack_one("python3-pip-whl", folder / "pip-whl")
        wheels = sorted((folder / "pip-whl/usr/share/python-wheels").glob("pip-*.whl"))
        environ["PYTHONPATH"] = str(wheels[-1])
    _run([python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", CHECKOUT / "locks/uv.txt"], environ)


def make_servers() -> None:
    """Unpack PostgreSQL, TimescaleDB and Mosquitto."""
    server_packages(find_home(os.environ), mirror=os.environ.get("NGATU_DEBIAN_MIRROR"))


def clip_file(home: Path) -> Path:
    """Return where the demonstration clip stands, or will stand."""
    return home / "clip" / CLIP.name


def make_clip() -> None:
    """Get a clip of a fixed street camera out of Debian's package opencv-doc."""
    home = find_home(os.environ)
    clip = clip_file(home)
    if clip.exists():
        return
    scratch = home / "clip" / "package"
    unpack_one("opencv-doc", scratch, mirror=os.environ.get("NGATU_DEBIAN_MIRROR"))
    found = next(scratch.rglob(CLIP.name), None) or next(scratch.rglob(CLIP.name + ".gz"), None)
    if found is None:
        raise NotPrepared(f"Debian's opencv-doc holds no {CLIP.name} any more: name a video with VIDEO=")
    found.rename(clip)
    shutil.rmtree(scratch)


def make_chromium() -> None:
    """See that there is a Chromium for the tests of pages."""
    if any(shutil.which(name) for name in CHROMIUM):
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        raise NotPrepared("Chromium is missing: ask for the package chromium (apt-get install chromium)")
    log.info("installing Chromium")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run(["apt-get", "update", "-qq"], quiet)
    _run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], quiet)


def _room_for(folder: Path) -> None:
    free = shutil.disk_usage(folder.parent).free
    if free < FREE_BYTES:
        raise NotPrepared(
            f"the disk of {folder.parent} has {free / 1e9:.1f} GB free, {FREE_BYTES / 1e9:.1f} GB are needed: free some"
        )


def _run(command: Sequence[str | Path], environ: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, env=environ, cwd=CHECKOUT, text=True, capture_output=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise NotPrepared(f"{Path(command[0]).name} failed: {' '.join(said[-4:]) or done.returncode}")


def _timed(name: str, step: Callable[[], None]) -> None:
    began = time.monotonic()
    step()
    took = time.monotonic() - began
    if took > 1:
        log.info("%s: ready after %.0f s", name, took)


def main(names: Sequence[str]) -> None:
    """Do the steps `names` at the same time; exit with one line for the first that failed."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    steps: dict[str, Callable[[], None]] = {
        "python": lambda: make_environment(CHECKOUT / ".venv", CHECKOUT / "locks/dev.txt"),
        "ultralytics": lambda: make_environment(CHECKOUT / ".venv-ultralytics", CHECKOUT / "locks/ultralytics.txt"),
        "servers": make_servers,
        "clip": make_clip,
        "chromium": make_chromium,
    }
    with ThreadPoolExecutor() as pool:
        running = [pool.submit(_timed, name, steps[name]) for name in names]
    for step in running:
        try:
            step.result()
        except (NotPrepared, PackagesUnavailable, OSError) as error:
            sys.exit(f"ngatu: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
