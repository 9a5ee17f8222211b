"""What the rules look at: one frame's worth of knowledge, and what they answer with."""

from dataclasses import dataclass, field
from typing import TypeAlias

from numpy import uint8
from numpy.typing import NDArray

from events.about import ZoneKind
from events.incident import IncidentKind, Severity, Why
from vision.road.ground import Array
from vision.road.scene import Scene, Zone
from vision.tracking.stand import Stand
from vision.tracking.trail import Track

Picture: TypeAlias = NDArray[uint8]


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """One frame.

    Attributes:
        at: seconds.
        begun: when the line saw its first frame.
        tracks: seen in this frame.
        stands: vehicles that stand, seen in this frame or remembered.
        boxes: (n, 6) all boxes of the frame, known class or not.
    """

    at: float
    begun: float
    scene: Scene
    tracks: tuple[Track, ...]
    stands: tuple[Stand, ...]
    boxes: Array
    picture: Picture | None = None

    def zone_of(self, thing: Track | Stand, *kinds: ZoneKind, margin: float = 0.0) -> Zone | None:
        """The first zone of these kinds that holds the thing, at least `margin` (in the plane's unit) inside."""
        return next((zone for zone in self.scene.of_kind(*kinds) if thing.depths[zone.name] >= margin), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A rule's word that something is going on now. It is repeated in each frame while it holds.

    Attributes:
        key: names the event for its rule: the same key again is the same event.
        place: (2,) on the scene's plane.
        box: (4,) in the picture.
        seen: when what it speaks of was last seen, where that is not now.
        moving: the event goes along with its tracks; others stay where they are.
    """

    kind: IncidentKind
    key: str
    since: float
    place: Array
    box: Array
    confidence: float
    severity: Severity
    tracks: tuple[int, ...]
    zone: str | None = None
    seen: float | None = None
    moving: bool = False
    why: dict[str, Why] = field(default_factory=dict)
