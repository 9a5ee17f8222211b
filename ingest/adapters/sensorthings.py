"""OGC SensorThings API 1.1 (18-088), section 14: MQTT. `v1.1/Datastreams(7)/Observations`, an Observation as JSON.

Each datastream is a device of its own with one series, `result`: the message does not name its Thing.
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

PATH: Final = re.compile(r"(?:Multi)?Datastreams\(([^()]{1,80})\)/Observations$")


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`unit`: of all results, UCUM; datastreams of different units need an adapter each."""

    unit: str | None = None


class Observation(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What we read of it: the rest are links."""

    result: Any
    phenomenon_time: str | None = None  # an instant, or an interval `begin/end`
    result_time: str | None = None


OBSERVATION: Final = msgspec.json.Decoder(Observation)


def reader(options: Options) -> Read:
    """Read observations of datastreams; pass over all other topics."""

    def read(topic: str, payload: bytes) -> Told | None:
        found = PATH.search(topic)
        if found is None:
            return None
        observation = from_json(OBSERVATION, payload)
        at = _time(observation)
        readings = readings_of({"result": observation.result}, at)
        if options.unit:
            readings = [_measured(reading, options.unit) for reading in readings]
        return Told("datastream-" + found[1].strip("'"), readings)

    return read


def _measured(reading: Reading, unit: str) -> Reading:
    return msgspec.structs.replace(reading, unit=unit) if isinstance(reading.value, float) else reading


def _time(observation: Observation) -> float | None:
    """When it was so: the beginning of an interval, as buckets are named here; else when the result came about."""
    said = (observation.phenomenon_time or "").partition("/")[0] or observation.result_time
    if said is None:
        return None
    try:
        return parse_sent(said).timestamp()
    except BadMessage as bad:
        raise BadMessage("shape", f"phenomenonTime: {bad.detail}") from bad
