"""`python -m ingest`: from the broker into the database, until SIGTERM."""

import logging
import os
import signal
import sys
from contextlib import ExitStack
from threading import Event
from typing import Final

from ingest.durable import Durable
from ingest.lane import Lane
from ingest.metrics import Metrics
from ingest.settings import Settings, plans
from ingest.web import DatabaseCollector, serving

log: Final = logging.getLogger("ingest")

SWITCH_INTERVAL: Final = 0.0005  # seconds: while one thread decodes, another's round trip takes a fifth of its time


def run(settings: Settings, stopped: Event) -> bool:
    """Ingest until `stopped`; return whether that was why it ended."""
    metrics, failed = Metrics(), Event()

    def fail() -> None:
        failed.set()
        stopped.set()

    lanes = [Lane(plan, settings.dsn, settings.broker, metrics, fail) for plan in plans()]

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
        durable = Durable(settings.dsn, settings.broker, metrics, fail)
        durable.start()
        stack.callback(durable.stop)
        stopped.wait()
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
    stopped = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    return 0 if run(settings, stopped) else 1


if __name__ == "__main__":
    sys.exit(main())
