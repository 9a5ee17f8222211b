"""Runs the DAGs' functions at any moments while ingest stores, in processes of which some are killed at work."""

import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Final, Self

from ngatu.home import CHECKOUT
from ngatu.month.step import AT_WORK, STEPS
from ngatu.process.child import ChildFailed
from ngatu.process.guard import Guard

WEIGHTS: Final = {"late": 3.0, "quality": 0.5, "publish": 0.5}  # times as often as the others


class Planner(Thread):
    """One run after another from `with` to its end, each with the month's time of its beginning."""

    def __init__(self, dsn: str, folder: Path, guard: Guard, kill_share: float, chance: random.Random) -> None:
        super().__init__(name="planner", daemon=True)
        self.now: datetime | None = None  # the month's time, set by who delivers; nothing runs before it is
        self.runs = self.kills = 0
        self._dsn, self._folder, self._guard = dsn, folder, guard
        self._kill_share, self._chance = kill_share, chance
        self._over = Event()
        self._failed = ""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self.join()
        if self._failed and error is None:
            raise ChildFailed(self._failed)

    def tell(self, now: datetime) -> None:
        """Say how late it is in the month."""
        self.now = now

    def run(self) -> None:
        """Run what chance says, until it is over or one fails that nobody killed."""
        while not self._over.wait(self._chance.uniform(0, 0.5)) and not self._failed:
            if self.now is not None:
                self._run(self._chance.choices(list(STEPS), [WEIGHTS.get(step, 1.0) for step in STEPS])[0], self.now)

    def _run(self, step: str, now: datetime) -> None:
        seconds = self._chance.expovariate(2.0)
        doom = partial(time.sleep, seconds) if self._chance.random() < self._kill_share else None
        self.runs += 1
        code, said = run_step(step, self._dsn, now, self._folder, self._guard, doom)
        if code == -signal.SIGKILL:
            self.kills += 1
        elif code:
            self._failed = f"the step {step} ended with code {code}:\n{said}"


def run_step(
    step: str, dsn: str, now: datetime, folder: Path, guard: Guard, doom: Callable[[], object] | None = None
) -> tuple[int, str]:
    """Run one step; where `doom` is given, it is called once the step says that it is at work, and then it is killed.

    Returns:
        Its exit code (-9: it was killed before it was done), and the end of what it said.
    """
    command = (sys.executable, "-m", "ngatu.month.step", step, dsn, now.isoformat(), str(folder))
    with subprocess.Popen(
        command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        guard.watch(process.pid, signal.SIGKILL)
        said = process.stdout.readline()
        if doom is not None and said.strip() == AT_WORK:
            doom()
            process.kill()
        said += process.stdout.read()
    guard.forget(process.pid)
    return process.returncode, said[-2000:]
