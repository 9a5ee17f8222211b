"""The five words of a day: by device, by ward in the wards of any day, and of the whole city."""

from dataclasses import asdict
from datetime import date, datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from console.api.access import Parts, SignedIn
from storage.aggregate_watch import dag_troubles, overdue_levels
from storage.quality import thresholds_of
from storage.quality_cards import area_days, device_days, latest_day, scored_days

router: Final = APIRouter(prefix="/api/quality", tags=["quality"])


class Words(BaseModel):
    """The words of one device, one ward or the city; shares are 0 to 1, null where there is nothing to measure by."""

    model_config = ConfigDict(from_attributes=True)

    correct: float | None
    complete: float | None
    clean: float | None
    alive_s: float | None = Field(
        description="The latest value's age at the day's end; of an area, its middle device's."
    )
    alive_limit_s: float = Field(description="How old it may be: longer for a device that measures seldom.")
    delay_s: float | None = Field(description="Median seconds from measurement to receipt.")
    missing: int = Field(description="Messages missing without explanation.")
    explained: int = Field(description="Messages missing, and it is known why.")
    why: list[dict[str, Any]] = Field(description="What is below its threshold, worst first, as facts.")
    reasons: list[str] = Field(description="The same in English.")


class DeviceWords(Words):
    """One device's day."""

    device: str
    ward: str | None
    ward_name: str | None
    calibrated: float | None
    well: bool
    shared_at: datetime | None
    shared_days: float | None


class AreaWords(Words):
    """A ward's day, or the city's."""

    code: str | None
    name: str | None
    devices: int
    well: float = Field(description="Share of its devices.")
    shared: float = Field(description="Share of its devices.")
    worst: str
    worst_why: list[dict[str, Any]]


class ScoredDay(BaseModel):
    """A day that is scored."""

    day: date
    devices: int
    well: int


class Overdue(BaseModel):
    """Aggregates that do not keep up."""

    source: str = Field(description="reading or traffic.")
    level: str = Field(description="15m, 1h or 1d; late: rows that came late and are not worked off.")
    behind_s: float | None = Field(description="By how much; null: nothing was ever computed.")


class Trouble(BaseModel):
    """A DAG that failed or missed its deadline in the last day."""

    model_config = ConfigDict(from_attributes=True)

    dag: str
    kind: str = Field(description="failed or overdue.")
    times: int
    last: datetime


class Quality(BaseModel):
    """A day's scorecards, worst first; and whether what they and all published numbers rest on keeps up now."""

    overdue: list[Overdue] = Field(description="Farthest behind first.")
    troubles: list[Trouble] = Field(description="Failures first.")

    day: date | None
    days: list[ScoredDay]
    thresholds: dict[str, float]
    city: AreaWords | None
    wards: list[AreaWords]
    devices: list[DeviceWords]


@router.get("", summary="How good the data of a day is")
def get_quality(
    _user: SignedIn,
    console: Parts,
    *,
    day: Annotated[
        date | None, Query(description="One of the city's days; default: the latest that is scored.")
    ] = None,
    wards_of: Annotated[date | None, Query(description="In the wards of this day; default: of the day itself.")] = None,
) -> Quality:
    """Return the city's, each ward's and each device's five words, worst first, with the reason in words."""
    with console.database.connection() as conn:
        day = day or latest_day(conn)
        areas = area_days(conn, day, wards_of) if day else []
        devices = device_days(conn, day) if day else []
        days = [ScoredDay(day=one, devices=count, well=well) for one, count, well in scored_days(conn)]
        thresholds = thresholds_of(conn)
        late, troubles = overdue_levels(conn), dag_troubles(conn)
    told = [AreaWords.model_validate(asdict(area)) for area in areas]
    return Quality(
        overdue=[
            Overdue(source=lag.source, level=lag.level, behind_s=lag.behind.total_seconds() if lag.behind else None)
            for lag in late
        ],
        troubles=[Trouble.model_validate(trouble) for trouble in troubles],
        day=day,
        days=days,
        thresholds=thresholds,
        city=next((words for area, words in zip(areas, told, strict=True) if area.whole), None) if devices else None,
        wards=[words for area, words in zip(areas, told, strict=True) if not area.whole],
        devices=[DeviceWords.model_validate(device) for device in devices],
    )
