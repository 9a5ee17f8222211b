"""Recorded input through the live line, as fast as it goes, and its alerts as plain records."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from events.incident import Incident
from events.traffic import TrafficMinute
from vision.line import Line, Told
from vision.road.ground import Array
from vision.road.scene import Scene

Alert = dict[str, Any]


def replay(scene: Scene, frames: Iterable[tuple[float, Array]], *, model: str | None = None) -> Iterator[Told]:
    """What the line tells about (seconds, boxes (n, 6)) frames, in the order in which it tells it."""
    line = Line(scene, model=model)
    for at, boxes in frames:
        yield from line.step(at, boxes)
    yield from line.finish()


def alerts_of(told: Iterable[Told], *, start: float = 0.0) -> list[Alert]:
    """One record an incident, as the scoring script reads it, with all its revisions.

    `type`, `t_alert`, `t_start` (seconds after `start`) and `x`, `y` (metres) are what the operator saw first, so more
    input never changes them; `kind` is what the incident was in the end.
    """
    revisions: dict[str, list[Incident]] = {}
    for fact in told:
        if isinstance(fact, Incident):
            revisions.setdefault(fact.id, []).append(fact)
    return [_alert(history, start) for history in revisions.values()]


def minutes_of(told: Iterable[Told]) -> list[TrafficMinute]:
    """The traffic counts among the facts."""
    return [fact for fact in told if isinstance(fact, TrafficMinute)]


def _alert(history: list[Incident], start: float) -> Alert:
    first = history[0]
    place = {"x": first.place.x, "y": first.place.y} if first.place.x is not None else {}
    return {
        "type": first.kind,
        "t_alert": round(first.decided_at.timestamp() - start, 3),
        "t_start": round(first.started_at.timestamp() - start, 3),
        **place,
        "kind": history[-1].kind,
        "revisions": msgspec.to_builtins(history),
    }
