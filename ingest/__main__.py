"""`python -m ingest`: from the broker into the database, until SIGTERM."""

import logging
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from threading import Event
from typing import Final

from ingest.durable import Durable
from ingest.lane import Lane
from ingest.metrics import Metrics
from ingest.settings import Settings, plans
from ingest.web import DatabaseCollector, serving

log: Final = logging.getLogger("ingest")

LOOK: Final = 0.2  # seconds: a signal that comes just before a wait without end would never be looked at
SWITCH_INTERVAL: Final = 0.0005  # seconds: while one thread decodes, another's round trip takes a fifth of its time


def run(settings: Settings, ended: Callable[[], bool]) -> bool:
    """Ingest until `ended`; return whether that was why it did."""
    metrics, failed = Metrics(), Event()
    lanes = [Lane(plan, settings.dsn, settings.broker, metrics, failed.set) for plan in plans()]

    def ailments() -> dict[str, str]:
        return {lane.plan.name: ailment for lane in lanes if (ailment := lane.ailment)}

    with ExitStack() as stack:
        if settings.metrics_port is not None:
            metrics.registry.register(DatabaseCollector(settings.dsn))
            port = stack.enter_context(serving(settings.metrics_port, metrics.registry, ailments))
            log.info("serving port=%d paths=/metrics,/healthz", port)
        for lane in lanes:
            lane.start()
            stack.callback(lane.stop)
        durable = Durable(settings.dsn, settings.broker, metrics, failed.set)
        durable.start()
        stack.callback(durable.stop)
        while not ended() and not failed.wait(LOOK):
            pass
    return not failed.is_set()


def main() -> int:
    """Read the environment, run, and return the exit code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    try:
        settings = Settings.read(os.environ)
    except ValueError as error:
        log.error("%s", error)  # noqa: TRY400 - a wrong setting needs its line, not a traceback
        return 2
    sys.setswitchinterval(SWITCH_INTERVAL)
    signals: list[int] = []  # a handler takes no lock: whom it interrupts may hold it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, _: signals.append(received))
    return 0 if run(settings, lambda: bool(signals)) else 1


if __name__ == "__main__":
    sys.exit(main())
