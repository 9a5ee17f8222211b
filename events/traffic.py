"""Traffic counts: what a camera saw in one zone in one minute."""

from typing import Annotated, Final

import msgspec

from events.fact import Aware, Count, Fact, Name, Share

PositiveSeconds = Annotated[float, msgspec.Meta(gt=0, le=3600)]
NotNegative = Annotated[float, msgspec.Meta(ge=0)]


class Flow(Fact, frozen=True, kw_only=True):
    """Vehicles or people of one class in one direction; each track counts once."""

    klass: Name = msgspec.field(name="class")  # car, motorcycle, bus, truck, bicycle, person
    direction: Name  # as the gate or zone names it: in, out, north …; "any" where it has none
    count: Count
    speed_mps: NotNegative | None = None  # space-mean speed, metres a second; None where not calibrated
    speed_p85_mps: NotNegative | None = None  # 85th percentile of spot speeds


class TrafficMinute(Fact, frozen=True, kw_only=True):
    """One zone, one minute. A minute in which nothing passed is sent too: zero is not the same as silence."""

    camera: Name
    zone: Name
    start: Aware  # the minute's beginning, UTC
    seconds: PositiveSeconds = 60.0  # how much of it was observed
    flows: tuple[Flow, ...] = ()
    occupancy: Share | None = None  # time share in which the zone held a vehicle
    queue: NotNegative | None = None  # longest standing queue, vehicles
    queue_m: NotNegative | None = None  # the same in metres, where calibrated
    pcu: NotNegative | None = None  # passenger car units that passed
    trusted: bool = True  # False: the camera was unwell in this minute


DECODER: Final = msgspec.json.Decoder(TrafficMinute)
