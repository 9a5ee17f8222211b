"""What an agent's YAML file says, as frozen facts."""

import re
from typing import Annotated, Any, Final, Literal

import msgspec

from events.about import Position, Sensor

UNITS: Final = {
    "": 1, "B": 1, "kB": 10**3, "KB": 10**3, "MB": 10**6, "GB": 10**9, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,
}  # fmt: skip
SIZE: Final = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)", re.ASCII)

Positive = Annotated[float, msgspec.Meta(gt=0)]
Prefix = Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:/-]{0,63}$")]
Bytes = Annotated[str | int, "bytes, or a text such as 256MB"]


def parse_bytes(given: str | int) -> int:
    """Bytes, from a number or a text with a unit.

    >>> parse_bytes("8MB")
    8000000

    Raises:
        ValueError: it is neither.
    """
    match = SIZE.fullmatch(str(given).strip())
    if match is None or match[2] not in UNITS:
        raise ValueError(f"{given!r} is not a size such as 256MB; units: {', '.join(filter(None, UNITS))}")
    return int(float(match[1]) * UNITS[match[2]])


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Common to all parts of the file: a key that is not known is an error."""


class Broker(Settings, frozen=True, kw_only=True):
    """Where the MQTT broker is, and who we are to it."""

    url: Annotated[str, msgspec.Meta(pattern=r"^mqtts?://[^/@]+/?$")]
    user: str | None = None  # None: the device's name, where there is a password
    password_file: str | None = None
    ca_file: str | None = None  # None: the machine's own authorities
    cert_file: str | None = None
    key_file: str | None = None
    keepalive_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 30


class Outbox(Settings, frozen=True, kw_only=True):
    """How much may wait on the disk."""

    budget: Bytes = "256MB"


class Uplink(Settings, frozen=True, kw_only=True):
    """How much may be under way, and how patiently."""

    window_messages: Annotated[int, msgspec.Meta(ge=10, le=50_000)] = 2000
    window_bytes: Bytes = "8MB"
    resend_s: Positive = 2.0
    resend_max_s: Positive = 60.0
    status_s: Annotated[float, msgspec.Meta(ge=0.2, le=300)] = 20.0


class Vision(Settings, frozen=True, kw_only=True):
    """What all cameras share."""

    model: str | None = None
    models: str | None = None  # folder; None: `models` in the agent's folder
    runtime: Literal["onnxruntime", "openvino", "ultralytics"] | None = None
    threads: Annotated[int, msgspec.Meta(ge=1, le=64)] = 1


class Host(Settings, frozen=True, kw_only=True, tag="host", tag_field="kind"):
    """This machine."""

    period_s: Annotated[float, msgspec.Meta(ge=0.1, le=3600)] = 1.0
    prefix: Prefix = "host"
    disks: tuple[str, ...] = ("/",)
    describe: tuple[Sensor, ...] = ()


class Replay(Settings, frozen=True, kw_only=True, tag="replay", tag_field="kind"):
    """A file of real readings, shifted to now."""

    file: str
    loop: Literal["week", "day"] = "week"
    history_days: Annotated[float, msgspec.Meta(ge=0, le=3660)] = 14.0
    prefix: Prefix | None = None
    describe: tuple[Sensor, ...] = ()


class Generator(Settings, frozen=True, kw_only=True, tag="generator", tag_field="kind"):
    """Made-up readings, for tests and benchmarks."""

    rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] = 100.0
    series: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    seed: int = 1
    prefix: Prefix = "gen"
    incidents_per_s: Annotated[float, msgspec.Meta(ge=0, le=100)] = 0.0  # made-up ones, with a still each
    still_bytes: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 4096
    log: str | None = None
    describe: tuple[Sensor, ...] = ()


SensorSettings = Host | Replay | Generator


class Camera(Settings, frozen=True, kw_only=True):
    """One camera: what the agent needs to know, and, for `vision`, what it looks at."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
    source: str | int  # mqtt:DEVICE/CAMERA: what another agent's thin camera sends
    detect: Literal["here", "elsewhere"] = "here"  # elsewhere: a thin camera, whose frames are sent to a worker
    send_width: Annotated[int, msgspec.Meta(ge=160, le=3840)] = 1280  # pixels of a sent frame at most
    rate: Positive | None = None
    loop: bool = True
    blur: bool = True
    clips: bool = True
    scene: str | None = None  # a file; the keys below win over it
    size: tuple[int, int] | None = None
    fps: Positive | None = None
    speed_limit_mps: Positive | None = None
    speed_limit_kmh: Positive | None = None
    H_image_to_world: list[list[float]] | None = None
    points: list[dict[str, Any]] | None = None
    origin: dict[str, float] | None = None
    motorcycle_pcu: Positive | None = None
    zones: list[dict[str, Any]] | None = None

    def entry(self) -> dict[str, Any]:
        """The keys that are `vision`'s."""
        own = {"source", "detect", "send_width", "rate", "loop", "blur", "clips", "scene"}
        given = msgspec.structs.asdict(self)
        return {key: value for key, value in given.items() if key not in own and value is not None}


class Agent(Settings, frozen=True, kw_only=True):
    """The whole file."""

    device: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}$")]
    broker: Broker
    description: str | None = None
    position: Position | None = None
    ward: str | None = None
    folder: str | None = None  # None: the file's name without its ending
    outbox: Outbox = Outbox()
    uplink: Uplink = Uplink()
    vision: Vision = Vision()
    sensors: tuple[SensorSettings, ...] = ()
    sensors_s: Annotated[float, msgspec.Meta(ge=0.05, le=60)] = 1.0  # what is read in this time goes into one message
    cameras: tuple[Camera, ...] = ()
