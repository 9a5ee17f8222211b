"""A vehicle left where parking (or any stopping) is forbidden."""

from collections.abc import Iterator
from typing import Final

from vision.rules.moment import Finding, Moment
from vision.rules.stopped_vehicle import PRESENT, SEEN_S, is_allowed, may_wait
from vision.tracking.boxes import NAMES

PARKED_S: Final = 60.0  # stopping to load or let somebody off is no parking (Vienna Convention 1968, article 1k)
STOPPED_S: Final = 10.0  # where even stopping is forbidden


def find(moment: Moment) -> Iterator[Finding]:
    """Vehicles that stand in no_parking zones beyond PARKED_S, in no_stopping zones beyond STOPPED_S; no queues."""
    for stand in moment.stands:
        zone = moment.zone_of(stand, "no_stopping") or moment.zone_of(stand, "no_parking")
        if zone is None or is_allowed(moment, stand) or (not stand.arrived and not stand.is_sure):
            continue
        seconds = stand.stood
        if (
            stand.presence < PRESENT
            or moment.at - stand.seen > SEEN_S
            or seconds < (STOPPED_S if zone.kind == "no_stopping" and stand.arrived else PARKED_S)
            or (stand.heading is not None and may_wait(moment, stand, stand.heading))
        ):
            continue
        yield Finding(
            kind="illegal_parking",
            key=f"stand/{stand.number}",
            seen=stand.still,
            since=stand.since,
            place=stand.place,
            box=stand.box,
            confidence=stand.score,
            severity="minor",
            tracks=tuple(stand.tracks),
            zone=zone.name,
            why={"seconds": round(seconds, 1), "class": NAMES[stand.klass], "zone": zone.name},
        )
