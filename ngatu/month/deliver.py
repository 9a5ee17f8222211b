"""Speaks for all devices, through broker and ingest; ingest is killed on the way, and much is sent twice."""

import random
import sys
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final, Self

from ingest.consumer import BrokerAddress
from ngatu.home import CHECKOUT
from ngatu.month.making import Message
from ngatu.process.child import Child, ChildFailed, Program
from ngatu.process.guard import Guard
from ngatu.simulate.outgoing import Outgoing
from ngatu.simulate.uplink import Uplink

WINDOW: Final = 2000  # messages that may wait for their ack
AT_ONCE: Final = 100
RESEND_S: Final = 2.0  # a real device would wait ten seconds
STANDSTILL_S: Final = 300.0  # without any ack: something is wrong
TWICE: Final = 0.02  # share of messages that are sent a second time at once


class Ingest:
    """The process that is killed, and started again; it runs in `with`."""

    def __init__(self, dsn: str, broker: str, folder: Path, guard: Guard) -> None:
        program = Program(
            name="ingest",
            command=(sys.executable, "-m", "ingest"),
            log=folder / "ingest.log",
            environ={"NGATU_DSN": dsn, "NGATU_MQTT_URL": broker, "PYTHONPATH": str(CHECKOUT)},
            cwd=CHECKOUT,
        )
        self._child = Child(program, guard)

    def start(self) -> None:
        """Return once it listens; what its predecessor wrote into the log is no proof."""
        self._child.program.log.unlink(missing_ok=True)
        self._child.start()
        self._child.wait_ready(lambda: self._child.tail(4000).count("subscribed client=") >= 3, 120)

    def kill(self) -> None:
        """As a power cut would; then start it again."""
        self._child.kill()
        self.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._child.stop()


def deliver(
    ingest: Ingest,
    broker: str,
    messages: Sequence[Message],
    kills: int,
    chance: random.Random,
    tell: Callable[[datetime], None],
) -> int:
    """Send `messages` in their order until the database holds them all; return how many were sent again.

    Args:
        ingest: is running, and killed `kills` times, at points drawn by chance.
        broker: its address.
        messages: sorted by when they come.
        kills: of ingest.
        chance: draws what is killed and doubled when.
        tell: is called with the month's time, as it goes.

    Raises:
        ChildFailed: nothing was acknowledged for five minutes.
    """
    waiting = Outgoing(len(messages) + 1, resend_s=RESEND_S)
    uplink = Uplink(BrokerAddress.parse(broker), waiting, lambda _: time.time())
    dooms = sorted(chance.uniform(0.1, 0.9) * len(messages) for _ in range(kills))
    said, last_ack, stored = 0, time.monotonic(), 0
    try:
        if not uplink.ready.wait(60):
            raise ChildFailed(f"{broker}: the broker does not answer")
        while len(waiting) or said < len(messages):
            some = messages[said : said + AT_ONCE] if len(waiting) < WINDOW else ()
            for message in some:
                _say(uplink, waiting, message, twice=chance.random() < TWICE)
            said += len(some)
            if some:
                tell(some[-1].comes)
            if dooms and waiting.tally.acknowledged > dooms[0]:
                dooms.pop(0)
                ingest.kill()
            uplink.send_again()
            if waiting.tally.acknowledged > stored:
                last_ack, stored = time.monotonic(), waiting.tally.acknowledged
            elif time.monotonic() > last_ack + STANDSTILL_S:
                raise ChildFailed(f"{len(waiting)} messages are not acknowledged, none in {STANDSTILL_S:.0f} s")
            time.sleep(0.002 if some else 0.01)
    finally:
        uplink.close()
    return waiting.tally.sent_again


def _say(uplink: Uplink, waiting: Outgoing, message: Message, *, twice: bool) -> None:
    with uplink.lock:
        sent = waiting.number(message.device, message.kind, message.payload, time.time(), message.readings)
    assert sent is not None
    for _ in range(1 + twice):
        uplink.send(sent)
