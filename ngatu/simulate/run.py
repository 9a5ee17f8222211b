"""The simulation: live, each device in its turn; or days gone by, as fast as they are stored."""

import heapq
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from threading import Event
from typing import Any, Final

from ingest.consumer import BrokerAddress
from ngatu.simulate.device import Device, Said
from ngatu.simulate.outgoing import Outgoing
from ngatu.simulate.town import TownPlan, make_town
from ngatu.simulate.uplink import Uplink

log: Final = logging.getLogger(__name__)

STATUS_S: Final = 30.0
MOST_OF_THE_PAST: Final = 1000  # messages under way: more would only wait longer
STEP_S: Final = 3600.0  # of history: what one message holds
PATIENCE_S: Final = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class RunPlan:
    """How long, how fast, how much at once."""

    seconds: float = 60.0  # live
    history_days: float = 0.0  # before that
    history_period_s: float = 300.0  # between two readings of a device in the past
    batch_s: float = 2.0  # between two messages of a device
    window: int = 5000  # messages sent and not stored
    drain_s: float = 60.0  # at the end, for what is not stored yet


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """What the run came to."""

    devices: int
    ailing: dict[str, int]
    seconds: float
    messages: int
    readings: int
    by_kind: dict[str, int]
    acknowledged: int
    sent_again: int
    given_up: int
    overwritten: int  # readings
    unacknowledged: int

    @property
    def good(self) -> bool:
        """Whether all that was measured is stored, but for what drop-outs swallow."""
        return self.unacknowledged == self.given_up == self.overwritten == 0


class Simulation:
    """A town that talks to a broker."""

    def __init__(self, broker: BrokerAddress, town: TownPlan, plan: RunPlan) -> None:
        """Connect.

        Raises:
            BadCity: the city can't be used.
        """
        self._town, self._plan = town, plan
        self._began = time.time()
        self.devices = make_town(town, self._began)
        offsets = {device.site.name: device.site.trouble.offset_s for device in self.devices}
        self._outgoing = Outgoing(plan.window)
        self._uplink = Uplink(broker, self._outgoing, lambda name: time.time() + offsets[name])

    def run(self, stop: Event) -> Summary:
        """Introduce the devices, fill the past, live, and wait until all is stored or patience ends.

        Raises:
            TimeoutError: no broker let us in.
        """
        try:
            if not self._uplink.ready.wait(30):
                raise TimeoutError("no broker let us in within 30 s: check its address, and the user's ACL")
            for device in self.devices:
                self._wait_for_room(stop)
                self._say(device, [device.about(time.time())])
            if self._plan.history_days:
                self._past(stop)
            self._live(stop)
            self._end(stop)
        finally:
            self._uplink.close()
        return self._summary()

    def _past(self, stop: Event) -> None:
        """Devices of their own, at the same places and of the same names, from days ago until the run began."""
        start = self._began - self._plan.history_days * 86_400
        slow = TownPlan(**asdict(self._town) | {"rate": 1 / self._plan.history_period_s})
        devices, at = make_town(slow, start), start
        while at < self._began and not stop.is_set():
            at = min(at + STEP_S, self._began)
            for device in devices:
                self._wait_for_room(stop)
                self._say(device, device.speak(at))
            log.info("history hours_left=%.0f waiting=%d", (self._began - at) / 3600, len(self._outgoing))
        for device in devices:
            self._wait_for_room(stop)
            self._say(device, device.finish(self._began))

    def _live(self, stop: Event) -> None:
        now = time.time()
        until = now + self._plan.seconds
        share = self._plan.batch_s / max(1, len(self.devices))
        turns = [(now + i * share, i) for i in range(len(self.devices))]
        statuses = [(now + i * STATUS_S / max(1, len(self.devices)), i) for i in range(len(self.devices))]
        while (now := time.time()) < until and not stop.is_set():
            self._take_turns(turns, now, self._plan.batch_s, self._speak)
            self._take_turns(statuses, now, STATUS_S, lambda device: self._uplink.say_status(device.site.name))
            self._uplink.send_again()
            next_due = min([turns[0][0], statuses[0][0], until] if turns else [until])
            stop.wait(min(max(next_due - time.time(), 0.0), PATIENCE_S))

    def _speak(self, device: Device) -> None:
        """Let a device say what it has; where too much waits to be stored, it keeps that until its next turn."""
        if self._outgoing.is_at_ease:
            self._say(device, device.speak(time.time()))

    def _take_turns(
        self, turns: list[tuple[float, int]], now: float, period: float, act: Callable[[Device], None]
    ) -> None:
        """Let all act whose time has come; one that comes late does not hurry after."""
        while turns and turns[0][0] <= now:
            due, index = turns[0]
            act(self.devices[index])
            heapq.heapreplace(turns, (max(due + period, now), index))

    def _end(self, stop: Event) -> None:
        now, deadline = time.time(), time.monotonic() + self._plan.drain_s
        for device in self.devices:
            while not self._outgoing.is_at_ease and time.monotonic() < deadline and not stop.is_set():
                self._uplink.send_again()
                stop.wait(PATIENCE_S)
            self._say(device, [*(device.speak(now) if self._plan.seconds else ()), *device.finish(now)])
        while len(self._outgoing) and time.monotonic() < deadline and not stop.is_set():
            self._uplink.send_again()
            stop.wait(PATIENCE_S)
        for device in self.devices:
            self._uplink.say_status(device.site.name, "offline")

    def _say(self, device: Device, messages: Iterable[Said]) -> None:
        for said in messages:
            with self._uplink.lock:
                at = max(0.0, device.clock(time.time()))
                sent = self._outgoing.number(device.site.name, said.kind, said.payload, at, said.readings)
            if sent is not None:
                self._uplink.send(sent)

    def _wait_for_room(self, stop: Event) -> None:
        """The past can wait for the database; the present can't. A device says up to 100 things at once."""
        while len(self._outgoing) > min(self._plan.window // 2, MOST_OF_THE_PAST) and not stop.is_set():
            self._uplink.send_again()
            stop.wait(PATIENCE_S)

    def _summary(self) -> Summary:
        tally: dict[str, Any] = asdict(self._outgoing.tally)
        ailing = Counter(device.site.trouble.kind for device in self.devices)
        return Summary(
            devices=len(self.devices),
            ailing={kind: count for kind, count in sorted(ailing.items()) if kind != "none"},
            seconds=round(time.time() - self._began, 3),
            overwritten=sum(device.overwritten for device in self.devices),
            unacknowledged=len(self._outgoing),
            **tally,
        )
