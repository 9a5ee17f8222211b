"""A process that publishes a load over one socket, as fast as acknowledgements or a wanted rate allow.

It never has more under way than the broker allows (PUBACK), nor more than a window that its reader has not confirmed.
"""

import os
import select
import sys
import time
from typing import Final

import msgspec
import numpy as np

from ingest.mqtt import commands
from ingest.mqtt.connection import Connection, Login
from ingest.mqtt.packets import Puback, Publish, Suback
from ngatu.bench.ingest.load import Load

UNACKNOWLEDGED: Final = 2000  # what Mosquitto is configured to take
STALLED_S: Final = 60.0
PREPARED_BYTES: Final = 400_000_000


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to publish, on standard input as JSON."""

    load: Load
    port: int
    confirmed_by: str | None  # topic filter of acks; None: nobody confirms
    window: int = 0  # messages under way and not confirmed
    rate: float = 0.0  # messages a second; 0: as many as go
    warm: int = 0  # messages before the time is taken, so that devices and series are known


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """What was published, on standard output as JSON. Times are Unix seconds."""

    began: float
    ended: float  # when the last was confirmed; published, where nobody confirms
    messages: int  # counted since `began`
    p50: float | None = None  # seconds from publish to confirmation
    p99: float | None = None


class Publisher:
    """One connection's publishing."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._load = load = order.load
        self._chunk = max(1, min(100, 1000 // load.readings_per_message))
        self._connection = Connection("127.0.0.1", order.port, Login(client_id="bench-publisher"))
        self._sent = self._taken = self._confirmed = 0
        self._sent_at = np.zeros(load.messages)
        self._confirmed_at = np.zeros(load.messages)
        self._turns = [0] * load.devices
        self._device_of = {load.stream(number): number for number in range(load.devices)}
        self._prepared: dict[int, bytes] = {}

    def run(self) -> Sent:
        """Publish everything and wait until it is confirmed, or, where nobody does that, taken by the broker."""
        if self._order.confirmed_by:
            self._connection.send([commands.subscribe(1, [self._order.confirmed_by])])
            while not any(isinstance(packet, Suback) for packet in self._connection.receive()):
                pass
        warm = self._order.warm
        self._publish_to(warm)
        self._prepare(warm)
        os.write(1, b"\n")  # whoever watches may begin to count
        began = time.time()
        self._publish_to(self._load.messages)
        ended, latency = time.time(), (self._confirmed_at - self._sent_at)[warm:]
        p50, p99 = np.percentile(latency, [50, 99]).tolist() if self._order.confirmed_by else (None, None)
        return Sent(began=began, ended=ended, messages=self._load.messages - warm, p50=p50, p99=p99)

    def _prepare(self, start: int) -> None:
        """Make packets before the time is taken, as many as memory holds."""
        size = 0
        while not self._order.rate and start < self._load.messages and size < PREPARED_BYTES:
            self._prepared[start] = self._load.packets(start, self._chunk)
            size += len(self._prepared[start])
            start += self._chunk

    def _publish_to(self, end: int) -> None:
        """Publish up to message `end`, and wait until all are confirmed."""
        began, first, progress = time.time(), self._sent, time.time()
        while (self._confirmed if self._order.confirmed_by else self._taken) < end:
            patience = self._patience(end, began, first)
            if patience <= 0:
                count = min(self._chunk, end - self._sent)
                packets = self._prepared.pop(self._sent, b"") or self._load.packets(self._sent, count)
                self._sent_at[self._sent : self._sent + count] = time.time()
                self._sent += count
                self._connection.send([packets])
            if self._hear(max(0.0, patience)):
                progress = time.time()
            elif time.time() - progress > STALLED_S:
                raise TimeoutError(f"{self._sent} sent, {self._taken} taken, {self._confirmed} confirmed: it stalled")

    def _patience(self, end: int, began: float, first: int) -> float:
        """Seconds to wait for packets before the next chunk may go."""
        waiting = self._sent - self._taken + self._chunk > UNACKNOWLEDGED
        full = self._order.confirmed_by is not None and self._sent - self._confirmed + self._chunk > self._order.window
        if self._sent >= end or waiting or full:
            return 0.5
        if not self._order.rate:
            return 0.0
        return began + (self._sent - first) / self._order.rate - time.time()

    def _hear(self, patience: float) -> bool:
        """Take in what the broker says; whether it said anything."""
        if not select.select([self._connection], [], [], patience)[0]:
            return False
        now = time.time()
        for packet in self._connection.receive():
            if isinstance(packet, Puback):
                self._taken += 1
            elif isinstance(packet, Publish):
                for stream, ranges in msgspec.json.decode(packet.payload).items():
                    self._confirm(self._device_of.get(stream), ranges, now)
        return True

    def _confirm(self, device: int | None, ranges: list[tuple[int, int]], now: float) -> None:
        """Note what is stored of a device without a gap."""
        if device is None or not ranges or ranges[0][0] != 1:
            return
        before, last = self._turns[device], ranges[0][1]
        if last > before:
            which = np.arange(before, last) * self._load.devices + device
            self._confirmed_at[which] = now
            self._turns[device] = last
            self._confirmed += last - before


def main() -> None:
    """Read the order, publish, report."""
    order = msgspec.json.decode(sys.stdin.buffer.read(), type=Order)
    sys.stdout.buffer.write(msgspec.json.encode(Publisher(order).run()))


if __name__ == "__main__":
    main()
