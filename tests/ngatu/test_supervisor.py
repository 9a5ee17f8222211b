import logging
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from ngatu.process.child import ChildFailed, Program
from ngatu.process.guard import Guard, members
from ngatu.process.supervisor import Part, Supervisor
from tests.servers import WaitFor


def python(name: str, code: str, folder: Path) -> Program:
    return Program(name=name, command=(sys.executable, "-c", code), log=folder / f"{name}.log", grace=2)


@pytest.fixture
def supervisor(guard: Guard) -> Iterator[Supervisor]:
    made = Supervisor(guard)
    yield made
    made.stop()


def test_a_crashed_part_is_reported_with_the_end_of_its_log_and_started_again(
    supervisor: Supervisor, tmp_path: Path, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    code = "import time; print('the wheel came off', flush=True); time.sleep(600)"
    supervisor.start(Part(program=python("cart", code, tmp_path)))
    first = supervisor.pids()["cart"]
    wait_for(lambda: "wheel" in (tmp_path / "cart.log").read_text())
    os.kill(first, signal.SIGKILL)

    def again() -> bool:
        supervisor.watch()
        return supervisor.pids().get("cart", first) != first

    with caplog.at_level(logging.INFO):
        wait_for(again)
    assert "cart crashed with code -9" in caplog.text
    assert "the wheel came off" in caplog.text


def test_a_part_that_crashes_again_and_again_waits_longer_each_time(
    supervisor: Supervisor, tmp_path: Path, wait_for: WaitFor, caplog: pytest.LogCaptureFixture
) -> None:
    supervisor.start(Part(program=python("cart", "raise SystemExit(3)", tmp_path)))

    def crashed_thrice() -> bool:
        supervisor.watch()
        return caplog.text.count("crashed with code 3") == 3

    wait_for(crashed_thrice)
    pauses = [record.args[2] for record in caplog.records if isinstance(record.args, tuple) and len(record.args) == 5]
    assert pauses == [1.0, 2.0, 4.0]


def test_a_part_that_never_gets_ready_fails_with_its_log_and_is_gone(supervisor: Supervisor, tmp_path: Path) -> None:
    program = python("cart", "print('no horse', flush=True); raise SystemExit(1)", tmp_path)
    with pytest.raises(ChildFailed, match="cart ended with code 1:\nno horse"):
        supervisor.start(Part(program=program, ready=lambda: False))
    assert supervisor.pids() == {}


def test_a_missing_program_is_named(supervisor: Supervisor, tmp_path: Path) -> None:
    program = Program(name="ghost", command=("/nowhere/ghost",), log=tmp_path / "log")
    with pytest.raises(FileNotFoundError, match="/nowhere/ghost"):
        supervisor.start(Part(program=program))


FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print("born", flush=True)
time.sleep(600)
"""


def test_stopping_ends_children_that_ignore_the_signal_and_those_in_sessions_of_their_own(
    supervisor: Supervisor, tmp_path: Path, wait_for: WaitFor
) -> None:
    supervisor.start(Part(program=python("family", FAMILY, tmp_path)))
    wait_for(lambda: "born" in (tmp_path / "family.log").read_text())
    family = members(supervisor.pids()["family"])
    assert len(family) == 3
    supervisor.stop()
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in family))


SUPERVISED = f"""
import sys, time
from pathlib import Path
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
child = Child(Program(name="family", command=(sys.executable, "-c", '''{FAMILY}'''), log=Path(sys.argv[1])), Guard())
child.start()
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_supervisor_that_is_killed_leaves_no_process(guard: Guard, tmp_path: Path, wait_for: WaitFor) -> None:
    family_log = tmp_path / "family.log"
    command = (sys.executable, "-c", SUPERVISED, str(family_log))
    program = Program(name="boss", command=command, log=tmp_path / "boss.log", cwd=Path.cwd())
    supervisor = Supervisor(guard)
    supervisor.start(Part(program=program, ready=lambda: family_log.exists() and "born" in family_log.read_text()))
    boss = supervisor.pids()["boss"]
    everyone = members(boss)
    assert len(everyone) == 5
    os.kill(boss, signal.SIGKILL)
    wait_for(lambda: not any(pid != boss and Path(f"/proc/{pid}").exists() for pid in everyone), timeout=15)
    supervisor.stop()
