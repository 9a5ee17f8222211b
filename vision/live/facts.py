"""What the live loop says."""

from dataclasses import dataclass

from events.evidence import Evidence
from events.health import Health
from events.incident import Incident
from events.traffic import TrafficMinute


@dataclass(frozen=True, slots=True, kw_only=True)
class CameraStatus:
    """How one camera fared over the last seconds: for the agent's readings and its status."""

    camera: str
    state: str  # opening, open, or "broken: why"
    at: float  # POSIX seconds, the end of the interval
    fps: float  # frames looked at, a second
    delay_s: float  # from capture to judgement, mean
    dropped: int  # frames that a newer one pushed out
    detect_ms: float  # mean of the frames that were detected on
    gate_open: float  # share of the frames that needed a detection


Fact = Incident | TrafficMinute | Evidence | Health | CameraStatus
