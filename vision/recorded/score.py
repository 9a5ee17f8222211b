"""How good alerts are against truth: found, in time, and few false.

The measures: detection rate = found / judged incidents; false alarms a camera-hour; false share of all alerts (how the
UK's stopped vehicle detection is judged); mean time to detect from when an incident could be seen; S4 of the AI City
Challenge's track 4 (Naphade 2021), which is F1 times (1 - RMSE/300 s).
"""

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from events.incident import INCIDENT_KINDS
from vision.errors import VisionError

T = TypeVar("T")
BEFORE_S: Final = 2.0  # an alert may come this much before the truth begins,
AFTER_S: Final = 10.0  # and this much after it ended
RADIUS_M: Final = 20.0  # and may be this far from its place
SPREAD_M: Final = 60.0  # further for congestion, which has a length
AFTERMATH_S: Final = 60.0  # congestion behind a blocked lane is a true consequence of it
# What an alert may say of each truth beside its own name: the graver or milder word for the same event.
ACCEPTED: Final = {
    "collision": {"collision", "stopped_vehicle", "near_miss"},
    "near_miss": {"near_miss", "collision"},
    "stopped_vehicle": {"stopped_vehicle", "illegal_parking"},
    "illegal_parking": {"illegal_parking", "stopped_vehicle"},
    "debris": {"debris", "stopped_vehicle"},
}
MOVING: Final = {"wrong_way", "speeding", "illegal_uturn", "pedestrian_on_road"}
BLOCKING: Final = {"collision", "stopped_vehicle", "illegal_parking", "debris"}


