"""About: the device describes itself. Given once, retained, used everywhere."""

from typing import Annotated, Final, Literal

import msgspec

from events.fact import Aware, Fact, Latitude, Longitude, Name, Revision

ZoneKind = Literal[
    "road", "lane_direction", "no_pedestrian", "no_parking", "no_stopping", "no_uturn", "gate", "stop_line",
    "bus_stop", "parking", "crosswalk", "ignore",
]  # fmt: skip
Point = tuple[float, float]


class Position(Fact, frozen=True, kw_only=True):
    """WGS 84."""

    latitude: Latitude
    longitude: Longitude


class Sensor(Fact, frozen=True, kw_only=True):
    """One series that the device will send."""

    name: Name  # the series' name, as in its readings
    unit: str | None = None  # UCUM
    description: str | None = None
    minimum: float | None = None  # outside: stored with a quality flag
    maximum: float | None = None
    max_rate: Annotated[float, msgspec.Meta(gt=0)] | None = None  # units a second; a faster change is flagged
    stuck_after_s: Annotated[float, msgspec.Meta(gt=0)] | None = None  # unchanged for so long: flagged
    period_s: Annotated[float, msgspec.Meta(gt=0)] | None = None  # a value is due this often
    position: Position | None = None  # where it differs from the device's


class Zone(Fact, frozen=True, kw_only=True):
    """A polygon (or, for a gate or stop line, a line) in the picture."""

    name: Name
    kind: ZoneKind
    points: tuple[Point, ...]  # pixels, y down
    direction: Point | None = None  # unit vector on the road plane (calibrated) or in the picture


class Model(Fact, frozen=True, kw_only=True):
    """The detector in use."""

    name: str
    runtime: Literal["onnxruntime", "openvino", "ultralytics", "none"]
    sha256: str | None = None
    weak: bool = False  # True: misses small vehicles; the page says so
    hint: str | None = None  # what to do about it


class Camera(Fact, frozen=True, kw_only=True):
    """One camera of the device."""

    name: Name
    description: str | None = None
    width: int | None = None  # pixels
    height: int | None = None
    fps: float | None = None
    position: Position | None = None
    calibrated: bool = False
    speed_limit_mps: float | None = None
    model: Model | None = None
    zones: tuple[Zone, ...] = ()


class About(Fact, frozen=True, kw_only=True):
    """The whole device; a higher `rev` replaces it."""

    rev: Revision
    at: Aware | None = None
    description: str | None = None
    position: Position | None = None
    ward: str | None = None  # the ward's official code, where known
    sensors: tuple[Sensor, ...] = ()
    cameras: tuple[Camera, ...] = ()
    versions: dict[str, str] = {}  # {"ngatu": "0.1.0", …}
    config_rev: int | None = None  # the revision of `config` in force


DECODER: Final = msgspec.json.Decoder(About)
