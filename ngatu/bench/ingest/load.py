"""What is published: the same messages for ingest, for the consumer that only acknowledges, and as rows for COPY."""

import time
from collections.abc import Iterator
from typing import Final

import msgspec
import numpy as np

from events.envelope import SENML_JSON
from ingest.mqtt import commands
from storage.readings import ReadingColumns

STREAM: Final = "01JBENCH{run:06X}{device:012d}"
STEP: Final = 0.25
PACKET_IDS: Final = 60_000


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """Message number k, from 0, is the (k // devices)-th of device k % devices."""

    readings_per_message: int
    devices: int
    messages: int
    numbered: bool  # with our envelope; otherwise as devices send that are not ours
    began: float  # Unix seconds of the first reading
    run: int  # tells the streams of different runs apart
    step: float = STEP  # seconds between the messages of one device

    def device(self, number: int) -> str:
        """Name of a device."""
        return f"bench-{self.run}-{number}"

    def stream(self, number: int) -> str:
        """Return the device's stream."""
        return STREAM.format(run=self.run, device=number)

    def packet(self, k: int) -> bytes:
        """Message `k` as an MQTT packet."""
        turn, device = divmod(k, self.devices)
        name, per = self.device(device), self.readings_per_message
        at = self.began + turn * self.step
        records = [f'{{"n":"s/{i}","t":{i * self.step / per:.6f},"v":{_value(k, i)}}}' for i in range(1, per)]
        first = f'{{"bn":"{name}/","bt":{at:.6f},"n":"s/0","u":"Cel","v":{_value(k, 0)}}}'
        return commands.publish(
            f"ngatu/v1/{name}/readings",
            f"[{','.join([first, *records])}]".encode(),
            packet_id=k % PACKET_IDS + 1,
            content_type=SENML_JSON,
            user=[("id", f"{self.stream(device)}:{turn + 1}")] if self.numbered else [],
        )

    def packets(self, start: int, count: int) -> bytes:
        """Some messages, one after another."""
        return b"".join([self.packet(k) for k in range(start, min(start + count, self.messages))])

    def batches(self, rows: int) -> Iterator[ReadingColumns]:
        """Give all rows, in order, as ingest would store them."""
        per = self.readings_per_message
        received = round(time.time() * 1e6)
        for start in range(0, self.messages * per, rows):
            row = np.arange(start, min(start + rows, self.messages * per))
            k, i = np.divmod(row, per)
            turn, device = np.divmod(k, self.devices)
            yield ReadingColumns(
                at=np.rint((self.began + turn * self.step + i * self.step / per) * 1e6).astype(np.int64),
                received=np.full(len(row), received),
                value=(k % 1000 + i / 8).astype(np.float64),
                series_id=(device * per + i + 1).astype(np.int32),
                quality=np.zeros(len(row), np.int16),
            )


def _value(k: int, i: int) -> float:
    return k % 1000 + i / 8
