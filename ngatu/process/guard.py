"""Ends the processes of a supervisor that died without ending them itself.

`python -m ngatu.process.guard` holds the reading end of a pipe whose only writing end is the supervisor's. When it
closes, however the supervisor ended, each session still on the list is ended: gently, then by force.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

GRACE = 5.0  # seconds


class Guard:
    """The supervisor's end of the pipe. One is enough for all its children."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "ngatu.process.guard"],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
            start_new_session=True,
        )

    def watch(self, session: int, gentle: signal.Signals) -> None:
        """End `session` if we die, at first with the signal `gentle`."""
        self._say(f"{session} {gentle.value}")

    def forget(self, session: int) -> None:
        """It has ended."""
        self._say(f"{session} 0")

    def close(self) -> None:
        """End what is still on the list, and the guard."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n".encode())
        self._process.stdin.flush()


def end_session(
    leader: int, gentle: signal.Signals, grace: float, *, reap: Callable[[], object] = lambda: None
) -> None:
    """Send `gentle` to the leader of a session, wait up to `grace` seconds, then SIGKILL whoever is left of it.

    `reap` collects the leader's exit status where the caller is its parent.
    """
    known = members(leader)
    _send(leader, gentle)
    deadline = time.monotonic() + grace
    while _alive(leader, reap) and time.monotonic() < deadline:
        known |= members(leader)
        for _ in range(10):  # the whole table costs more than one process
            if _alive(leader, reap):
                time.sleep(0.02)
    for straggler in known | members(leader):
        if _stat(straggler) is not None:
            _send(straggler, signal.SIGKILL)


def _alive(leader: int, reap: Callable[[], object]) -> bool:
    reap()
    return _stat(leader) is not None


def members(leader: int) -> set[int]:
    """Process ids of the session of `leader` and of all its descendants, zombies left out."""
    table = {pid: stat for pid in _pids() if (stat := _stat(pid)) is not None}
    found = {pid for pid, (_, _, session) in table.items() if session == leader}
    grown = True
    while grown:
        more = {pid for pid, (_, parent, _) in table.items() if parent in found} - found
        found |= more
        grown = bool(more)
    return found


def _pids() -> list[int]:
    return [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]


def _stat(pid: int) -> tuple[str, int, int] | None:
    """Return state, parent, session; None for a process that has ended."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else (fields[0], int(fields[1]), int(fields[3]))


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def main() -> None:
    """Keep the list until the pipe closes, then end what is on it, last started first."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    gentle: dict[int, int] = {}
    for line in sys.stdin:
        session, how = map(int, line.split())
        gentle.pop(session, None)
        if how:
            gentle[session] = how
    for session in reversed(gentle):
        end_session(session, signal.Signals(gentle[session]), GRACE)


if __name__ == "__main__":
    main()
