"""Zigbee2MQTT: `zigbee2mqtt/<friendly name>`, a JSON object of what the device exposes.

Values stay as its exposes define them: `contact` is true where a door is closed, `linkquality` goes from 0 to 255.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from events import BadMessage
from events.reading import Reading
from ingest.adapters.flat import readings_of
from ingest.adapters.told import Read, Told, json_object

COMMANDS: Final = frozenset({"set", "get"})
UNITS: Final = {
    "temperature": "Cel", "local_temperature": "Cel", "device_temperature": "Cel", "humidity": "%",
    "soil_moisture": "%", "pressure": "hPa", "battery": "%", "illuminance": "lx", "illuminance_lux": "lx",
    "co2": "[ppm]", "pm25": "ug/m3",
    "power": "W", "energy": "kW.h", "current": "A",
}  # fmt: skip
"""Units that Zigbee2MQTT's exposes list for these names; `voltage` is left out: mV of a battery, V of a plug."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`base`: Zigbee2MQTT's base topic."""

    base: str = "zigbee2mqtt"


def reader(options: Options) -> Read:
    """Read states and availability; pass over the bridge's own topics, and what others ask of devices."""

    def read(topic: str, payload: bytes) -> Told | None:
        name = topic.removeprefix(f"{options.base}/")
        if name == topic or not name:
            raise BadMessage("topic", f"{topic!r} does not stand under {options.base!r}")
        device, _, last = name.rpartition("/")
        if name.partition("/")[0] == "bridge" or (device and COMMANDS & set(name.split("/")[1:])) or not payload:
            return None
        if device and last == "availability":
            return Told(device, [Reading("availability", None, _state(payload))])
        found = json_object(payload)
        if isinstance(found.get("device"), dict):
            del found["device"]  # `include_device_information`: about the device, in each of its messages
        at = _time(found.pop("last_seen", None))
        return Told(name, readings_of(found, at, units=UNITS))

    return read


def _state(payload: bytes) -> str:
    """`online` or `offline`, plain or (since 1.29) as {"state": …}."""
    state = json_object(payload).get("state") if payload[:1] == b"{" else payload.decode("ascii", "replace")
    if not isinstance(state, str) or state not in {"online", "offline"}:
        raise BadMessage("shape", f"availability {str(state)[:40]!r} is neither online nor offline")
    return state


def _time(seen: object) -> float | None:
    """`last_seen` is off, epoch milliseconds, or ISO 8601; one without a zone can't be told."""
    if isinstance(seen, int | float) and not isinstance(seen, bool):
        return min(float(min(seen, 2**62)) / 1000, 1e300)
    if not isinstance(seen, str):
        return None
    try:
        at = datetime.fromisoformat(seen)
        return None if at.tzinfo is None else at.astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadMessage("shape", f"last_seen: {error}") from error
