"""OGC SensorThings API 1.1 (18-088), section 14: MQTT. `v1.1/Datastreams(7)/Observations`, an Observation as JSON.

Each datastream is a device of its own with a series `result`: the message does not name its Thing. Observations of all
datastreams (`v1.1/Observations`) name theirs themselves, by link or by id.
"""

import re
from typing import Any, Final

import msgspec

from events import BadMessage
from events.envelope import parse_sent
from events.fact import from_json
from events.reading import Reading
from ingest.adapters.flat import readings_of
from ingest.adapters.told import Read, Told

OBSERVATIONS: Final = re.compile(r"(?:^|/)Observations(?:\?.*)?$")  # also with $select, which is part of the topic
NAMED: Final = re.compile(r"(?:Multi)?Datastreams\(([^()]{1,80})\)")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unit`: of all results, UCUM; datastreams of different units need an adapter each."""

    unit: str | None = None


class Datastream(msgspec.Struct, frozen=True):
    """What a client that makes an observation says of where it belongs: a link to an entity that exists."""

    id: int | str = msgspec.field(name="@iot.id")


class Observation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What we read of it: the rest are links."""

    result: Any
    phenomenon_time: str | None = None  # an instant, or an interval `begin/end`
    result_time: str | None = None
    result_quality: Any = None  # DQ_Element, in any form
    datastream: Datastream | None = msgspec.field(name="Datastream", default=None)
    multi_datastream: Datastream | None = msgspec.field(name="MultiDatastream", default=None)
    link: str = msgspec.field(name="Datastream@iot.navigationLink", default="")
    multi_link: str = msgspec.field(name="MultiDatastream@iot.navigationLink", default="")


OBSERVATION: Final = msgspec.json.Decoder(Observation)


def reader(options: Options) -> Read:
    """Read observations; pass over all other topics."""

    def read(topic: str, payload: bytes) -> Told | None:
        if OBSERVATIONS.search(topic) is None:
            return None
        observation = from_json(OBSERVATION, payload)
        said = {"result": observation.result, "resultQuality": observation.result_quality}
        readings = readings_of(said, _time(observation))
        if options.unit:
            readings = [_measured(reading, options.unit) for reading in readings]
        return Told(f"datastream-{_datastream(topic, observation)}", readings)

    return read


def _datastream(topic: str, observation: Observation) -> str:
    for place in (topic, observation.link, observation.multi_link):
        if found := NAMED.search(place):
            return found[1].strip("'")
    made_in = observation.datastream or observation.multi_datastream
    if made_in is None:
        raise BadMessage("shape", "neither the topic nor the observation names a datastream by its id")
    return str(made_in.id)


def _measured(reading: Reading, unit: str) -> Reading:
    is_result = reading.series.partition("/")[0] == "result" and isinstance(reading.value, float)
    return msgspec.structs.replace(reading, unit=unit) if is_result else reading


def _time(observation: Observation) -> float | None:
    """When it was so: the beginning of an interval, as buckets are named here; else when the result came about."""
    said = (observation.phenomenon_time or "").partition("/")[0] or observation.result_time
    if said is None:
        return None
    try:
        return parse_sent(said).timestamp()
    except BadMessage as bad:
        raise BadMessage("shape", f"phenomenonTime: {bad.detail}") from bad
