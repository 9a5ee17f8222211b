"""What the API says, and the pages read: the contract of console with everybody outside it."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from storage import alerts, explore


class ActionOut(BaseModel):
    """What one person did about an alert, and when."""

    id: int
    at: datetime
    who: str
    action: alerts.Action
    note: str | None = None
    assignee: str | None = None


class LinkedOut(BaseModel):
    """The same event, as another camera saw it."""

    id: str
    device: str = Field(examples=["camera-b"])
    camera: str
    kind: str
    metres: float = Field(description="Between the places that the two cameras told.")


class AlertOut(BaseModel):
    """One incident at its latest revision, with what people have done about it."""

    id: str = Field(examples=["01JCXW3M8W9Q6T4ZB2D5R7N1KE"], description="ULID, made at the edge.")
    rev: int = Field(examples=[2], description="Grows with each change that the camera reports.")
    kind: str = Field(examples=["stopped_vehicle"])
    state: str = Field(examples=["open"], description="What the camera says: open, update or end.")
    severity: str = Field(examples=["major"], description="info, minor, major or critical.")
    status: alerts.Status = Field(description="What people made of it.")
    device: str = Field(examples=["camera-a"])
    camera: str = Field(examples=["a"])
    zone: str | None = Field(examples=["lane-2"])
    started_at: datetime
    decided_at: datetime = Field(description="When the frame was captured that made it an incident.")
    at: datetime
    ended_at: datetime | None
    confidence: float = Field(ge=0, le=1)
    place: dict[str, Any] = Field(examples=[{"box": [412.0, 220.5, 501.0, 300.0]}])
    latitude: float | None
    longitude: float | None
    why: dict[str, Any] = Field(examples=[{"seconds": 14.2, "zone": "lane-2"}])
    raised_from: str | None
    model: str | None
    received: datetime
    changed: datetime
    picture_width: int | None
    picture_height: int | None
    still_at: datetime | None
    still_url: str | None = Field(examples=["/api/incidents/01JCXW3M8W9Q6T4ZB2D5R7N1KE/still?v=5f3a9c0d"])
    assignee: str | None
    actions: list[ActionOut]
    linked: list[LinkedOut]

    @classmethod
    def of(cls, alert: alerts.Alert) -> "AlertOut":
        """Say it for the outside."""
        facts = asdict(alert)
        digest = facts.pop("still")
        facts["still_url"] = f"/api/incidents/{alert.id}/still?v={digest[:12]}" if digest else None
        return cls.model_validate(facts)


class ActionIn(BaseModel):
    """What to do. `assign` needs an assignee; `reopen` takes back acknowledge, resolve or false_alarm."""

    model_config = ConfigDict(extra="forbid")

    action: alerts.Action = Field(examples=["acknowledge"])
    note: str | None = Field(default=None, max_length=2000)
    assignee: str | None = Field(default=None, max_length=200)


class DeviceOut(BaseModel):
    """A device: whether it is heard, what it has, what ails it."""

    name: str
    online: bool
    first_seen: datetime
    last_seen: datetime
    latitude: float | None
    longitude: float | None
    ward_code: str | None
    clock_offset_s: float | None = Field(description="Its clock minus ours.")
    description: str | None
    versions: dict[str, str]
    cameras: list[dict[str, Any]] = Field(description="As the device describes them: zones, calibration, model.")
    outbox: dict[str, Any] | None = Field(description="What waits on the device's disk.")
    unwell: list[dict[str, Any]] = Field(description="Cameras and sensors that should not be trusted now.")

    @classmethod
    def of(cls, device: explore.Device) -> "DeviceOut":
        """Say it for the outside."""
        return cls.model_validate(asdict(device))


class SeriesOut(BaseModel):
    """One measured quantity of one device."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    device: str = Field(examples=["host-1"])
    name: str = Field(examples=["cpu/load1"])
    unit: str | None = Field(description="UCUM")
    description: str | None
    minimum: float | None
    maximum: float | None
    period_s: float | None = Field(description="A value is due this often.")
    first_seen: datetime


class SeriesDetail(SeriesOut):
    """A series, and when it was last measured."""

    last_at: datetime | None


class ReadingOut(BaseModel):
    """One measured value."""

    at: datetime
    value: float | None = Field(description="In the series' unit; null where it was not a finite number.")
    quality: int = Field(description="Bit flags, 0 is good; see /api/series.")


class AggregateOut(BaseModel):
    """One closed bucket."""

    model_config = ConfigDict(from_attributes=True)

    bucket: datetime = Field(description="Where it begins.")
    n: int
    mean: float
    minimum: float
    maximum: float
    sd: float | None
    p50: float
    p95: float
    coverage: float | None = Field(description="Share of the values that were due.")
    good: float = Field(description="Share of values without a quality flag.")
    revision: int = Field(description="Grows where late data changed a published number.")


class ReadingsOut(BaseModel):
    """A series over a time: `readings` for bucket=raw, else `aggregates`."""

    series: SeriesOut
    bucket: Literal["raw", "15m", "1h", "1d"]
    start: datetime = Field(serialization_alias="from")
    end: datetime = Field(serialization_alias="to")
    readings: list[ReadingOut] | None = None
    aggregates: list[AggregateOut] | None = None


class TrafficOut(BaseModel):
    """What passed in one bucket; class '' is a bucket in which nothing did."""

    bucket: datetime
    klass: str = Field(serialization_alias="class", examples=["motorcycle"])
    direction: str
    count: int
    speed_mps: float | None
    coverage: float
    trusted: float


class GateOut(BaseModel):
    """Somewhere that traffic is counted."""

    model_config = ConfigDict(from_attributes=True)

    device: str
    camera: str
    zone: str


class WardOut(BaseModel):
    """Where a ward of today lies, by its centroid."""

    model_config = ConfigDict(from_attributes=True)

    code: str
    name: str
    name_en: str | None
    latitude: float
    longitude: float
    area_km2: float | None


class Problem(BaseModel):
    """What went wrong and what to do: RFC 9457."""

    type: str = "about:blank"
    title: str = Field(examples=["Not Found"])
    status: int = Field(examples=[404])
    detail: str = Field(examples=["no incident has the id 01JX…"])


class ReportOut(BaseModel):
    """The latest issue of a ward's report; `period` is a week as 2026-W46 or a month as 2026-11."""

    kind: str
    period: str
    start: date
    ward: str
    ward_name: str | None
    revision: int
    as_of: datetime | None
    issued_at: datetime


class DeviationOut(BaseModel):
    """A run of hours far from normal; value, expected and score are its farthest hour's."""

    model_config = ConfigDict(from_attributes=True)

    series_id: int | None
    device: str
    name: str
    quantity: str
    unit: str | None
    since: datetime
    until: datetime
    peak_at: datetime
    value: float
    expected: float
    score: float


class NormalOut(BaseModel):
    """One hour beside what was to be expected of it; spread is a standard deviation, estimated robustly."""

    model_config = ConfigDict(from_attributes=True)

    bucket: datetime
    value: float
    expected: float
    spread: float
    score: float
