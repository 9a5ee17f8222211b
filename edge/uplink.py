"""From the outbox to the broker, in the order of worth, until the database says that it holds it. One thread."""

import logging
import math
import os
import random
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import Event
from typing import Final

from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from edge import clock
from edge.boxfile import Row
from edge.link import Address, Link, LinkLost
from edge.outbox import Outbox
from edge.outgoing import RANKS, URGENT
from edge.window import Window
from events import status
from events.config import Command, Config
from events.envelope import JPEG, JSON
from events.errors import BadMessage
from events.fact import to_json
from events.message import decode
from events.status import LAST_WORD, Status
from events.topic import RETAINED, Topic

log = logging.getLogger(__name__)

BURST: Final = 128  # messages between two looks at what the broker says
RETRY_MOST_S: Final = 30.0
FETCH: Final = {0: 32, 1: 2, 6: 1}  # messages read ahead by rank, else BURST: pictures are large
STRIKES: Final = 3  # how often a message alone may make the broker break off, until it is given up
RIVALS: Final = 3  # how often in a row somebody takes our name over, until it is no relic of ourselves
FAREWELL_S: Final = 3.0  # for incidents that are not yet stored, once we are told to end
REFUSED_S: Final = 30.0  # between two tries of a kind, or a connection, that the broker does not allow
HELLO_S: Final = 10.0  # for the broker's answer to CONNECT and SUBSCRIBE
SETTLE_S: Final = 0.1  # the retained ack comes right behind: what it covers need not be sent again
PACKET_MARGIN: Final = 1024  # topic and properties beside a payload
NOT_AUTHORISED: Final = 0x87
BUSY_S: Final = 2.0  # until a kind is tried again that the broker has no room for just now
FATAL: Final = {0x90: "refused", 0x95: "too_large", 0x99: "refused"}
"""PUBACK reasons that speak of the message itself: topic invalid, packet too large, payload format invalid.
All others (not authorised, quota exceeded …) speak of the broker, which can be mended: the message is kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much may be under way, and how patiently."""

    window_messages: int = 2000
    window_bytes: int = 8_000_000
    resend_s: float = 2.0
    resend_max_s: float = 60.0
    status_s: float = 20.0


