"""Who drives past a vehicle that stands, which shows that the road ahead of it is free."""

from typing import Final

import numpy as np

from vision.road.zones import along_across
from vision.tracking.stand import STANDING_MPS, Stand
from vision.tracking.trail import PLACE, T, Track

BESIDE_M: Final = 3.0  # who was no further ahead than this since the stop,
PASSED_M: Final = 8.0  # and then is so far ahead, has driven past: two lengths of a car
STRAIGHT: Final = 0.2  # sideways for each metre ahead: who turns in from a side street comes aslant
ROAD_M: Final = 8.0  # sideways, to either side: two lanes and a bit


def count_passing(stand: Stand, tracks: tuple[Track, ...], stood: set[int]) -> None:
    """Note who drives past without having stood here: a queue that is released does not pass, it goes."""
    if stand.heading is None:
        return
    for track in tracks:
        if track.number in stood or track.number in stand.passed or not _is_ahead(stand, track):
            continue
        if _was_beside(stand, track) or _came_out_ahead(stand, track):
            stand.passed.add(track.number)


def _was_beside(stand: Stand, track: Track) -> bool:
    assert stand.heading is not None
    rows = track.trail.rows
    way = (rows[np.searchsorted(rows[:, T], stand.since) :, PLACE] - stand.place) * (stand.scale / stand.shrink)
    return len(way) > 0 and float((way @ stand.heading).min()) < BESIDE_M


def _came_out_ahead(stand: Stand, track: Track) -> bool:
    """Whether it was first seen ahead of the stand, going straight on: something had hidden it."""
    assert stand.heading is not None
    first = track.trail.rows[0, PLACE]
    ahead, aside = along_across(track.place - first, stand.heading)
    straight = ahead * track.scale > PASSED_M * track.shrink and aside < STRAIGHT * ahead
    from_here, beside = along_across((first - stand.place) * stand.scale, stand.heading)
    return track.since > stand.since and straight and from_here < 3 * PASSED_M * stand.shrink and beside < ROAD_M


def _is_ahead(stand: Stand, track: Track) -> bool:
    assert stand.heading is not None
    ahead, aside = along_across((track.place - stand.place) * stand.scale, stand.heading)
    away, _ = along_across(track.velocity, stand.heading)
    moving = away - track.speed_sigma > 2 * STANDING_MPS * track.shrink
    return moving and PASSED_M < ahead / stand.shrink < 5 * PASSED_M and aside < ROAD_M
