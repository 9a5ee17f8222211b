"""Vehicles that met: they stood from one moment to the next, and go on standing.

Without calibration a metre in the picture is at most one on the road: braking that looks hard was. What drives along
the view looks slow, so that most of its crashes are told as stopped vehicles only.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from vision.rules.moment import Finding, Moment
from vision.rules.queueing import is_crowded, is_held, sees_ahead
from vision.rules.stopped_vehicle import SEEN_S, is_allowed
from vision.tracking.boxes import LENGTH_M, NAMES
from vision.tracking.stand import Stand

STAYED_S: Final = 4.0  # a scare is over by then
GAP_M: Final = 1.0  # vehicles that queue leave more between them (1.5 to 2.5 m)
MET_S: Final = 3.0  # both came to rest within this time


def find(moment: Moment) -> Iterator[Finding]:
    """Stands that began harder than comfortable braking, with another in touch that began then."""
    for stand in moment.stands:
        zone = moment.zone_of(stand, "road", "lane_direction")
        seconds = moment.at - stand.since
        if (zone is None and moment.scene.zones) or moment.at - stand.seen > SEEN_S:
            continue
        if seconds < STAYED_S or not stand.arrived or is_allowed(moment, stand):
            continue
        if stand.heading is None or is_held(stand, moment.stands, stand.heading):
            continue
        if not sees_ahead(moment.scene, stand.place, stand.box, stand.heading):
            continue
        others = [other for other in moment.stands if other is not stand and _met(stand, other)]
        if (
            is_crowded(stand, moment.stands, *others)
            or not others
            or stand.brake_mps - 2 * stand.brake_error < stand.hard_mps
        ):
            continue
        yield Finding(
            kind="collision",
            key=f"stand/{stand.number}",
            seen=stand.seen,
            since=min(stand.since, *(other.since for other in others)),
            place=stand.place,
            box=stand.box,
            confidence=min(1.0, stand.score + 0.2),
            severity="critical",
            tracks=tuple(dict.fromkeys((*stand.tracks, *(n for other in others for n in other.tracks)))),
            zone=zone.name if zone else None,
            why={
                "speed_before_mps": round(stand.brake_mps, 1),
                "seconds": round(seconds, 1),
                "vehicles": float(1 + len(others)),
                "class": NAMES[stand.klass],
                **({"zone": zone.name} if zone else {}),
            },
        )


def _met(stand: Stand, other: Stand) -> bool:
    near = max(LENGTH_M[stand.klass], LENGTH_M[other.klass]) + GAP_M
    together = abs(stand.since - other.since) < MET_S and stand.distance(other.place) < near
    return together and (stand.shrink == 1.0 or _touch(stand, other))


def _touch(stand: Stand, other: Stand) -> bool:
    """Whether the boxes of two vehicles touch: who meets touches in any view, whatever a metre looks like in it."""
    gap = GAP_M / stand.scale
    return bool(np.all(stand.box[:2] - gap < other.box[2:]) and np.all(other.box[:2] - gap < stand.box[2:]))