class Uplink:
    """Keeps one connection up and sends over it what the outbox holds."""

    def __init__(
        self,
        device: str,
        address: Address,
        outbox: Outbox,
        pace: Pace,
        *,
        on_config: Callable[[Config], None],
        on_command: Callable[[Command], None],
    ) -> None:
        """Prepare; `run` does the work. `on_config` and `on_command` are called from its thread: be quick."""
        self.config_refused: status.ConfigRefused | None = None  # said in every status
        self._device = device
        self._address = address
        self._outbox = outbox
        self._pace = pace
        self._on_config = on_config
        self._on_command = on_command
        self._topics = {kind: str(Topic(device, kind)) for kind in ("status", "frame")}
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._window = Window(
            pace.window_messages, pace.window_bytes, resend=pace.resend_s, resend_most=pace.resend_max_s
        )
        self._generation = outbox.generation
        self._ahead: dict[int, deque[Row]] = {}  # fetched, not yet sent
        self._read_up_to: dict[int, int] = {}  # rank → place in the outbox
        self._unanswered: dict[int, Row] = {}  # packet id → message
        self._paused: dict[int, float] = {}  # rank → until when the broker does not want it
        self._suspects: dict[int, int] = {}  # place in the outbox → how often the broker broke off at it alone
        self._more = False  # the last burst left something to send
        self._settled = 0.0  # from when on we know what is stored, and send
        self._frames: deque[tuple[bytes, tuple[tuple[str, str], ...]]] = deque(maxlen=4)
        self._connection = self._n = 0
        self._status_due = 0.0
        outbox.on_commit = self.wake

    def wake(self) -> None:
        """There may be something to do. Safe from any thread."""
        os.eventfd_write(self._wake, 1)

    def send_frame(self, jpeg: bytes, properties: tuple[tuple[str, str], ...]) -> None:
        """Send a picture once, without the outbox. Safe from any thread; while not connected it is dropped."""
        self._frames.append((jpeg, properties))
        self.wake()

    def run(self, stop: Event) -> None:
        """Send until `stop` is set (and `wake` called), then say goodbye."""
        failures = rivals = 0
        while not stop.is_set():
            self._settled = math.inf
            link = self._session(stop)
            if link.offended:
                self._suspect()
            self._window.lost()
            self._unanswered.clear()
            failures = 1 if self._settled < math.inf else failures + 1  # a broker that let us in is not a failing one
            rivals = rivals + 1 if link.taken_over else 0
            unwanted = link.refused or rivals >= RIVALS
            most = REFUSED_S if unwanted else min(RETRY_MOST_S, 2.0**failures / 2)
            stop.wait(random.uniform(most / 4, most))  # noqa: S311 - jitter is no secret

    def close(self) -> None:
        """After the outbox is closed, and nobody wakes us any more."""
        os.close(self._wake)

    def _suspect(self) -> None:
        """The broker broke off: one of the messages that it had not answered is why. Alone, three times: it is this."""
        unanswered = list(self._unanswered.values())
        alone = len(unanswered) == 1 and unanswered[0].id in self._suspects
        for row in unanswered:
            self._suspects[row.id] = self._suspects.get(row.id, 0) + alone
            if self._suspects[row.id] >= STRIKES:
                del self._suspects[row.id]
                self._window.drop(row)
                self._outbox.give_up(row, "refused")

    def _session(self, stop: Event) -> Link:
        """One connection, to its end."""
        self._connection, self._n = self._outbox.next_connection(), 0
        will = to_json(Status(state="offline", connection=self._connection, n=LAST_WORD))
        link = Link(self._address, self._device, will, heard=self._heard, taken=self._taken)
        try:
            link.open()
            log.info("connected broker=%s device=%s connection=%d", self._address, self._device, self._connection)
            self._status_due = 0.0
            self._serve(link, stop)
        except OSError as error:
            log.warning("uplink broker=%s error=%s", self._address, error)
            link.abandon()
        return link

    def _serve(self, link: Link, stop: Event) -> None:
        hello = time.monotonic() + HELLO_S
        while not stop.is_set():
            self._turn(link, hello)
        goodbye = time.monotonic() + FAREWELL_S
        while link.ready and time.monotonic() < goodbye and self._owes_alerts():
            self._turn(link, goodbye)
        if link.ready:
            self._publish_status(link, "offline")
        link.close()

    def _turn(self, link: Link, hello: float) -> None:
        """Wait for something to do, and do it; the broker must have let us in by `hello`."""
        link.wait(self._wake, self._patience(link))
        now = time.monotonic()
        if link.ready:
            self._settled = min(self._settled, now + SETTLE_S)
            self._say_status(link)
            self._send_frames(link)
            if now >= self._settled:
                self._send(link)
        elif now > hello:
            raise LinkLost("no answer to CONNECT")

    def _owes_alerts(self) -> bool:
        """Whether incidents or stills are not yet stored."""
        self._outbox.commit()  # what is stored leaves the disk
        return any(self._outbox.fetch_newest(rank, (), 1) for rank in RANKS if rank <= URGENT)

    def _patience(self, link: Link) -> float:
        """Seconds until there is something to do of our own accord."""
        if not link.ready or link.busy:
            return 1.0
        if self._more:
            return 0.0
        now = time.monotonic()
        next_thing = min(self._status_due, self._window.next_due(), self._settled if self._settled > now else math.inf)
        return min(1.0, max(0.01, next_thing - now))

    def _room(self, link: Link, rank: int) -> int:
        return min(self._window.room(rank), self._unanswered_room(link))

    def _send(self, link: Link) -> None:
        if self._outbox.generation != self._generation:
            self._begin_anew()
        now = time.monotonic()
        again = self._window.due(now) if self._window.next_due() <= now else []
        left = BURST
        for rank in RANKS:
            if self._is_paused(rank, now):
                continue
            if rank <= URGENT:
                self._ahead.pop(rank, None)  # a newer one may have come
            for sent in again:
                if sent.rank == rank and left > 0 and not link.busy and self._unanswered_room(link) > 0:
                    left -= self._send_again(link, sent.id)
            while left > 0 and not link.busy and self._room(link, rank) > 0:
                row = self._next(rank, min(left, self._room(link, rank)))
                if row is None:
                    break
                self._publish(link, row)
                left -= 1
        self._more = left <= 0

    def _begin_anew(self) -> None:
        """The outbox's file was mended: places in it have changed."""
        self._generation = self._outbox.generation
        self._window.clear()
        self._ahead.clear()
        self._read_up_to.clear()
        self._suspects.clear()

    def _is_paused(self, rank: int, now: float) -> bool:
        return self._paused.get(rank, 0.0) > now

    def _pause(self, rank: int, seconds: float) -> None:
        """Leave a rank out for a while, then begin it anew."""
        self._paused[rank] = time.monotonic() + seconds
        self._window.drop_rank(rank)
        self._ahead.pop(rank, None)
        self._read_up_to.pop(rank, None)

    def _unanswered_room(self, link: Link) -> int:
        """How many more messages the broker takes before it answers; one by one where a message is suspected."""
        return (1 if self._suspects else link.receive_maximum) - len(self._unanswered)

    def _next(self, rank: int, limit: int) -> Row | None:
        """The next message of a rank that is not yet under way."""
        ahead = self._ahead.setdefault(rank, deque())
        limit = min(limit, FETCH.get(rank, BURST))
        if not ahead:
            if rank <= URGENT:
                ahead.extend(self._outbox.fetch_newest(rank, self._window.known(rank), limit))
            else:
                ahead.extend(self._outbox.fetch(rank, self._read_up_to.get(rank, 0), limit))
                if ahead:
                    self._read_up_to[rank] = ahead[-1].id
        return ahead.popleft() if ahead else None

    def _send_again(self, link: Link, number: int) -> int:
        row = self._outbox.fetch_one(number)
        if row is None:
            self._window.drop_gone(number)
            return 0
        self._publish(link, row)
        return 1

    def _publish(self, link: Link, row: Row) -> None:
        if len(row.payload) + len(row.properties) + PACKET_MARGIN > link.packet_maximum:
            self._window.drop(row)
            self._outbox.give_up(row, "too_large")
            return
        now = time.monotonic()
        patience = self._window.sending(row, now)
        retain = row.kind in RETAINED
        properties = message_properties(row, None if retain else patience)
        topic = self._topics.setdefault(row.kind, str(Topic(self._device, row.kind)))  # type: ignore[arg-type] # as it was put
        self._unanswered[link.publish(topic, dated(row), properties, retain=retain)] = row

    def _taken(self, mid: int, reason: int) -> None:
        """The broker has answered a PUBLISH."""
        row = self._unanswered.pop(mid, None)
        if row is not None:
            self._suspects.pop(row.id, None)
        if row is None or reason < 0x80:
            return
        if reason in FATAL:
            self._window.drop(row)
            self._outbox.give_up(row, "too_large" if reason == 0x95 else "refused")
        elif not self._is_paused(row.rank, time.monotonic()):
            log.error(
                "broker=%s refuses kind=%s reason=0x%02x: kept, tried again later", self._address, row.kind, reason
            )
            self._pause(row.rank, REFUSED_S if reason == NOT_AUTHORISED else BUSY_S)

    def _heard(self, topic: str, payload: bytes, content_type: str | None, properties: list[tuple[str, str]]) -> None:
        """Something was published to us."""
        try:
            body = decode(topic, payload, content_type, properties).body
        except BadMessage as error:
            log.error("bad_message topic=%s error=%s", topic, error)  # noqa: TRY400 - a line, not a trace
            return
        if isinstance(body, Config):
            self._on_config(body)
        elif isinstance(body, Command):
            self._on_command(body)
        elif isinstance(body, Mapping):
            self._window.stored(body, time.monotonic())
            self._outbox.acknowledge(body)
            if self._settled > 0.0:
                self._outbox.commit()  # what is stored is gone from the disk before anything is read from it
                self._settled = 0.0

    def _say_status(self, link: Link) -> None:
        if time.monotonic() >= self._status_due:
            self._publish_status(link, "online")
            self._status_due = time.monotonic() + self._pace.status_s

    def say_status_soon(self) -> None:
        """What the status says has changed. Safe from any thread."""
        self._status_due = 0.0
        self.wake()

    def _publish_status(self, link: Link, state: str) -> None:
        self._n += 1
        depth = self._outbox.depth()
        now = clock.wall()
        said = Status(
            state="online" if state == "online" else "offline",
            connection=self._connection,
            n=self._n,
            at=datetime.fromtimestamp(now, UTC) if now else None,
            outbox=status.Outbox(
                messages=depth.messages, bytes=depth.bytes, budget_bytes=depth.budget, oldest_at=depth.oldest
            ),
            streams=self._outbox.streams(),
            given_up=self._outbox.given_up(),
            config_refused=self.config_refused,
        )
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = JSON
        self._outbox.keep_announced()
        link.publish(self._topics["status"], to_json(said), properties, retain=True)

    def _send_frames(self, link: Link) -> None:
        while self._frames and not link.busy:
            jpeg, pairs = self._frames.popleft()
            properties = Properties(PacketTypes.PUBLISH)
            properties.ContentType = JPEG
            properties.UserProperty = list(pairs)
            link.publish(self._topics["frame"], jpeg, properties, qos=0)


def message_properties(row: Row, expiry: float | None) -> Properties:
    """What MQTT says beside the payload; `expiry` in seconds: by then it will have been sent again."""
    properties = Properties(PacketTypes.PUBLISH)
    properties.ContentType = row.content_type
    now = clock.wall()
    pairs = [("id", f"{row.stream}:{row.seq}")]
    if now is not None:
        pairs.append(("sent", datetime.fromtimestamp(now, UTC).isoformat().replace("+00:00", "Z")))
    properties.UserProperty = pairs + row.pairs()
    if expiry is not None:
        properties.MessageExpiryInterval = max(1, round(expiry + 0.5))
    return properties


def dated(row: Row) -> bytes:
    """The payload; readings taken before the clock was set get the time that can be told by now.

    A SenML base record in front says when: absolute if the clock has been set since, else how long ago.
    """
    moment = row.moment()
    if moment is None:
        return row.payload
    waited = clock.since(moment)
    if waited is None:
        return row.payload
    now = clock.wall()
    base = -waited if now is None else now - waited
    return b'[{"bt":%.3f},' % base + row.payload[1:]
