"""Vehicles on a straight arterial of 2x2 lanes: they follow, overtake, queue, and some do what they must not.

The follower is the intelligent driver model (Treiber 2000); motorcycles keep to no lane and filter where there is room.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from vision.tracking.boxes import BUS, CAR, MOTORCYCLE, PERSON, TRUCK

LENGTH: Final = 420.0  # metres of road, x from 0
STEP: Final = 0.1
LIMIT: Final = 13.89
SIZE: Final = {  # length, width, height
    PERSON: (0.5, 0.5, 1.65), CAR: (4.4, 1.8, 1.5), MOTORCYCLE: (1.9, 0.7, 1.6), BUS: (11.0, 2.5, 3.2),
    TRUCK: (7.0, 2.3, 2.8),
}  # fmt: skip
MIX: Final = ((MOTORCYCLE, 0.7), (CAR, 0.22), (TRUCK, 0.04), (BUS, 0.04))
COMFORT, MINIMUM_GAP, HEADWAY = 2.0, 1.5, 1.1


@dataclass(slots=True)
class Mover:
    """Something on the road; s runs along its own way of driving, y is metres left of the middle line."""

    number: int
    klass: int
    way: int  # +1 drives to larger x, -1 back
    s: float
    y: float
    v: float
    wish: float
    lane_y: float
    halt: float | None = None  # a place at which to stop
    until: float = 0.0  # and until when
    blind: bool = False  # does not see who is in front: how rear-end collisions begin
    brake: float | None = None  # a braking that it is put to, m/s²
    script: "Script | None" = None
    rests: float = 0.0

    @property
    def length(self) -> float:
        """Metres."""
        return SIZE[self.klass][0]

    @property
    def place(self) -> tuple[float, float]:
        """(x, y) on the road."""
        return (self.s if self.way > 0 else LENGTH - self.s), self.y

    @property
    def heading(self) -> tuple[float, float]:
        """Unit vector that it faces along."""
        return self.script.heading if self.script else (float(self.way), 0.0)


@dataclass(slots=True)
class Script:
    """A path on rails: corners, driven at a constant speed."""

    points: list[tuple[float, float]]
    speed: float
    gone: float = 0.0
    heading: tuple[float, float] = (1.0, 0.0)

    def step(self, mover: Mover) -> bool:
        """Move on; False at the end."""
        self.gone += self.speed * STEP
        rest = self.gone
        for (x1, y1), (x2, y2) in zip(self.points, self.points[1:], strict=False):
            long = float(np.hypot(x2 - x1, y2 - y1))
            if rest <= long:
                share = rest / long
                x, y = x1 + share * (x2 - x1), y1 + share * (y2 - y1)
                self.heading = ((x2 - x1) / long, (y2 - y1) / long)
                mover.s, mover.y, mover.v = (x if mover.way > 0 else LENGTH - x), y, self.speed
                return True
            rest -= long
        return False


@dataclass(slots=True)
class Road:
    """The road and all that is on it, advanced by STEP seconds."""

    random: np.random.Generator
    per_hour: float
    light: float | None = None  # x of a stop line of the +1 way
    cycle: tuple[float, float] = (30.0, 25.0)  # green, red
    bus_stop: float | None = None
    now: float = 0.0
    movers: list[Mover] = field(default_factory=list)
    slow: tuple[float, float, float, float, float] | None = None  # way, from s, to s, speed, until
    count: int = 0
    served: set[int] = field(default_factory=set)

    def step(self) -> None:
        """One step of everybody."""
        self.now += STEP
        for way in (1, -1):
            if self.random.random() < self.per_hour / 2 / 3600 * STEP:
                self._enter(way)
        scripted = [m for m in self.movers if m.script and not m.script.step(m)]
        accelerations = {m.number: self._acceleration(m) for m in self.movers if not m.script}
        for m in self.movers:
            if m.script:
                continue
            a = accelerations[m.number]
            v = max(m.v + a * STEP, 0.0)
            m.s += (m.v + v) / 2 * STEP
            m.v = v
            m.rests = m.rests + STEP if v < 0.1 else 0.0
            self._aside(m)
        self.movers = [m for m in self.movers if m.s < LENGTH and m not in scripted]

    def _enter(self, way: int) -> None:
        klass = int(self.random.choice([k for k, _ in MIX], p=[p for _, p in MIX]))
        lane_y = float(self.random.choice((1.75, 5.25)))
        y = lane_y + (self.random.uniform(-1.2, 1.2) if klass == MOTORCYCLE else self.random.normal(0, 0.15))
        if klass in (BUS, TRUCK):
            y = lane_y = 5.25
        y, lane_y = (-y, -lane_y) if way > 0 else (y, lane_y)
        if any(m.way == way and m.s < 14 and abs(m.y - y) < 2 for m in self.movers):
            return
        wish = float(np.clip(self.random.normal(0.82, 0.1), 0.5, 1.02)) * LIMIT
        self.add(klass, way, 0.0, y, wish * 0.9, wish, lane_y=lane_y)

    def add(self, klass: int, way: int, s: float, y: float, v: float, wish: float, *, lane_y: float | None = None,
            script: Script | None = None) -> Mover:  # fmt: skip
        """Put somebody on the road."""
        self.count += 1
        mover = Mover(number=self.count, klass=klass, way=way, s=s, y=y, v=v, wish=wish,
                      lane_y=y if lane_y is None else lane_y, script=script)  # fmt: skip
        self.movers.append(mover)
        return mover

    def _acceleration(self, m: Mover) -> float:
        if m.brake is not None:
            return -m.brake
        wish = m.wish
        if self.slow and self.slow[0] == m.way and self.slow[1] < m.s < self.slow[2] and self.now < self.slow[4]:
            wish = min(wish, self.slow[3])
        gap, closing = self._ahead(m)
        free = 1 - (m.v / wish) ** 4
        desired = MINIMUM_GAP + max(m.v * HEADWAY + m.v * closing / (2 * np.sqrt(1.5 * COMFORT)), 0.0)
        return float(np.clip(1.5 * (free - (desired / max(gap, 0.1)) ** 2), -6.0, 2.5))

    def _ahead(self, m: Mover) -> tuple[float, float]:
        """Free metres in front, and how fast they shrink."""
        gap, closing = 200.0, 0.0
        for at in self._stops(m):
            g = at - m.s - m.length / 2
            if -3 < g < gap:
                gap, closing = max(g, 0.1), m.v
        for o in () if m.blind else self.movers:
            if o is m:
                continue
            across = o.klass == PERSON or (o.script is not None and o.way != m.way)
            g, c = _before(m, o) if across else _same_way(m, o)
            if g < gap:
                gap, closing = max(g, 0.1), c
        return gap, closing

    def _stops(self, m: Mover) -> list[float]:
        """Where it must stop."""
        stops = []
        if m.halt is not None and self.now < m.until:
            stops.append(m.halt + 0.5)
        if self.light is not None and m.way > 0 and self._is_red() and m.s < self.light:
            need = self.light - m.s
            if m.v * m.v / 2 / max(need, 0.1) < 4.5:  # who cannot stop any more drives on
                stops.append(self.light + 1.0)
        if m.klass == BUS and m.way > 0 and self.bus_stop is not None and m.number not in self.served:
            if m.rests > 15.0:
                self.served.add(m.number)
            elif m.s < self.bus_stop + 3:
                stops.append(self.bus_stop + 1.5)
        return stops

    def _is_red(self) -> bool:
        return self.now % sum(self.cycle) > self.cycle[0]

    def _aside(self, m: Mover) -> None:
        """Motorcycles and cars go round what stands or crawls, where there is room beside it."""
        halts = m.halt is not None and m.s > m.halt - 30
        if m.blind or m.brake is not None or halts or (m.v < 0.5 and m.klass != MOTORCYCLE):
            return
        gap, _ = self._ahead(m)
        if gap < 25 and m.v < 0.8 * m.wish and m.klass != BUS:
            lanes = np.arange(1.0, 6.3, 0.9) if m.klass == MOTORCYCLE else np.array([1.75, 5.25])
            sides = [y for y in -m.way * lanes if 0.3 <= abs(y - m.y) <= 4.0]
            rooms = [self._room(m, float(y)) for y in sides]
            if rooms and max(rooms) > gap + 12.0:
                m.lane_y = float(sides[int(np.argmax(rooms))])
        reach = min(1.0, 0.25 * m.v) * STEP
        m.y += float(np.clip(m.lane_y - m.y, -reach, reach))

    def _room(self, m: Mover, y: float) -> float:
        room = 60.0
        low, high = sorted((m.y, y))
        for o in self.movers:
            if o is m or o.way != m.way:
                continue
            width = (SIZE[o.klass][1] + SIZE[m.klass][1]) / 2 + 0.3
            if low - width < o.y < high + width and -9 - max(o.v - m.v, 0) * 3 < o.s - m.s < 2:
                return 0.0
            if abs(o.y - y) < width and o.s > m.s:
                room = min(room, o.s - m.s - 5)
        return room


def _before(m: Mover, o: Mover) -> tuple[float, float]:
    """Free metres to somebody who crosses or comes against it, and how fast they shrink; far where not in the way."""
    ahead = (o.place[0] - m.place[0]) * m.way
    seen = abs(o.y - m.y) < (2.2 if o.klass == PERSON else 1.2) and 0 < ahead < 40
    return (ahead - m.length / 2 - 1.0, m.v) if seen else (999.0, 0.0)


def _same_way(m: Mover, o: Mover) -> tuple[float, float]:
    """The same to somebody in front."""
    ahead = o.s - m.s
    width = (SIZE[o.klass][1] + SIZE[m.klass][1]) / 2 + (0.25 if m.klass == MOTORCYCLE else 0.35)
    seen = o.way == m.way and 0 < ahead < 80 and abs(o.y - m.y) < width
    return (ahead - (m.length + o.length) / 2, m.v - o.v) if seen else (999.0, 0.0)
