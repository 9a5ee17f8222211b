"""What was sent and is not yet stored: bounded, with room kept for incidents; and when it is time to send again."""

import math
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Final

from edge import ranges
from edge.boxfile import Row
from edge.outgoing import RANKS, URGENT

RESERVED: Final = 0.1  # share of the messages and bytes that only incidents and stills may use
REMEMBERED: Final = 512  # stored incidents and stills: the outbox takes a moment to forget them
URGENT_PATIENCE_S: Final = 10.0  # an incident never waits longer than this to be sent again


@dataclass(slots=True)
class Sent:
    """One message under way."""

    id: int  # its place in the outbox
    rank: int
    stream: str
    seq: int
    size: int
    sent: float  # seconds, monotonic
    due: float
    tries: int = 1


@dataclass(slots=True)
class Patience:
    """How long to wait for an ack before sending again: RFC 6298, from sending to stored instead of to received."""

    least: float
    most: float
    smooth: float = 0.0  # seconds; 0: nothing measured yet
    varies: float = 0.0
    doubled: int = 0
    doubled_at: float = -math.inf

    def seconds(self) -> float:
        """The wait for a message that is sent now."""
        measured = self.smooth + 4 * self.varies if self.smooth else 2.5 * self.least
        return min(max(measured, self.least) * 2.0**self.doubled, self.most)

    def measure(self, took: float) -> None:
        """A message that was sent once has been stored."""
        if self.smooth:
            self.varies += (abs(self.smooth - took) - self.varies) / 4
            self.smooth += (took - self.smooth) / 8
        else:
            self.smooth, self.varies = took, took / 2
        self.doubled = 0

    def in_vain(self, now: float) -> None:
        """A wait ended without an ack: wait longer, but double once only for all that was sent together."""
        if now - self.doubled_at >= self.seconds() and self.seconds() < self.most:
            self.doubled += 1
            self.doubled_at = now


class Window:
    """Who may send now, and what must be sent again."""

    def __init__(self, messages: int, size: int, *, resend: float, resend_most: float) -> None:
        """At most `messages` and `size` bytes under way; resend times in seconds."""
        self._messages = messages
        self._size = size
        self._under_way: dict[int, Sent] = {}
        self._numbers: dict[str, dict[int, Sent]] = {}  # stream → seq → message
        self._ids: dict[int, set[int]] = {rank: set() for rank in RANKS}
        self._stored: dict[int, set[int]] = {rank: set() for rank in RANKS if rank <= URGENT}
        self._bytes = 0
        self._urgent_patience = Patience(resend, max(resend, min(resend_most, URGENT_PATIENCE_S)))
        self._patience = Patience(resend, max(resend, resend_most))

    def __len__(self) -> int:
        return len(self._under_way)

    def patience(self, rank: int) -> Patience:
        """Incidents and stills are timed apart: they pass the others by, here and at the other end."""
        return self._urgent_patience if rank <= URGENT else self._patience

    def room(self, rank: int) -> int:
        """How many more messages of this rank may be sent."""
        share = 1.0 if rank <= URGENT else 1 - RESERVED
        if self._bytes >= self._size * share:
            return 0
        return max(0, int(self._messages * share) - len(self._under_way))

    def ids(self, rank: int) -> AbstractSet[int]:
        """The places in the outbox of all of this rank that are under way."""
        return self._ids[rank]

    def known(self, rank: int) -> AbstractSet[int]:
        """The places of all, of an urgent rank, that are under way or have just been stored: not to be sent now."""
        return self._ids[rank] | self._stored[rank]

    def sending(self, row: Row, now: float) -> float:
        """`row` is being sent; return how long until it will be again, in seconds."""
        patience = self.patience(row.rank).seconds()
        sent = self._under_way.get(row.id)
        if sent is None:
            sent = Sent(row.id, row.rank, row.stream, row.seq, row.size, now, now + patience)
            self._under_way[row.id] = sent
            self._numbers.setdefault(row.stream, {})[row.seq] = sent
            self._ids[row.rank].add(row.id)
            self._bytes += row.size
        else:
            sent.sent, sent.due, sent.tries = now, now + patience, sent.tries + 1
        return patience

    def stored(self, ack: Mapping[str, Iterable[tuple[int, int]]], now: float) -> int:
        """Take out what `ack` covers; return how many that were."""
        count = 0
        for stream, covered in ack.items():
            numbers = self._numbers.get(stream)
            if not numbers:
                continue
            spans = ranges.normal(covered)
            for sent in [sent for seq, sent in numbers.items() if ranges.holds(spans, seq)]:
                if sent.tries == 1:
                    self._heard(sent, now)
                self._finish(sent)
                count += 1
        return count

    def _heard(self, sent: Sent, now: float) -> None:
        patience = self.patience(sent.rank)
        impatient = patience.doubled > 0
        patience.measure(now - sent.sent)
        if impatient:  # the other end is back: what waits must not wait as long as was thought
            for other in self._under_way.values():
                if self.patience(other.rank) is patience:
                    other.due = min(other.due, other.sent + patience.seconds())

    def drop(self, row: Row) -> None:
        """`row` will not be stored."""
        sent = self._under_way.get(row.id)
        if sent is not None:
            self._finish(sent)

    def drop_gone(self, number: int) -> None:
        """What stood in this place of the outbox has been evicted."""
        sent = self._under_way.get(number)
        if sent is not None:
            self._take_out(sent)

    def drop_rank(self, rank: int) -> None:
        """Nothing of this rank is under way any more."""
        for number in list(self._ids[rank]):
            self._take_out(self._under_way[number])

    def due(self, now: float) -> list[Sent]:
        """What is to be sent again, in the order of sending."""
        late = [sent for sent in self._under_way.values() if sent.due <= now]
        for patience in {id(p): p for p in (self.patience(sent.rank) for sent in late if sent.sent > 0)}.values():
            patience.in_vain(now)
        return sorted(late, key=lambda sent: (sent.rank, -sent.id if sent.rank <= URGENT else sent.id))

    def next_due(self) -> float:
        """When the first of them is due; infinite when none is."""
        return min((sent.due for sent in self._under_way.values()), default=math.inf)

    def lost(self) -> None:
        """The connection broke: what is under way may have arrived or not, and is due at once."""
        for sent in self._under_way.values():
            sent.sent, sent.due, sent.tries = 0.0, 0.0, sent.tries + 1

    def clear(self) -> None:
        """Begin anew."""
        self._under_way.clear()
        self._numbers.clear()
        for ids in (*self._ids.values(), *self._stored.values()):
            ids.clear()
        self._bytes = 0

    def _finish(self, sent: Sent) -> None:
        """Take it out for good."""
        self._take_out(sent)
        stored = self._stored.get(sent.rank)
        if stored is not None:
            stored.add(sent.id)
            if len(stored) > 2 * REMEMBERED:
                stored.difference_update(sorted(stored)[:-REMEMBERED])

    def _take_out(self, sent: Sent) -> None:
        del self._under_way[sent.id]
        self._ids[sent.rank].remove(sent.id)
        numbers = self._numbers[sent.stream]
        del numbers[sent.seq]
        if not numbers:
            del self._numbers[sent.stream]
        self._bytes -= sent.size
