"""Tasmota: `tele/<topic>/SENSOR`, `STATE` and `LWT`, in the default order `%prefix%/%topic%/`.

So also `stat/<topic>/STATUS8`, `STATUS10` (sensors) and `STATUS11` (state), the answers to somebody's `Status`.
"""

from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec

from events import BadMessage
from events.reading import Reading
from ingest.adapters.flat import readings_of
from ingest.adapters.told import Read, Told, json_object

UNITS: Final = {
    "Humidity": "%", "Illuminance": "lx", "CarbonDioxide": "[ppm]", "PM1": "ug/m3", "PM2.5": "ug/m3", "PM10": "ug/m3",
    "Power": "W", "ApparentPower": "V.A", "ReactivePower": "V.A{var}", "Voltage": "V", "Current": "A",
    "Frequency": "Hz", "Total": "kW.h", "Today": "kW.h", "Yesterday": "kW.h", "Signal": "dB{mW}", "UptimeSec": "s",
    "Period": "W.h", "eCO2": "[ppm]", "TVOC": "[ppb]", "Distance": "cm",
}  # fmt: skip
ANSWERS: Final = {"STATUS8": "StatusSNS", "STATUS10": "StatusSNS", "STATUS11": "StatusSTS"}
CLOCK_SET: Final = 1_451_602_800.0  # START_VALID_TIME of the firmware: until its clock is set it counts from 1970
CHOSEN: Final = {"C": "Cel", "F": "[degF]", "hPa": "hPa", "mmHg": "mm[Hg]", "inHg": "[in_i'Hg]"}
"""What TempUnit and PressureUnit say, as UCUM."""


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`time_zone`: of the devices (their `Time` names none), as the IANA list calls it."""

    time_zone: str = "UTC"


def reader(options: Options) -> Read:
    """Read telemetry; pass over what describes the firmware (INFO1 …)."""
    try:
        zone = ZoneInfo(options.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"time_zone: {options.time_zone} is no time zone of the IANA list") from error

    def read(topic: str, payload: bytes) -> Told | None:
        levels = topic.split("/")
        if len(levels) < 3:
            raise BadMessage("topic", f"{topic!r} is not <prefix>/<topic>/<what>")
        device, what = "/".join(levels[1:-1]), levels[-1]
        if what == "LWT":
            return Told(device, [Reading("online", None, _is_online(payload))])
        if what not in {"SENSOR", "STATE"} and what not in ANSWERS:
            return None
        found = _answered(json_object(payload), what)
        at = _time(found.pop("Epoch", None), found.pop("Time", None), zone)
        return Told(device, readings_of(found, at, units=_units(found)))

    return read


def _answered(found: dict[str, Any], what: str) -> dict[str, Any]:
    inner = found.get(ANSWERS[what]) if what in ANSWERS else found
    if not isinstance(inner, dict):
        raise BadMessage("shape", f"{what} holds no {ANSWERS[what]}")
    return inner


def _units(found: dict[str, Any]) -> dict[str, str]:
    temperature, pressure = (found.pop(name, None) for name in ("TempUnit", "PressureUnit"))
    units = dict(UNITS)
    if isinstance(temperature, str) and temperature in CHOSEN:
        units |= dict.fromkeys(("Temperature", "DewPoint"), CHOSEN[temperature])
    if isinstance(pressure, str) and pressure in CHOSEN:
        units |= dict.fromkeys(("Pressure", "SeaPressure"), CHOSEN[pressure])
    return units


def _is_online(payload: bytes) -> bool:
    if payload not in {b"Online", b"Offline"}:
        raise BadMessage("shape", f"LWT {payload[:20]!r} is neither Online nor Offline")
    return payload == b"Online"


def _time(epoch: object, said: object, zone: ZoneInfo) -> float | None:
    """Command `Time`: local (1), local and `Epoch` (2), epoch (3), local with milliseconds (4)."""
    at = _seconds(said if epoch is None else epoch, zone)
    return None if at is None or at < CLOCK_SET else at


def _seconds(said: object, zone: ZoneInfo) -> float | None:
    if said is None:
        return None
    try:
        if isinstance(said, int | float):
            return float(said)
        at = datetime.fromisoformat(str(said))
        return (at if at.tzinfo else at.replace(tzinfo=zone)).astimezone(UTC).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadMessage("shape", f"Time: {error}") from error
