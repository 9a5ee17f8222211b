"""Starts parts, starts again those that crash, and stops them all, last started first."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from ngatu.process.child import Child, ChildFailed, Program
from ngatu.process.guard import Guard

log = logging.getLogger(__name__)

FIRST_PAUSE = 1.0  # seconds before a crashed part is started again; doubled each time
LONGEST_PAUSE = 30.0
STEADY = 60.0  # seconds of life after which its crashes are forgotten


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A program of the house, and how to tell that it does its work."""

    program: Program
    ready: Callable[[], bool] = lambda: True
    timeout: float = 60.0  # seconds to become ready
    layer: int = 0  # stopped from the highest layer down, all of a layer at once


@dataclass(slots=True)
class _Running:
    part: Part
    child: Child
    since: float = field(default_factory=time.monotonic)
    crashes: int = 0
    again_at: float | None = None  # when it is to be started again; None: it runs


class Supervisor:
    """Keeps parts alive. Parts may be added from several threads; `watch` and `stop` belong to one."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._running: list[_Running] = []
        self._lock = threading.Lock()
        self._stopping = False

    def start(self, part: Part) -> None:
        """Start a part and wait until it is ready.

        Raises:
            ChildFailed: it ended or was not ready in time; it is not kept.
        """
        child = Child(part.program, self._guard)
        with self._lock:
            if self._stopping:
                raise ChildFailed(f"{part.program.name} is not started: everything is being stopped")
            child.start()
            running = _Running(part, child, again_at=float("inf"))  # a crash before it is ready is ours to report
            self._running.append(running)
        try:
            child.wait_ready(part.ready, part.timeout)
        except ChildFailed:
            child.stop()
            with self._lock:
                self._running.remove(running)
            raise
        running.again_at = None
        log.info("%s is ready pid=%s", part.program.name, child.pid)

    def watch(self) -> None:
        """Report parts that have crashed, and start them again when their pause is over. Call it often."""
        with self._lock:
            for running in self._running:
                if running.again_at is None and not running.child.running:
                    self._crashed(running)
                elif running.again_at is not None and time.monotonic() >= running.again_at:
                    self._again(running)

    def stop(self) -> None:
        """Stop every part: the highest layer first, the parts of a layer at once."""
        with self._lock:
            self._stopping = True
        for layer in sorted({running.part.layer for running in self._running}, reverse=True):
            children = [running.child for running in self._running if running.part.layer == layer]
            with ThreadPoolExecutor(len(children)) as pool:
                list(pool.map(_stopped, children))
        self._running.clear()

    def pids(self) -> dict[str, int]:
        """Return the process id of each part that runs."""
        return {
            running.part.program.name: running.child.pid
            for running in self._running
            if running.child.running and running.child.pid
        }

    def _crashed(self, running: _Running) -> None:
        name, child = running.part.program.name, running.child
        if time.monotonic() - running.since > STEADY:
            running.crashes = 0
        pause = min(FIRST_PAUSE * 2**running.crashes, LONGEST_PAUSE)
        running.crashes += 1
        running.again_at = time.monotonic() + pause
        log.error(
            "%s crashed with code %s, starts again in %.0f s; its log %s ends with:\n%s",
            *(name, child.exit_code, pause, running.part.program.log, child.tail()),
        )

    def _again(self, running: _Running) -> None:
        running.child.stop()  # whoever is left of its session
        running.child.start()
        running.since, running.again_at = time.monotonic(), None
        log.info("%s started again pid=%s", running.part.program.name, running.child.pid)


def _stopped(child: Child) -> None:
    before = time.monotonic()
    child.stop()
    took = time.monotonic() - before
    if took > child.program.grace:
        log.info("%s was ended by force: it did not stop in %.0f s", child.program.name, child.program.grace)
