"""What each kind of fault does to the city, and how it is mended."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from ngatu.faults.plan import Fault, Kind
from ngatu.faults.site import PACE, SMALL_BUDGET, Agent, City, Pace

LATENCY_S: Final = 0.3
FLOOD: Final = Pace(readings=2000, incidents=20, still_bytes=50_000)
OVERFULL: Final = 20.0  # seconds for an agent to make more than its budget holds


@contextmanager
def inflicted(city: City, fault: Fault) -> Iterator[None]:
    """Break at entry, mend at exit; what was killed runs again then."""
    mend = _BREAK[fault.kind](city, fault.target)
    try:
        yield
    finally:
        mend()


def _kill_agent(city: City, target: int) -> Callable[[], None]:
    agent = city.agents[target]
    agent.child.kill()
    return agent.start


def _kill_broker(city: City, _target: int) -> Callable[[], None]:
    city.broker.kill()
    return city.start_broker


def _wipe_broker(city: City, _target: int) -> Callable[[], None]:
    city.broker.kill()
    return lambda: city.start_broker(wiped=True)


def _kill_ingest(city: City, target: int) -> Callable[[], None]:
    ingest = city.ingests[target].child
    ingest.kill()
    return ingest.start


def _kill_database(city: City, _target: int) -> Callable[[], None]:
    city.database.kill()
    return city.start_database


def _cut(city: City, target: int) -> Callable[[], None]:
    city.lines[target].cut()
    return city.lines[target].mend


def _stall(city: City, target: int) -> Callable[[], None]:
    city.lines[target].stall()
    return city.lines[target].mend


def _slow(city: City, target: int) -> Callable[[], None]:
    city.lines[target].slow(LATENCY_S)
    return city.lines[target].mend


def _fill(city: City, target: int) -> Callable[[], None]:
    agent = city.agents[target]
    agent.child.stop()
    agent.configure(FLOOD, SMALL_BUDGET)
    agent.line.cut()
    agent.start()
    _wait_until_overfull(agent)
    return lambda: _relieve(agent)


def _wait_until_overfull(agent: Agent) -> None:
    deadline = time.monotonic() + OVERFULL
    while not agent.evicts() and time.monotonic() < deadline:
        time.sleep(0.1)


def _relieve(agent: Agent) -> None:
    agent.child.stop()
    agent.configure(PACE)
    agent.line.mend()
    agent.start()


_BREAK: Final[dict[Kind, Callable[[City, int], Callable[[], None]]]] = {
    "agent_killed": _kill_agent,
    "broker_killed": _kill_broker,
    "broker_wiped": _wipe_broker,
    "ingest_killed": _kill_ingest,
    "database_killed": _kill_database,
    "line_cut": _cut,
    "line_stalled": _stall,
    "line_slow": _slow,
    "budget_filled": _fill,
}
