import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ngatu.home import CHECKOUT
from ngatu.prepare import NotPrepared, make_environment


def made(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_make_alone_lists_what_can_be_made() -> None:
    listed = {line.split()[1] for line in made().stdout.splitlines() if line.startswith("  make ")}
    assert {"demo", "smoke", "test", "test-ultralytics", "check", "bench", "lock", "wards", "clean", "help"} <= listed


def test_a_missing_python_is_one_line() -> None:
    done = made("demo", "PYTHON=python9")
    assert done.returncode
    assert done.stderr.splitlines()[0] == "ngatu: python9 is missing: ask for the package python3 (3.11 or later)"


def test_an_old_python_is_one_line(tmp_path: Path) -> None:
    old = tmp_path / "python3"
    old.write_text('#!/bin/sh\ntest "$1" = -c && exit 1\nexit 99\n')  # what `sys.version_info < (3, 11)` gives there
    old.chmod(0o755)
    done = made("demo", f"PYTHON={old}")
    assert done.returncode
    assert done.stderr.splitlines()[0].startswith("ngatu: Python 3.11 or later is needed")


WITHOUT_ROOT = """
import os, pwd, sys
from ngatu.prepare import main
if os.geteuid() == 0:
    os.setgroups([])
    os.setresuid(*[pwd.getpwnam("nobody").pw_uid] * 3)
main(sys.argv[1:])
"""


def prepared(step: str, **environ: str) -> subprocess.CompletedProcess[str]:
    """Run one step without root: given up after the imports, since root's Python may be out of reach."""
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_ROOT, step],
        cwd=CHECKOUT,
        env={"PYTHONDONTWRITEBYTECODE": "1", **environ},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_missing_chromium_without_root_names_the_package() -> None:
    done = prepared("chromium", PATH="/nowhere")
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["ngatu: Chromium is missing: ask for the package chromium (apt-get install chromium)"],
    )


def test_a_machine_without_apt_is_told_so(server_folder: Path) -> None:
    home = server_folder / "no-apt"
    home.mkdir()
    home.chmod(0o777)
    done = prepared("servers", PATH="/nowhere", NGATU_HOME=str(home))
    assert (done.returncode, done.stderr.splitlines()) == (
        1,
        ["ngatu: apt-get is missing: this needs a Debian or Ubuntu machine"],
    )


def test_a_mirror_that_does_not_answer_is_one_line_and_leaves_nothing_half_unpacked(server_folder: Path) -> None:
    home = server_folder / "no-mirror"
    home.mkdir()
    home.chmod(0o777)
    mirror = "http://127.0.0.1:9/debian"
    done = prepared("servers", PATH=os.defpath, NGATU_HOME=str(home), NGATU_DEBIAN_MIRROR=mirror)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("ngatu: could not get Debian packages (is the mirror reachable?): ")
    assert sorted(path.name for path in home.iterdir()) == ["packages.lock"]


def test_a_full_disk_is_told_before_anything_is_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ngatu.prepare.FREE_BYTES", 1 << 60)
    with pytest.raises(NotPrepared, match=r"GB free, .* GB are needed: free some"):
        make_environment(tmp_path / "environment", CHECKOUT / "locks/dev.txt")
    assert list(tmp_path.iterdir()) == []


def lock_of(package: str) -> str:
    """Return the entry of one package, hashes and all."""
    wanted = re.search(rf"^{package}==(?:.*\\\n)+.*\n", (CHECKOUT / "locks/dev.txt").read_text(), re.MULTILINE)
    assert wanted is not None
    return wanted[0]


def imports(folder: Path, module: str) -> bool:
    done = subprocess.run([folder / "bin/python", "-c", f"import {module}"], capture_output=True, check=False, cwd="/")
    return done.returncode == 0


def test_an_environment_is_made_once_and_anew_when_its_lock_changes(tmp_path: Path) -> None:
    folder, lock = tmp_path / "environment", tmp_path / "lock.txt"
    lock.write_text(lock_of("iniconfig"))
    make_environment(folder, lock)
    assert imports(folder, "iniconfig")
    assert imports(folder, "ngatu.home")
    subprocess.run(
        [folder / "bin/uv", "pip", "uninstall", "-q", "--python", folder / "bin/python", "iniconfig"], check=True
    )
    make_environment(folder, lock)
    assert not imports(folder, "iniconfig"), "what is there costs nothing: it is not looked at again"
    lock.write_text(lock_of("pluggy"))
    make_environment(folder, lock)
    assert imports(folder, "pluggy")
