"""What is sent and not yet stored: bounded, sent again until an ack covers it; what finds no room is given up.

Used by the thread that simulates and the one that hears acks, one at a time: the caller holds a lock.
"""

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Final

from events.envelope import MessageId
from events.status import Ack, Range
from events.topic import Kind
from events.ulid import ulid

RESEND_S: Final = 10.0
LONGEST_RESEND_S: Final = 120.0
EASE: Final = 0.8
PATIENCE: Final = 4.0  # times as long as acks take just now: a slow database is not made slower by copies


@dataclass(slots=True, kw_only=True)
class Sent:
    """A message that nobody has acknowledged."""

    device: str
    kind: Kind
    id: MessageId
    payload: bytes
    sent: float  # Unix seconds, the device's clock when it was made
    readings: int
    last: float = 0.0  # monotonic seconds: when it was sent last
    due: float = 0.0  # monotonic seconds: when to send it again
    times: int = 0


@dataclass(slots=True, kw_only=True)
class Tally:
    """What became of everything."""

    messages: int = 0
    readings: int = 0
    acknowledged: int = 0
    sent_again: int = 0
    given_up: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)


class Outgoing:
    """All devices' streams of this run."""

    def __init__(self, most: int, resend_s: float = RESEND_S) -> None:
        """At most so many messages wait; `resend_s`: the shortest time after which one is sent again."""
        self.tally = Tally()
        self._most = most
        self._resend_s = resend_s
        self._delay = 0.0  # seconds from sending to the ack, smoothed
        self._streams: dict[tuple[str, Kind], str] = {}
        self._seqs: dict[str, int] = {}  # by stream: the last number
        self._waiting: dict[str, dict[int, Sent]] = {}  # by stream, by number
        self._order: OrderedDict[MessageId, Sent] = OrderedDict()  # by when it was sent last
        self._given_up: dict[str, list[Range]] = {}  # by device

    def __len__(self) -> int:
        return len(self._order)

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return len(self._order) < self._most

    @property
    def is_at_ease(self) -> bool:
        """Whether a device may say all that it has: an hour of one that held back is a hundred messages."""
        return len(self._order) < self._most * EASE

    @property
    def patience(self) -> float:
        """Seconds after which a message is sent a second time."""
        return min(max(self._resend_s, PATIENCE * self._delay), LONGEST_RESEND_S)

    def number(self, device: str, kind: Kind, payload: bytes, at: float, readings: int) -> Sent | None:
        """Give a message its number; None where it finds no room and is given up."""
        stream = self._streams.get((device, kind))
        if stream is None:
            stream = self._streams[device, kind] = ulid(max(at, 0.0), secrets.token_bytes(10))
        seq = self._seqs[stream] = self._seqs.get(stream, 0) + 1
        self.tally.messages += 1
        self.tally.readings += readings
        self.tally.by_kind[kind] = self.tally.by_kind.get(kind, 0) + 1
        if not self.has_room:
            self._give_up(device, stream, seq)
            return None
        sent = Sent(device=device, kind=kind, id=MessageId(stream, seq), payload=payload, sent=at, readings=readings)
        self._waiting.setdefault(stream, {})[seq] = sent
        self._order[sent.id] = sent
        return sent

    def mark_sent(self, sent: Sent, now: float) -> None:
        """It is on its way; it is due again later, and later still each time."""
        self.tally.sent_again += sent.times > 0
        sent.last = now
        sent.due = now + min(self.patience * 2**sent.times, LONGEST_RESEND_S)
        sent.times += 1
        if sent.id in self._order:
            self._order.move_to_end(sent.id)

    def due(self, now: float, most: int) -> list[Sent]:
        """Up to `most` messages to send again, those that were sent longest ago first."""
        found: list[Sent] = []
        for sent in self._order.values():
            if len(found) >= most or sent.last > now - self._resend_s:  # nor is any after it
                break
            if sent.due <= now:
                found.append(sent)
        return found

    def acknowledged(self, device: str, ack: Ack, now: float) -> None:
        """Forget what the database accounts for, at `now` (monotonic seconds)."""
        if given_up := self._given_up.get(device):
            self._given_up[device] = [r for r in given_up if not _covers(ack.get(r.stream, []), r)]
        for stream, ranges in ack.items():
            waiting = self._waiting.get(stream)
            if not waiting:
                continue
            for first, last in ranges:
                for seq in [seq for seq in waiting if first <= seq <= last]:
                    sent = waiting.pop(seq)
                    del self._order[sent.id]
                    self._learn(sent, now)
                    self.tally.acknowledged += 1

    def streams_of(self, device: str, kinds: tuple[Kind, ...]) -> dict[str, int]:
        """The last number of each stream of a device."""
        streams = [self._streams.get((device, kind)) for kind in kinds]
        return {stream: self._seqs[stream] for stream in streams if stream}

    def given_up_of(self, device: str) -> tuple[Range, ...]:
        """What a device will never send."""
        return tuple(self._given_up.get(device, ()))

    def _learn(self, sent: Sent, now: float) -> None:
        """Of a message that was sent twice, nobody knows which one was acknowledged (Karn's rule, RFC 6298)."""
        if sent.times == 1:
            self._delay += 0.05 * (now - sent.last - self._delay)
        else:
            self._delay = max(self._delay, now - sent.last)

    def _give_up(self, device: str, stream: str, seq: int) -> None:
        self.tally.given_up += 1
        ranges = self._given_up.setdefault(device, [])
        follows = bool(ranges) and (ranges[-1].stream, ranges[-1].last) == (stream, seq - 1)
        first = ranges.pop().first if follows else seq
        ranges.append(Range(stream=stream, first=first, last=seq, reason="evicted"))


def _covers(accounted: list[tuple[int, int]], given_up: Range) -> bool:
    return any(first <= given_up.first and given_up.last <= last for first, last in accounted)
