"""Whether a camera can be trusted: frozen, dark, blurred, covered, moved, silent, or at the wrong time."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from events.health import Condition, Health
from events.incident import Why
from vision.evidence import aware
from vision.frames.frame import Frame
from vision.frames.source import CLOCK_SECONDS
from vision.ulids import ulid_of
from vision.view import Features, Measures, View, features_of

LOOK_SECONDS: Final = 1.0
LEARN_LOOKS: Final = 10  # before anything is judged
RAISE_SECONDS: Final = 10.0  # a bus before the lens, or a gust, is over by then
CLEAR_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 10.0
DARK: Final = 40.0  # of 255; video black is 16 (ITU-R BT.601): even the brightest lamp is nearly that
DARK_OVER: Final = 55.0
FLAT: Final = 0.25  # of the usual contrast: hardly any structure is left
LOST: Final = 0.4  # of the textured parts
SHARP: Final = 0.45  # of the usual fine structure
ALIKE: Final = 0.7  # correlation of the coarse structure that a blurred lens leaves
OTHER_VIEW: Final = 0.5  # correlation of edges: the same view keeps 0.8 in rain of pixels, another has 0.35 at most
SHIFTED: Final = 0.015  # of the width: by so much, places on the road are off by a metre at 60 m
SHIFT_SURE: Final = 0.3


@dataclass(slots=True)
class _Trouble:
    """A condition that was seen: since when, when last, and the fact once it was raised."""

    since: float
    last: float
    why: dict[str, Why]
    raised: Health | None = None


class HealthWatch:
    """One camera's health. Event time only; `live` sources can also be frozen or silent."""

    def __init__(self, camera: str, *, live: bool) -> None:
        self._camera = camera
        self._live = live
        self._view = View()
        self._looks = 0
        self._looked = -np.inf
        self._troubles: dict[Condition, _Trouble] = {}
        self._last = np.empty((0, 0), np.uint8)
        self._last_at: float | None = None
        self._same_since: float | None = None

    @property
    def well(self) -> bool:
        """Whether nothing is raised."""
        return all(trouble.raised is None for trouble in self._troubles.values())

    @property
    def in_doubt(self) -> bool:
        """Whether something looks wrong that has not lasted long enough to be said."""
        return any(trouble.raised is None for trouble in self._troubles.values())

    @property
    def unwell_since(self) -> float | None:
        """When the first of what is raised began, POSIX seconds."""
        return min((trouble.since for trouble in self._troubles.values() if trouble.raised), default=None)

    def see(self, frame: Frame) -> list[Health]:
        """What `frame` changes."""
        at, self._last_at = frame.at, frame.at
        if at - self._looked < LOOK_SECONDS:
            return []
        self._looked = at
        now = features_of(frame.image)
        found = self._find(frame, now)
        facts = [fact for condition, why in found.items() for fact in self._saw(condition, at, why)]
        facts += [
            fact for condition in list(self._troubles) if condition not in found for fact in self._gone(condition, at)
        ]
        if not self._troubles:
            self._view.learn(now)
            self._looks += 1
        return facts

    def silence(self, now: float) -> list[Health]:
        """Time passed without a frame; `now` in POSIX seconds."""
        if self._last_at is None:
            self._last_at = now
        if not self._live or now - self._last_at < SILENT_SECONDS or "no_signal" in self._troubles:
            return []
        trouble = _Trouble(since=self._last_at, last=now, why={"seconds": round(now - self._last_at, 1)})
        self._troubles["no_signal"] = trouble
        return [self._raise("no_signal", trouble)]

    def _find(self, frame: Frame, now: Features) -> dict[Condition, dict[str, Why]]:
        found: dict[Condition, dict[str, Why]] = {}
        frozen = self._frozen(frame)
        if frozen is not None:
            found["frozen"] = {"seconds": round(frozen, 1)}
        if abs(frame.clock_off) > CLOCK_SECONDS:
            found["wrong_clock"] = {"seconds_behind": round(frame.clock_off, 1)}
        measures = self._view.compare(now) if self._looks >= LEARN_LOOKS else None
        if measures is None:
            if frame.luma.size and float(np.percentile(frame.luma, 98)) < DARK:
                found["dark"] = {"brightness": round(float(np.percentile(frame.luma, 98)), 1)}
            elif self._looks < LEARN_LOOKS:
                self._view.learn(now)
            return found
        judged = judge(measures, dark_limit=DARK_OVER if "dark" in self._troubles else DARK)
        return found if judged is None else found | {judged[0]: judged[1]}

    def _frozen(self, frame: Frame) -> float | None:
        """For how long the picture has been the same to the last bit; None where it changes, as every sensor's does."""
        same = np.array_equal(self._last, frame.luma)
        self._last = frame.luma
        if not same or not self._live:
            self._same_since = None
            return None
        self._same_since = self._same_since or frame.at - LOOK_SECONDS
        return frame.at - self._same_since

    def _saw(self, condition: Condition, at: float, why: dict[str, Why]) -> list[Health]:
        trouble = self._troubles.setdefault(condition, _Trouble(since=at, last=at, why=why))
        trouble.last = at
        if trouble.raised is None and at - trouble.since >= RAISE_SECONDS:
            trouble.why = why
            return [self._raise(condition, trouble)]
        return []

    def _gone(self, condition: Condition, at: float) -> list[Health]:
        trouble = self._troubles[condition]
        if trouble.raised is None:
            del self._troubles[condition]
            return []
        if condition != "no_signal" and at - trouble.last < CLEAR_SECONDS:
            return []
        del self._troubles[condition]
        return [_cleared(trouble.raised, aware(at))]

    def _raise(self, condition: Condition, trouble: _Trouble) -> Health:
        trouble.raised = Health(
            id=ulid_of(trouble.since, self._camera, condition, "health"),
            rev=1,
            subject="camera",
            name=self._camera,
            condition=condition,
            state="raised",
            since=aware(trouble.since),
            why=trouble.why,
        )
        return trouble.raised


def judge(seen: Measures, *, dark_limit: float = DARK) -> tuple[Condition, dict[str, Why]] | None:
    """The one condition that explains what was measured; None for a healthy view."""
    if seen.bright < dark_limit:
        return "dark", {"brightness": round(seen.bright, 1)}
    if seen.contrast < FLAT or seen.lost >= LOST:
        return "covered", {"contrast": round(seen.contrast, 2), "lost": round(seen.lost, 2)}
    if seen.sharpness < SHARP and seen.coarse > ALIKE:
        return "blurred", {"sharpness": round(seen.sharpness, 2)}
    if seen.edges < OTHER_VIEW:
        return "moved", {"alike": round(seen.edges, 2)}
    if seen.shift >= SHIFTED and seen.shift_sure >= SHIFT_SURE:
        return "moved", {"shift": round(seen.shift, 3)}
    return None


def _cleared(raised: Health, at: datetime) -> Health:
    return Health(
        id=raised.id,
        rev=raised.rev + 1,
        subject=raised.subject,
        name=raised.name,
        condition=raised.condition,
        state="cleared",
        since=raised.since,
        until=at,
        why=raised.why,
    )
