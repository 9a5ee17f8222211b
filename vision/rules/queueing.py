"""Who stands because of others: queues, red lights, jams."""

from typing import Final

import numpy as np

from vision.road.ground import Array
from vision.road.scene import Scene, Zone
from vision.road.zones import along_across
from vision.tracking.boxes import cover
from vision.tracking.stand import STANDING_MPS, Stand
from vision.tracking.standing import HIDDEN
from vision.tracking.trail import Track

CAR_M: Final = 1.5  # as high as most cars are, and seen from behind hardly wider
AHEAD_M: Final = 15.0  # two car lengths and a gap: so far ahead a queue goes on
LANE_M: Final = (
    2.0  # sideways distance within which vehicles share a lane: lanes are 2.75 to 3.5 m wide (TCVN 104:2007)
)
BESIDE_M: Final = 3.0  # who stands this little further back stands beside
ROAD_M: Final = 8.0  # sideways: two lanes and a bit
TOUCHING_M: Final = 6.0  # vehicles that came to rest this near one another may have met: neither explains the other,
TOUCHING_S: Final = 3.0  # if they did so together, and one of them harder than drivers brake
CYCLE_S: Final = 120.0  # who stands at a stop line for longer does not wait for the light: the longest cycles (HCM)
CROWD: Final = 2  # others standing around make it a jam
CROWD_M: Final = (
    30.0  # whoever stands this close behind another in its lane queues, with one or two that are hidden between
)
CRAWLING_MPS: Final = 2 * STANDING_MPS  # a queue that moves on at less than 10 km/h is a jam (HCM: level of service F)


def is_held(stand: Stand, stands: tuple[Stand, ...], heading: Array, crawling: tuple[Track, ...] = ()) -> bool:
    """Whether others stand before it in its lane, longer than it does, or beside it, or a jam is ahead."""
    others = [other for other in stands if other is not stand and not _comes_towards(other, heading)]
    jam = sum(_is_further_on(other.place, stand, heading) for other in others)
    jam += sum(_is_further_on(other.place, stand, heading) for other in crawling if other.velocity @ heading > 0)
    return jam >= CROWD or any(_holds(other, stand, heading) for other in others)


def _comes_towards(other: Stand, heading: Array) -> bool:
    """Whether it stands on the other carriageway."""
    return other.lane is not None and float(other.lane @ heading) < 0


def _is_further_on(place: Array, stand: Stand, heading: Array) -> bool:
    """What stands ahead, on whichever lane, stands for a reason that is not this one."""
    ahead, aside = along_across((place - stand.place) * stand.scale, heading)
    return TOUCHING_M < ahead / stand.shrink < CROWD_M and aside < ROAD_M


def _holds(other: Stand, stand: Stand, heading: Array) -> bool:
    ahead, aside = along_across((other.place - stand.place) * stand.scale, heading)
    ahead /= stand.shrink
    before = 0 < ahead < CROWD_M and aside < LANE_M and other.since <= stand.since
    beside = other.on_road and abs(ahead) < BESIDE_M and LANE_M <= aside < ROAD_M
    return beside or (before and not _may_have_met(stand, other))


def _may_have_met(stand: Stand, other: Stand) -> bool:
    together = stand.distance(other.place) < TOUCHING_M and abs(other.since - stand.since) < TOUCHING_S
    return together and any(one.brake_mps >= one.hard_mps for one in (stand, other))


def is_crowded(stand: Stand, stands: tuple[Stand, ...], *but: Stand) -> bool:
    """Whether so many others stand around it on its carriageway that it is a jam, whatever is ahead."""
    others = [other for other in stands if other is not stand and other not in but and other.on_road]
    if stand.heading is not None:
        others = [other for other in others if not _comes_towards(other, stand.heading)]
    return sum(stand.distance(other.place) < CROWD_M for other in others) >= CROWD


def note_held(at: float, stands: tuple[Stand, ...], tracks: tuple[Track, ...] = ()) -> None:
    """Note on each stand that others hold it at this moment: when they go, it has not yet stood of its own will."""
    standing = {number for stand in stands for number in stand.tracks}
    crawling = tuple(track for track in tracks if _crawls(track) and track.number not in standing)
    for stand in stands:
        if stand.heading is not None and is_held(stand, stands, stand.heading, crawling):
            stand.free_since = at
        if is_crowded(stand, stands):
            stand.jammed = at


def _crawls(track: Track) -> bool:
    return not track.is_person and track.speed < CRAWLING_MPS * track.shrink


def waits_at_line(stand: Stand, lines: tuple[Zone, ...], heading: Array) -> bool:
    """Whether it stands before a stop line, near enough to wait for the light."""
    return any(0 <= _reach(stand, line, heading) < AHEAD_M for line in lines)


def _reach(stand: Stand, line: Zone, heading: Array) -> float:
    """Metres straight ahead to the line (its bumper may be over it by one); -1 where it lies elsewhere."""
    a, b = line.shape
    turn = np.column_stack((heading, a - b))
    if abs(np.linalg.det(turn)) < 1e-9:
        return -1.0
    ahead, share = np.linalg.solve(turn, a - stand.place)
    metres = float(ahead) * stand.scale / stand.shrink
    return max(metres, 0.0) if -0.1 <= share <= 1.1 and metres > -2.0 else -1.0


def sees_ahead(scene: Scene, place: Array, box: Array, heading: Array) -> bool:
    """Whether a car standing AHEAD_M before this one would be seen: in the picture, and not for its most part hidden.

    A whole queue may stand unseen before a bus that drives away.
    """
    if scene.ground is None:
        return True
    pixel = scene.ground.to_image((place + AHEAD_M * heading)[None])
    u, v = pixel[0]
    if not (0 <= u <= scene.width and 0 <= v <= scene.height):
        return False
    high = CAR_M / float(np.hypot(*scene.ground.jacobian(pixel)[0, :, 0]))
    car = np.array([[u - high / 2, v - high, u + high / 2, v]])
    return bool(v > box[3] or cover(car, box[None])[0, 0] <= HIDDEN)
