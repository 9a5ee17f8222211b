"""A child process in a session of its own, with a log file, that is stopped as a whole and outlives nobody."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from ngatu.process.guard import Guard, end_session

BARE_ENVIRON = {"PATH": os.defpath, "HOME": "/tmp"}  # noqa: S108 - HOME must exist for any user; nothing is kept there


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What to run, and how it wants to be stopped."""

    name: str
    command: tuple[str, ...]
    log: Path
    environ: Mapping[str, str] = field(default_factory=dict)  # all of it: nothing is inherited but PATH and HOME
    cwd: Path = Path("/")
    user: str | None = None  # None: as ourselves
    stop_signal: signal.Signals = signal.SIGTERM
    grace: float = 10.0  # seconds between the signal and SIGKILL


class ChildFailed(RuntimeError):
    """A child ended, or was not ready in time; the message carries the last lines of its log."""


class Child:
    """One run after another of a `Program`. `guard` ends it if we die without doing so ourselves."""

    def __init__(self, program: Program, guard: Guard) -> None:
        self.program = program
        self._guard = guard
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Process id of the run under way, or of the last one."""
        return self._process.pid if self._process else None

    @property
    def running(self) -> bool:
        """Whether the process that we started is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative for a signal, as subprocess has it."""
        return self._process.poll() if self._process else None

    def start(self) -> None:
        """Start it; a `FileNotFoundError` names a program that is missing."""
        program = self.program
        environ = {**BARE_ENVIRON, **program.environ}
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                program.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.cwd,
                env=environ,
                start_new_session=True,
                **_as_user(program.user),
            )
        self._guard.watch(self._process.pid, program.stop_signal)

    def stop(self) -> None:
        """End it gently, then, after its grace, by force; its whole session goes. Safe where it has ended."""
        if self._process is None:
            return
        end_session(self._process.pid, self.program.stop_signal, self.program.grace, reap=self._process.poll)
        self._process.wait()
        self._guard.forget(self._process.pid)

    def kill(self) -> None:
        """End it as a power cut would."""
        if self._process is not None:
            end_session(self._process.pid, signal.SIGKILL, grace=0, reap=self._process.poll)
            self._process.wait()
            self._guard.forget(self._process.pid)

    def wait_ready(self, ready: Callable[[], bool], timeout: float) -> None:
        """Wait until `ready()`.

        Raises:
            ChildFailed: it ended first, or `timeout` seconds passed.
        """
        deadline = time.monotonic() + timeout
        while not ready():
            if not self.running:
                raise ChildFailed(f"{self.program.name} ended with code {self.exit_code}:\n{self.tail()}")
            if time.monotonic() > deadline:
                raise ChildFailed(f"{self.program.name} was not ready in {timeout:.0f} s:\n{self.tail()}")
            time.sleep(0.02)

    def tail(self, lines: int = 12) -> str:
        """Return the last lines of its log."""
        try:
            text = self.program.log.read_bytes()[-16_384:].decode(errors="replace")
        except FileNotFoundError:
            return ""
        return "\n".join(text.splitlines()[-lines:])


def run_as(user: str | None, command: tuple[str | Path, ...]) -> None:
    """Run `command` to its end as `user`; raise ChildFailed with what it said."""
    done = subprocess.run(
        command,
        cwd="/",
        env=BARE_ENVIRON,
        capture_output=True,
        check=False,
        **_as_user(user),
    )
    if done.returncode:
        said = (done.stdout + done.stderr).decode(errors="replace").strip()
        raise ChildFailed(f"{Path(command[0]).name} failed with code {done.returncode}: {said[-1000:]}")


class _Identity(TypedDict, total=False):
    user: int
    group: int
    extra_groups: list[int]


def _as_user(name: str | None) -> _Identity:
    if name is None:
        return {}
    entry = pwd.getpwnam(name)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}
