"""ChirpStack v4 (LoRaWAN), JSON: `application/<application>/device/<DevEUI>/event/<event>`.

The device is its DevEUI. Where the device profile has no codec, the bytes themselves are the reading `data`, and
`lorawan/f_port` says how to read them.
"""

from base64 import b64decode
from typing import Any

import msgspec

from events import BadMessage
from events.fact import Aware, from_json
from events.reading import Reading
from ingest.adapters.flat import readings_of
from ingest.adapters.told import Read, Told


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


class Gateway(msgspec.Struct, frozen=True):
    """A gateway that heard the uplink. Zeros are left out on the wire, as protobuf's JSON does."""

    rssi: float = 0.0  # dBm
    snr: float = 0.0  # dB


class Device(msgspec.Struct, frozen=True, rename="camel"):
    """Who sent it."""

    dev_eui: str


class Uplink(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What we read of integration.UplinkEvent."""

    time: Aware
    device_info: Device
    f_cnt: int = 0
    f_port: int = 0
    data: str = ""  # base64
    object: dict[str, Any] = {}
    rx_info: tuple[Gateway, ...] = ()


class Status(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What we read of integration.StatusEvent."""

    time: Aware
    device_info: Device
    margin: float = 0.0  # dB
    external_power_source: bool = False
    battery_level_unavailable: bool = False
    battery_level: float = 0.0  # %


class Coordinates(msgspec.Struct, frozen=True):
    """WGS 84. Zeros are left out on the wire."""

    latitude: float = 0.0  # degrees
    longitude: float = 0.0  # degrees
    altitude: float = 0.0  # m
    accuracy: float = 0.0  # m; 0: not known


class Location(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """What we read of integration.LocationEvent."""

    time: Aware
    device_info: Device
    location: Coordinates


UPLINK = msgspec.json.Decoder(Uplink)
STATUS = msgspec.json.Decoder(Status)
LOCATION = msgspec.json.Decoder(Location)


def reader(_options: Options) -> Read:
    """Read uplinks, device statuses and locations; pass over joins, acknowledgements, logs and integrations' own."""
    return read


def read(topic: str, payload: bytes) -> Told | None:
    """Read one event.

    Raises:
        BadMessage: `topic`, `json` or `shape`.
    """
    levels = topic.split("/")
    if len(levels) < 2 or levels[-2] != "event":
        raise BadMessage("topic", f"{topic!r} is not application/<id>/device/<DevEUI>/event/<event>")
    match levels[-1]:
        case "up":
            return _uplink(from_json(UPLINK, payload))
        case "status":
            return _status(from_json(STATUS, payload))
        case "location":
            return _located(from_json(LOCATION, payload))
    return None


def _uplink(uplink: Uplink) -> Told:
    at = uplink.time.timestamp()
    readings = readings_of(uplink.object, at)
    if not uplink.object and uplink.data:
        readings.append(Reading("data", at, _bytes(uplink.data)))
        readings.append(Reading("lorawan/f_port", at, _count(uplink.f_port)))
    readings.append(Reading("lorawan/f_cnt", at, _count(uplink.f_cnt)))
    if uplink.rx_info:
        best = max(uplink.rx_info, key=lambda gateway: gateway.snr)
        readings.append(Reading("lorawan/rssi", at, best.rssi, "dB{mW}"))
        readings.append(Reading("lorawan/snr", at, best.snr, "dB"))
    return Told(uplink.device_info.dev_eui, readings)


def _status(status: Status) -> Told:
    at = status.time.timestamp()
    readings = [
        Reading("lorawan/margin", at, status.margin, "dB"),
        Reading("lorawan/external_power", at, status.external_power_source),
    ]
    if not status.battery_level_unavailable and not status.external_power_source:
        readings.append(Reading("lorawan/battery", at, status.battery_level, "%"))
    return Told(status.device_info.dev_eui, readings)


def _located(told: Location) -> Told:
    at, where = told.time.timestamp(), told.location
    if abs(where.latitude) > 90 or abs(where.longitude) > 180:
        raise BadMessage("shape", f"{where.latitude} {where.longitude} is no place on Earth")
    readings = [
        Reading("location/latitude", at, where.latitude, "deg"),
        Reading("location/longitude", at, where.longitude, "deg"),
        Reading("location/altitude", at, where.altitude, "m"),
    ]
    if where.accuracy:
        readings.append(Reading("location/accuracy", at, where.accuracy, "m"))
    return Told(told.device_info.dev_eui, readings)


def _count(number: int) -> float:
    if not 0 <= number < 2**32:
        raise BadMessage("shape", f"fCnt or fPort {str(number)[:40]} is no 32 bit number")
    return float(number)


def _bytes(data: str) -> bytes:
    try:
        return b64decode(data, validate=True)
    except ValueError as error:
        raise BadMessage("shape", f"data is not base64: {error}") from error
