"""A vehicle that stands where traffic should flow."""

from collections.abc import Iterator
from typing import Final

from vision.road.ground import Array
from vision.rules.moment import Finding, Moment
from vision.rules.queueing import CYCLE_S, is_crowded, sees_ahead, waits_at_line
from vision.tracking.boxes import BUS, NAMES
from vision.tracking.stand import PASSES, Stand

STOPPED_S: Final = (
    10.0  # letting somebody off takes less; National Highways' stopped vehicle radar must tell within 20 s
)
ONE_PASS_S: Final = 12.0  # where traffic is thin one will do a little later
SEEN_S: Final = 1.5  # nobody is called to a place where nothing is seen any more
PRESENT: Final = 0.25  # share of the last seconds in which it was seen: passing boxes do not make a standing one
UNPASSED_S: Final = 90.0  # with nobody driving past it may wait at a red light: few are longer (HCM: cycles to 120 s)
NEVER_CAME_S: Final = 20.0  # what was not seen to arrive may be a detector's ghost: those come and go within seconds
STEADILY: Final = 0.9  # unless they are seen in so many of the frames: what is, and is driven past, is there
SETTLING_S: Final = 5.0  # what stands already when the camera is switched on
WAS_THERE_S: Final = 60.0  # may have reasons that were not seen


def find(moment: Moment) -> Iterator[Finding]:
    """Vehicles that stand on the road beyond STOPPED_S, leaving out queues, bus stops and parking places."""
    for stand in moment.stands:
        zone = moment.zone_of(stand, "road", "lane_direction")
        if zone is None or is_allowed(moment, stand):
            continue
        if not is_alone(moment, stand, zone.direction):
            continue
        yield Finding(
            kind="stopped_vehicle",
            key=f"stand/{stand.number}",
            seen=stand.still,
            since=stand.since,
            place=stand.place,
            box=stand.box,
            confidence=min(1.0, stand.score + 0.05 * min(len(stand.passed), 4)),
            severity="major",
            tracks=tuple(stand.tracks),
            zone=zone.name,
            why={
                "seconds": round(moment.at - stand.since, 1),
                "passed_by": float(len(stand.passed)),
                "class": NAMES[stand.klass],
                "zone": zone.name,
            },
        )


def is_allowed(moment: Moment, stand: Stand) -> bool:
    """Whether it may stand there: a parking place, or a bus at its stop."""
    bus_stop = stand.klass == BUS and moment.zone_of(stand, "bus_stop") is not None
    return bus_stop or moment.zone_of(stand, "parking") is not None


def is_alone(moment: Moment, stand: Stand, lane: Array | None) -> bool:
    """Whether it stands for a reason of its own: traffic goes past, or it outlasts any red light."""
    if stand.presence < PRESENT or moment.at - stand.seen > SEEN_S:
        return False
    stand.alone = stand.alone or _has_reason(moment, stand, stand.heading if stand.heading is not None else lane)
    return stand.alone


def _has_reason(moment: Moment, stand: Stand, heading: Array | None) -> bool:
    seconds = stand.stood
    if seconds < STOPPED_S:
        return False
    came = stand.arrived and heading is not None
    if not came and (not stand.is_sure or seconds < _proof_s(moment, stand)):
        return False
    return heading is None or (not may_wait(moment, stand, heading) and (not came or _is_passed(stand)))


def may_wait(moment: Moment, stand: Stand, heading: Array) -> bool:
    """Whether it may wait for a light, or behind a queue that the camera cannot see."""
    if waits_at_line(stand, moment.scene.of_kind("stop_line"), heading):
        return stand.stood < CYCLE_S
    if sees_ahead(moment.scene, stand.place, stand.box, heading):
        return False
    return len(stand.passed) <= PASSES or is_crowded(stand, moment.stands)


def _is_passed(stand: Stand) -> bool:
    """Whether so many drove past it that no red light explains for how long it stands."""
    passes = len(stand.passed)
    return passes >= PASSES or (passes == 1 and stand.stood >= ONE_PASS_S) or stand.stood >= UNPASSED_S


def _proof_s(moment: Moment, stand: Stand) -> float:
    """Seconds for which something must stand that was not seen to arrive."""
    if stand.since - moment.begun < SETTLING_S:
        return WAS_THERE_S
    return STOPPED_S if stand.presence >= STEADILY and len(stand.passed) >= PASSES else NEVER_CAME_S
