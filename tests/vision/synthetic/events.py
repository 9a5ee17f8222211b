"""What goes wrong on the made-up road: each plan is put to the traffic, watched, and written down as truth."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from tests.vision.synthetic.traffic import LENGTH, LIMIT, Mover, Road, Script
from vision.tracking.boxes import CAR, MOTORCYCLE, PERSON

Truth = dict[str, Any]
TTC_S: Final = 1.5
SCRIPTED: Final = ("pedestrian_on_road", "wrong_way", "speeding", "illegal_uturn")
KINDS: Final = (*SCRIPTED, "stopped_vehicle", "illegal_parking", "collision", "near_miss", "congestion", "short_stop")


@dataclass(slots=True)
class Event:
    """One incident under way."""

    kind: str
    actors: list[Mover]
    begun: float
    truth: Truth | None = None
    phase: int = 0
    until: float = 0.0
    lowest: float = 99.0
    done: bool = False


@dataclass(slots=True)
class Stage:
    """Puts events to the road between x = near and x = far, where the camera sees them."""

    road: Road
    near: float
    far: float
    events: list[Event] = field(default_factory=list)
    truths: list[tuple[Truth, list[int]]] = field(default_factory=list)

    def begin(self, kind: str) -> bool:
        """Start one; False where the traffic has nobody for it now."""
        event = _MAKERS[kind](self) if kind in _MAKERS else self._scripted(kind)
        if event is None:
            return False
        self.events.append(event)
        return True

    def step(self) -> None:
        """Watch what is under way."""
        for event in self.events:
            if not event.done:
                _WATCHERS.get(event.kind, _watch_script)(self, event)
        self.events = [event for event in self.events if not event.done]

    def finish(self) -> None:
        """The end of the run."""
        for event in self.events:
            if event.truth is not None:
                event.truth["end"] = round(self.road.now, 1)

    def note(self, event: Event, mover: Mover) -> None:
        """It has begun."""
        x, y = mover.place
        event.truth = {
            "type": event.kind,
            "start": round(self.road.now, 1),
            "end": round(self.road.now, 1),
            "x": x,
            "y": y,
        }
        self.truths.append((event.truth, [m.number for m in event.actors]))

    def _scripted(self, kind: str) -> Event:
        r, road = self.road.random, self.road
        x0, x1 = self.near - 15, min(self.far + 15, LENGTH - 5)
        if kind == "pedestrian_on_road":
            x, side = r.uniform(self.near + 12, self.far - 15), r.choice((-1, 1))
            actor = self._script(PERSON, [(x, 9.0 * side), (x + r.uniform(-3, 3), -9.0 * side)], r.uniform(0.9, 1.6))
        elif kind == "wrong_way":
            klass, way = int(r.choice((MOTORCYCLE, MOTORCYCLE, CAR))), r.choice((-1, 1))
            y = float(r.uniform(5.0, 6.2))
            points = [(x1, -y), (x0, -y)] if way < 0 else [(x0, y), (x1, y)]
            actor = self._script(klass, points, r.uniform(4, 9))
        elif kind == "speeding":
            way = r.choice((-1, 1))
            points = [(x0, -1.2), (x1, -1.2)] if way > 0 else [(x1, 1.2), (x0, 1.2)]
            actor = self._script(int(r.choice((MOTORCYCLE, CAR))), points, LIMIT * r.uniform(1.35, 1.8))
        else:
            xm, radius = (self.near + self.far) / 2 - 5, r.uniform(2.2, 3.5)
            way = r.choice((-1, 1))
            turn = [(xm + way * radius * np.sin(a), -way * radius * np.cos(a)) for a in np.linspace(0, np.pi, 15)]
            start, end = (x0 if way > 0 else x1), (x0 if way > 0 else x1)
            actor = self._script(
                int(r.choice((MOTORCYCLE, CAR))), [(start, turn[0][1]), *turn, (end, turn[-1][1])], r.uniform(3.5, 5.5)
            )
        return Event(kind=kind, actors=[actor], begun=road.now)

    def _script(self, klass: int, points: list[tuple[float, float]], speed: float) -> Mover:
        way = 1 if points[-1][0] >= points[0][0] else -1
        x, y = points[0]
        return self.road.add(klass, way, x if way > 0 else LENGTH - x, y, speed, speed, script=Script(points, speed))

    def pick(self, fits: Callable[[Mover], bool]) -> Mover | None:
        """Somebody in the first half of the view."""
        busy = {m.number for event in self.events for m in event.actors}
        third = (self.far - self.near) / 2
        ok = []
        for m in self.road.movers:
            since = m.place[0] - self.near if m.way > 0 else self.far - m.place[0]
            if not m.script and m.number not in busy and 0 < since < third and m.v > 5 and fits(m):
                ok.append(m)
        return ok[int(self.road.random.integers(len(ok)))] if ok else None


def _watch_script(stage: Stage, event: Event) -> None:
    (actor,) = event.actors
    y, now = actor.place[1], stage.road.now
    assert actor.script is not None
    on = actor in stage.road.movers
    if event.kind == "pedestrian_on_road":
        active = abs(y) < 7.0
    elif event.kind == "illegal_uturn":
        active = abs(actor.heading[0]) < 0.98 and abs(y) < 4
    else:
        active = True
    if event.truth is None and active:
        stage.note(event, actor)
    if event.truth is not None and active and on:
        event.truth["end"] = round(now, 1)
    event.done = not on


def _halt(kind: str, seconds: tuple[float, float]) -> Callable[[Stage], Event | None]:
    def make(stage: Stage) -> Event | None:
        parks = kind == "illegal_parking"
        actor = stage.pick(
            lambda m: (
                m.klass in ((CAR,) if parks else (CAR, MOTORCYCLE)) and (not parks or (m.way > 0 and abs(m.y) > 3.5))
            )
        )
        if actor is None:
            return None
        actor.halt = actor.s + actor.v**2 / 4 + 12
        event = Event(kind=kind, actors=[actor], begun=stage.road.now)
        event.until = float(stage.road.random.uniform(*seconds))
        actor.until = stage.road.now + 999
        return event

    return make


def _watch_halt(stage: Stage, event: Event) -> None:
    (actor,) = event.actors
    now = stage.road.now
    if event.truth is None:
        if actor.v < 0.1 and actor.halt is not None and abs(actor.s - actor.halt) < 6:
            stage.note(event, actor)
            actor.until = now + event.until
        event.done = now - event.begun > 40
        return
    event.truth["end"] = round(now, 1)
    event.done = actor.v > 0.5 or actor not in stage.road.movers


def _pair(kind: str) -> Callable[[Stage], Event | None]:
    def make(stage: Stage) -> Event | None:
        followers: dict[int, Mover] = {}

        def has_follower(m: Mover) -> bool:
            behind = [
                o
                for o in stage.road.movers
                if o.way == m.way and not o.script and abs(o.y - m.y) < 0.7 and 3 < m.s - o.s < 22 and o.v > 6
            ]
            if behind and m.klass in (CAR, MOTORCYCLE):
                followers[m.number] = max(behind, key=lambda o: o.s)
            return m.number in followers

        leader = stage.pick(has_follower)
        if leader is None:
            return None
        follower = followers[leader.number]
        leader.brake, follower.blind = float(stage.road.random.uniform(6.0, 8.0)), True
        return Event(kind=kind, actors=[leader, follower], begun=stage.road.now)

    return make


def _watch_pair(stage: Stage, event: Event) -> None:
    leader, follower = event.actors
    now = stage.road.now
    gap = leader.s - follower.s - (leader.length + follower.length) / 2
    closing = follower.v - leader.v
    if event.phase == 0 and gap <= 0.1 and closing > 0:
        _touch(stage, event)
    elif event.phase == 0:
        _approach(stage, event, max(gap, 0) / closing if closing > 0.5 else 99.0)
        event.done = now - event.begun > 8 or follower.v < 0.2
        if event.done:
            _release(leader, follower)
    elif now > event.until:
        event.done = True
        stage.road.movers = [m for m in stage.road.movers if m not in (leader, follower)]
    if event.truth is not None and event.phase == 1:
        event.truth["end"] = round(now, 1)


def _touch(stage: Stage, event: Event) -> None:
    """They meet, and stay where they come to rest."""
    leader, follower = event.actors
    now = stage.road.now
    event.kind, event.phase, event.until = "collision", 1, now + float(stage.road.random.uniform(35, 80))
    follower.brake, follower.v, leader.brake = 9.0, min(follower.v, 4.0), 9.0
    if event.truth is None:
        stage.note(event, leader)
    assert event.truth is not None
    event.truth.update(type="collision", start=round(now, 1))


def _approach(stage: Stage, event: Event, time: float) -> None:
    """The follower of a near miss brakes at the last moment; that of a collision does not."""
    leader, follower = event.actors
    if event.kind != "near_miss":
        return
    if time < TTC_S:
        if event.truth is None:
            stage.note(event, leader)
        assert event.truth is not None
        event.truth["end"] = round(stage.road.now, 1)
    if time < TTC_S - 0.2:
        follower.brake = 9.0
    if leader.v < 1.0:
        leader.brake = None


def _release(*movers: Mover) -> None:
    for mover in movers:
        mover.brake, mover.blind = None, False


def _congest(stage: Stage) -> Event | None:
    road = stage.road
    way = int(road.random.choice((-1, 1)))
    end = (stage.far - 5) if way > 0 else LENGTH - stage.near - 12
    road.slow = (
        way,
        end - 60,
        end,
        float(road.random.uniform(0.6, 1.2)),
        road.now + float(road.random.uniform(80, 130)),
    )
    return Event(kind="jam", actors=[], begun=road.now)


def _watch_jam(stage: Stage, event: Event) -> None:
    event.done = stage.road.slow is None or stage.road.now > stage.road.slow[4]


_MAKERS: Final[dict[str, Callable[[Stage], Event | None]]] = {
    "stopped_vehicle": _halt("stopped_vehicle", (25, 80)), "illegal_parking": _halt("illegal_parking", (80, 120)),
    "short_stop": _halt("short_stop", (3, 7)), "collision": _pair("collision"), "near_miss": _pair("near_miss"),
    "congestion": _congest,
}  # fmt: skip
_WATCHERS: Final[dict[str, Callable[[Stage, Event], None]]] = {
    "stopped_vehicle": _watch_halt, "illegal_parking": _watch_halt, "short_stop": _watch_halt,
    "collision": _watch_pair, "near_miss": _watch_pair, "jam": _watch_jam,
}  # fmt: skip


@dataclass(slots=True)
class Jams:
    """Congestion by its definition: 6 vehicles or more on 60 m of a carriageway, under 10 km/h, for 30 s."""

    open: dict[tuple[int, float], tuple[float, float]] = field(default_factory=dict)
    found: list[Truth] = field(default_factory=list)

    def step(self, road: Road, near: float, far: float) -> None:
        """Once a second."""
        for way in (1, -1):
            cars = [m for m in road.movers if m.way == way and m.klass != PERSON and not m.script]
            for x in np.arange(near, max(far - 60, near) + 1, 10.0):
                group = [m.v for m in cars if x <= m.place[0] <= x + 60]
                key = way, float(x)
                if len(group) >= 6 and np.mean(group) < 10 / 3.6:
                    self.open[key] = self.open.get(key, (road.now, 0.0))[0], road.now
                elif key in self.open:
                    self._close(key)

    def finish(self) -> list[Truth]:
        """One truth a carriageway and jam."""
        for key in list(self.open):
            self._close(key)
        return self.found

    def _close(self, key: tuple[int, float]) -> None:
        (way, x), (start, end) = key, self.open.pop(key)
        if end - start < 30.0:
            return
        for one in self.found:
            if one["way"] == way and one["start"] <= end + 5 and start <= one["end"] + 5:
                low, high = one["x_range"]
                one.update(
                    start=min(one["start"], start), end=max(one["end"], end), x_range=[min(low, x), max(high, x + 60)]
                )
                return
        self.found.append({"type": "congestion", "way": way, "start": round(start, 1), "end": round(end, 1),
                           "x": x + 30, "y": -3.5 * way, "x_range": [x, x + 60]})  # fmt: skip
