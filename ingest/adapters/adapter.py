"""From the city file's list to what reads the messages."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from events import BadMessage
from events.message import MAX_BYTES
from events.reading import Reading
from events.topic import ROOT
from ingest.adapters import chirpstack, frigate, senml, sensorthings, sparkplug, tasmota, zigbee2mqtt
from ingest.adapters.names import device_name, series_name
from ingest.adapters.settings import AdapterSettings
from ingest.adapters.told import LATEST, Read, Told
from ingest.item import Arrival, Item

FORMATS: Final[Mapping[str, tuple[type[Any], Callable[[Any], Read]]]] = {
    "senml": (senml.Options, senml.reader),
    "sparkplug": (sparkplug.Options, sparkplug.reader),
    "chirpstack": (chirpstack.Options, chirpstack.reader),
    "zigbee2mqtt": (zigbee2mqtt.Options, zigbee2mqtt.reader),
    "tasmota": (tasmota.Options, tasmota.reader),
    "frigate": (frigate.Options, frigate.reader),
    "sensorthings": (sensorthings.Options, sensorthings.reader),
}
"""By the name that the city file uses: what its options are, and what makes its function of them."""

WILD: Final = frozenset("+#$")


@dataclass(frozen=True, slots=True)
class Adapter:
    """A name, its topic filters, and what reads them."""

    name: str
    topics: Sequence[str]
    read: Read


def open_adapter(settings: AdapterSettings) -> Adapter:
    """Make an adapter ready.

    Raises:
        ValueError: no such format, options that it does not have, or topics that are not for adapters.
    """
    if settings.format not in FORMATS:
        raise ValueError(f"{settings.name}: format {settings.format!r} is not one of {', '.join(FORMATS)}")
    for topic in settings.topics:
        first = topic.partition("/")[0]
        if not first or WILD & set(first) or first == ROOT.partition("/")[0]:
            raise ValueError(
                f"{settings.name}: topic {topic!r} must begin with a name of its own, such as tele/+/SENSOR"
            )
    shape, make = FORMATS[settings.format]
    try:
        return Adapter(settings.name, settings.topics, make(msgspec.convert(settings.options, shape)))
    except (msgspec.ValidationError, ValueError) as error:
        raise ValueError(f"{settings.name}: options: {error}") from error


def open_adapters(found: object) -> list[Adapter]:
    """Make ready what the city file lists, as JSON types.

    Raises:
        ValueError: one of them can't be used; the message says which, and why.
    """
    listed = msgspec.convert(found, list[AdapterSettings])
    names = [settings.name for settings in listed]
    if len(set(names)) < len(names):
        raise ValueError(f"two adapters have one name: {', '.join(sorted(names))}")
    return [open_adapter(settings) for settings in listed]


def matches(topic_filter: str, topic: str) -> bool:
    """Whether an MQTT topic filter takes a topic (MQTT 5, section 4.7).

    >>> matches("tele/+/SENSOR", "tele/plug/SENSOR"), matches("tele/#", "tele"), matches("tele/+", "tele/a/b")
    (True, True, False)
    """
    wanted, levels = topic_filter.split("/"), topic.split("/")
    if wanted[-1] == "#":
        wanted = wanted[:-1]
        levels = levels[: len(wanted)]
    return len(wanted) == len(levels) and all(w in {"+", level} for w, level in zip(wanted, levels, strict=True))


def adapt(arrival: Arrival, adapters: Sequence[Adapter]) -> Item | None:
    """Read `arrival` by the first adapter that takes its topic; None where there is nothing to be stored.

    Whatever is wrong with it becomes `bad`, with the adapter's name in its detail and as its device.
    """
    for adapter in adapters:
        if any(matches(topic, arrival.topic) for topic in adapter.topics):
            return _read(arrival, adapter)
    bad = BadMessage("topic", "no adapter of the city file takes this topic: see docs/adapters.md")
    return Item(arrival=arrival, device="", kind="", id=None, bad=bad, adapted=True)


def _read(arrival: Arrival, adapter: Adapter) -> Item | None:
    try:
        told = _told(arrival, adapter)
        return None if told is None else _item(arrival, adapter.name, told)
    except BadMessage as bad:
        bad.detail = f"adapter {adapter.name}: {bad.detail}"[:500]
        return Item(arrival=arrival, device=adapter.name, kind="", id=None, bad=bad, adapted=True)


def _told(arrival: Arrival, adapter: Adapter) -> Told | None:
    if len(arrival.payload) > MAX_BYTES:
        raise BadMessage("size", f"{len(arrival.payload)} bytes: at most {MAX_BYTES} are taken")
    return adapter.read(arrival.topic, arrival.payload)


def _item(arrival: Arrival, adapter: str, told: Told) -> Item | None:
    device = device_name(adapter, told.device)
    if isinstance(told.body, list):
        if not told.body:
            return None
        body = [_checked(reading) for reading in told.body]
        return Item(arrival=arrival, device=device, kind="readings", id=None, body=body, adapted=True)
    return Item(arrival=arrival, device=device, kind="incident", id=None, body=told.body, adapted=True)


def _checked(reading: Reading) -> Reading:
    if isinstance(reading.value, float) and not math.isfinite(reading.value):
        raise BadMessage("shape", f"{reading.series[:80]}: {reading.value} is no finite number")
    if reading.at is not None and not 0 <= reading.at <= LATEST:  # NaN is not within either
        raise BadMessage("shape", f"{reading.series[:80]}: time {reading.at} is not within 1970 and 9999")
    return msgspec.structs.replace(reading, series=series_name(reading.series))
