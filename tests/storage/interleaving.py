"""Connections whose statements run in an order that a test chooses, one at a time across threads."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg


class Killed(BaseException):
    """A process that ended where it stood: what it had not committed is gone."""


class Stepped(psycopg.Connection[Any]):
    """Waits for its turn before each statement, and before each commit."""

    turn: Callable[[], None]

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self.turn()
        return super().execute(*args, **kwargs)

    @contextmanager
    def transaction(self, *args: Any, **kwargs: Any) -> Iterator[psycopg.Transaction]:
        with super().transaction(*args, **kwargs) as transaction:
            yield transaction
            self.turn()


class Actor:
    """A thread that works with one `Stepped` connection; it may die before its n-th statement or commit."""

    def __init__(
        self, dsn: str, work: Callable[[psycopg.Connection[Any]], None], *, dies_at: int | None = None
    ) -> None:
        self._left = dies_at
        self.error: BaseException | None = None
        self.conn = Stepped.connect(dsn, autocommit=True)
        self.conn.turn = self._wait
        self._pid = self.conn.info.backend_pid  # asked for now: the thread may close it at any time
        self._work = work
        self._go, self._idle = threading.Semaphore(0), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self._idle.wait(10)

    @property
    def done(self) -> bool:
        return not self._thread.is_alive()

    def step(self, monitor: psycopg.Connection[Any]) -> None:
        """Let it run to its next statement; come back at once where it waits for another's lock."""
        if self._idle.is_set():
            self._idle.clear()
            self._go.release()
        deadline = time.monotonic() + 20
        while not self._idle.wait(0.002):
            if self.done or self._waits(monitor):
                return
            assert time.monotonic() < deadline, "an actor neither came back nor waits for a lock"

    def _waits(self, monitor: psycopg.Connection[Any]) -> bool:
        row = monitor.execute("SELECT cardinality(pg_blocking_pids(%s))", (self._pid,)).fetchone()
        return row is not None and row[0] > 0

    def _wait(self) -> None:
        self._idle.set()
        self._go.acquire()
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                raise Killed

    def _run(self) -> None:
        try:
            self._wait()
            self._work(self.conn)
        except Killed:
            pass
        except BaseException as error:  # noqa: BLE001 — handed to the test's own thread
            self.error = error
        finally:
            self.conn.close()
            self._idle.set()


def interleave(actors: list[Actor], choices: Iterator[int], monitor: psycopg.Connection[Any]) -> None:
    """Run all to their end, the next statement each time by the actor that `choices` names."""
    while running := [actor for actor in actors if not actor.done]:
        running[next(choices) % len(running)].step(monitor)
    for actor in actors:
        if actor.error is not None:
            raise actor.error