class TruthIncident(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that truly happened (or, among negatives and ignored, that must not count)."""

    type: str
    start: float
    end: float
    id: str = ""
    x: float | None = None
    y: float | None = None
    x_range: tuple[float, float] | None = None
    evaluable: bool = True
    visible_from: float | None = None

    @property
    def visible(self) -> float:
        """When a camera could first tell."""
        return self.start if self.visible_from is None else self.visible_from


class Truth(msgspec.Struct, frozen=True, kw_only=True):
    """The truth of one run."""

    duration: float
    incidents: list[TruthIncident]
    negatives: list[TruthIncident] = []
    ignore: list[TruthIncident] = []
    camera: str = ""
    profile: str = ""


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One alert, as `ngatu vision replay` writes it; what else it carries is not looked at."""

    type: str
    t_alert: float
    t_start: float | None = None
    x: float | None = None
    y: float | None = None


@dataclass(slots=True)
class Tally:
    """What became of the truths of one kind."""

    judged: int = 0
    delays: list[float] = field(default_factory=list)  # seconds to detect, one an incident found


@dataclass(slots=True)
class Score:
    """The sum over any number of runs."""

    seconds: float = 0.0
    alerts: int = 0
    second_alarms: int = 0
    distractor_alarms: int = 0  # false ones at legal short stops
    kinds: dict[str, Tally] = field(default_factory=dict)
    false: Counter[str] = field(default_factory=Counter)
    onset_errors: list[float] = field(default_factory=list)

    @property
    def judged(self) -> int:
        """Incidents that a camera could see."""
        return sum(tally.judged for tally in self.kinds.values())

    @property
    def found(self) -> int:
        """Incidents that had an alert."""
        return sum(len(tally.delays) for tally in self.kinds.values())

    def summary(self) -> dict[str, object]:
        """The figures as plain values, rounded for people; None where there is nothing to divide by."""
        false, delays = self.false.total(), [d for tally in self.kinds.values() for d in tally.delays]
        precision, recall = self.found / max(1, self.found + false), self.found / max(1, self.judged)
        f1 = 2 * precision * recall / max(1e-9, precision + recall)
        rmse = math.sqrt(sum(e * e for e in self.onset_errors) / max(1, len(self.onset_errors)))
        return {
            "incidents": self.judged,
            "detected": self.found,
            "detection_rate": round(recall, 3) if self.judged else None,
            "alerts": self.alerts,
            "second_alarms": self.second_alarms,
            "second_alarm_share": round(self.second_alarms / max(1, self.alerts), 3),
            "false_alarms": false,
            "false_by_kind": dict(sorted(self.false.items())),
            "false_per_camera_hour": round(false / (self.seconds / 3600), 2) if self.seconds else None,
            "false_share": round(false / max(1, self.alerts), 3),
            "mean_time_to_detect_s": round(sum(delays) / len(delays), 1) if delays else None,
            "f1": round(f1, 3),
            "onset_rmse_s": round(rmse, 1),
            "s4": round(f1 * (1 - min(rmse, 300) / 300), 3),
            "distractor_alarms": self.distractor_alarms,
            "camera_hours": round(self.seconds / 3600, 3),
            "kinds": {
                kind: {"detected": len(t.delays), "incidents": t.judged, "delays_s": [round(d, 1) for d in t.delays]}
                for kind, t in sorted(self.kinds.items())
            },
        }


def read_truth(path: Path) -> Truth:
    """Read an incidents.json.

    Raises:
        VisionError: it is missing or something else.
    """
    return _read(path, Truth)


def read_alerts(path: Path) -> list[AlertRecord]:
    """Read alerts as `ngatu vision replay` writes them.

    Raises:
        VisionError: the file is missing or something else.
    """
    alerts = _read(path, list[AlertRecord])
    unknown = {alert.type for alert in alerts} - set(INCIDENT_KINDS)
    if unknown:
        raise VisionError(f"{path}: unknown type {min(unknown)!r}; use one of {', '.join(INCIDENT_KINDS)}")
    return alerts


def score(runs: Iterable[tuple[Truth, list[AlertRecord]]]) -> Score:
    """Judge alerts against truth, run by run, into one sum."""
    total = Score()
    for truth, alerts in runs:
        _judge(truth, sorted(alerts, key=lambda alert: alert.t_alert), total)
    return total


def _judge(truth: Truth, alerts: list[AlertRecord], total: Score) -> None:
    total.seconds += truth.duration
    total.alerts += len(alerts)
    judged = [incident for incident in truth.incidents if incident.evaluable]
    hits: dict[int, AlertRecord] = {}
    for alert in alerts:
        fitting = [n for n, incident in enumerate(judged) if _fits(alert, incident)]
        if fitting:
            n = min(fitting, key=lambda n: (n in hits, abs(alert.t_alert - judged[n].start)))
            total.second_alarms += n in hits
            hits.setdefault(n, alert)
        elif not _is_excused(alert, truth):
            total.false[alert.type] += 1
            total.distractor_alarms += _is_distracted(alert, truth)
    for n, incident in enumerate(judged):
        tally = total.kinds.setdefault(incident.type, Tally())
        tally.judged += 1
        if hit := hits.get(n):
            tally.delays.append(max(0.0, hit.t_alert - max(incident.start, incident.visible)))
            total.onset_errors.append((hit.t_alert if hit.t_start is None else hit.t_start) - incident.start)


def _fits(alert: AlertRecord, incident: TruthIncident) -> bool:
    if alert.type not in ACCEPTED.get(incident.type, {incident.type}):
        return False
    earliest = min(incident.start, incident.visible_from or incident.start) - BEFORE_S
    if not earliest <= alert.t_alert <= incident.end + AFTER_S:
        return False
    if alert.x is None or alert.y is None:
        return True
    if incident.x_range:
        reach = SPREAD_M + RADIUS_M
        return incident.x_range[0] - reach <= alert.x <= incident.x_range[1] + reach
    if incident.type in MOVING or incident.x is None or incident.y is None:
        return True
    return math.hypot(alert.x - incident.x, alert.y - incident.y) <= RADIUS_M


def _is_excused(alert: AlertRecord, truth: Truth) -> bool:
    """Right, but not judged: outside the view, an unplanned contact, or the jam that a blocked lane leaves."""
    if any(_fits(alert, incident) for incident in truth.incidents if not incident.evaluable):
        return True
    if alert.type in {"collision", "near_miss"}:
        return any(other.start - BEFORE_S <= alert.t_alert <= other.end + AFTER_S for other in truth.ignore)
    return alert.type == "congestion" and any(
        incident.start - BEFORE_S <= alert.t_alert <= incident.end + AFTERMATH_S
        for incident in truth.incidents
        if incident.type in BLOCKING
    )


def _is_distracted(alert: AlertRecord, truth: Truth) -> bool:
    return alert.type in {"stopped_vehicle", "illegal_parking"} and any(
        stop.start <= alert.t_alert <= stop.end + AFTER_S for stop in truth.negatives
    )


def _read(path: Path, shape: type[T]) -> T:
    try:
        return msgspec.json.decode(path.read_bytes(), type=shape)
    except OSError as error:
        raise VisionError(f"{path}: {error.strerror or error}; name a file that exists") from error
    except msgspec.DecodeError as error:
        raise VisionError(f"{path}: {error}") from error
