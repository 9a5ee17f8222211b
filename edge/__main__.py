"""`python -m edge AGENT.yaml`: run one agent. Ends with 0 on SIGTERM and Ctrl-C."""

import argparse
import logging
import os
import signal
import sys
from pathlib import Path
from threading import Event

from edge import city
from edge.agent import Agent, address_of
from edge.outbox import OutboxBusy
from edge.yamlfile import BadSettings


def main() -> int:
    """Read the command line and the environment; run; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m edge", description=__doc__)
    parser.add_argument("agent", type=Path, help="the agent's YAML file; docs/edge.md describes it")
    parser.add_argument("--check", action="store_true", help="read and check the file, and end")
    given = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    password = os.environ.get("NGATU_MQTT_PASSWORD")
    try:
        if given.check:
            _check(given.agent, password)
        else:
            _run(given.agent, password)
    except (BadSettings, OutboxBusy) as error:
        print(f"edge: {error}", file=sys.stderr)  # noqa: T201 - a command line's answer
        return 2
    return 0


def _run(file: Path, password: str | None) -> None:
    """One agent after another, until a signal."""
    ended = Event()
    running: list[Agent] = []

    def end(*_: object) -> None:
        ended.set()
        for agent in running:
            agent.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    again = True
    while again and not ended.is_set():
        running[:] = [Agent(file, password)]
        if ended.is_set():  # while it was being made
            running[0].stop()
        again = running[0].run()


def _check(file: Path, password: str | None) -> None:
    settings = city.settings(file, None)
    address_of(settings, file.parent, password)
    if settings.cameras:
        from edge.cameras import scene_of  # noqa: PLC0415 - an agent without cameras stays small

        for camera in settings.cameras:
            scene_of(camera, file.parent)
    print(f"{file}: good")  # noqa: T201 - a command line's answer


if __name__ == "__main__":
    sys.exit(main())
