"""A vehicle that stands where traffic should flow."""

from collections.abc import Iterator
from typing import Final

from vision.boxes import BUS, NAMES
from vision.ground import Array
from vision.moment import Finding, Moment
from vision.standing import Stand

STOPPED_S: Final = (
    10.0  # letting somebody on or off takes less; National Highways' stopped vehicle radar must tell within 20 s
)
UNPASSED_S: Final = (
    90.0  # with nobody driving past it may wait at a red light, and few are longer (HCM: cycles to 120 s)
)
NEVER_CAME_S: Final = 60.0  # what was never seen to arrive may be a false box or have parked before we looked: be slow
SURE: Final = 0.5  # and believe it only with a good score
AHEAD_M: Final = 15.0  # whoever stands this close behind another standing vehicle queues: two car lengths and a gap
LANE_M: Final = (
    2.5  # sideways distance within which vehicles share a lane: lanes are 2.75 to 3.5 m wide (TCVN 104:2007)
)


def find(moment: Moment) -> Iterator[Finding]:
    """Vehicles that stand on the road beyond STOPPED_S, leaving out queues, bus stops and parking places."""
    lanes = moment.scene.of_kind("road", "lane_direction")
    exempt = moment.scene.of_kind("parking")
    for stand in moment.stands:
        zone = moment.zone_of(stand.place, *lanes)
        if zone is None or moment.zone_of(stand.place, *exempt) or _is_bus_at_stop(moment, stand):
            continue
        seconds = moment.at - stand.since
        if seconds < STOPPED_S or not _is_alone(moment, stand, seconds, zone.direction):
            continue
        yield Finding(
            kind="stopped_vehicle",
            key=f"stand/{stand.number}",
            since=stand.since,
            place=stand.place,
            box=stand.box,
            confidence=min(1.0, stand.score + 0.05 * min(len(stand.passed), 4)),
            severity="major",
            tracks=tuple(stand.tracks),
            zone=zone.name,
            why={
                "seconds": round(seconds, 1),
                "passed_by": float(len(stand.passed)),
                "class": NAMES[stand.klass],
                "zone": zone.name,
            },
        )


def _is_alone(moment: Moment, stand: Stand, seconds: float, lane: Array | None) -> bool:
    """Whether it stands for a reason of its own: traffic goes past, or it outlasts any red light."""
    if not stand.arrived:
        return seconds >= NEVER_CAME_S and stand.score >= SURE
    heading = stand.heading if stand.heading is not None else lane
    if heading is not None and in_queue(stand, moment.stands, heading):
        return False
    return bool(stand.passed) or seconds >= UNPASSED_S


def in_queue(stand: Stand, stands: tuple[Stand, ...], heading: Array) -> bool:
    """Whether another vehicle stands close ahead in the same lane, and has stood there longer."""
    for other in stands:
        if other is stand or other.since > stand.since:
            continue
        offset = (other.place - stand.place) * stand.scale
        ahead = float(offset @ heading)
        aside = abs(float(offset[0] * heading[1] - offset[1] * heading[0]))
        if 0 < ahead < AHEAD_M * stand.shrink and aside < LANE_M:
            return True
    return False


def _is_bus_at_stop(moment: Moment, stand: Stand) -> bool:
    return stand.klass == BUS and moment.zone_of(stand.place, *moment.scene.of_kind("bus_stop")) is not None
