"""Where the receiving thread leaves items, and the storing thread takes them in batches."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Condition

from ingest.item import Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """When a batch is large or old enough to be stored."""

    messages: int
    payload_bytes: int
    flush_s: float = 0.0  # how long the first of a batch waits for company


class Inbox:
    """A queue between two threads. What bounds it is the consumer's receive maximum."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items: deque[Item] = deque()
        self._bytes = 0
        self._changed = Condition()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def payload_bytes(self) -> int:
        """Bytes of payload that wait."""
        return self._bytes

    def put(self, items: Sequence[Item], *, first: bool = False) -> None:
        """Add items, before all that waits if they are to be `first`; never blocks."""
        with self._changed:
            was_empty = not self._items
            (self._items.extendleft if first else self._items.extend)(reversed(items) if first else items)
            self._bytes += sum(len(item.arrival.payload) for item in items)
            if was_empty or self._is_full():
                self._changed.notify()

    def take(self, timeout: float) -> list[Item]:
        """Return the next batch; empty after `timeout` seconds in which nothing came."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._items, timeout):
                return []
            patience = self._items[0].arrival.at + self._limits.flush_s - time.time()
            self._changed.wait_for(self._is_full, max(0.0, min(patience, self._limits.flush_s)))
            return self._pop()

    def _is_full(self) -> bool:
        return len(self._items) >= self._limits.messages or self._bytes >= self._limits.payload_bytes

    def _pop(self) -> list[Item]:
        batch: list[Item] = []
        size = 0
        while self._items and len(batch) < self._limits.messages and size < self._limits.payload_bytes:
            item = self._items.popleft()
            size += len(item.arrival.payload)
            batch.append(item)
        self._bytes -= size
        return batch
