"""Series: find one, and take its readings or aggregates as JSON or CSV."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple
from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Query, Response
from fastapi.responses import JSONResponse
from psycopg import Connection

from console.api.access import Console, Parts, SignedIn
from console.api.span import From, To, span
from console.api.table import csv_response
from console.models import AggregateOut, ReadingOut, ReadingsOut, SeriesDetail, SeriesOut
from storage import explore

router: Final = APIRouter(prefix="/api/series", tags=["series"])

JSON_ROWS: Final = 50_000
CSV_ROWS: Final = 2_000_000
AGGREGATE_COLUMNS: Final = tuple(explore.Aggregate.__slots__)


@router.get("", summary="Find series")
def find_series(
    _user: SignedIn,
    console: Parts,
    *,
    q: Annotated[str, Query(max_length=200, description="Words that device, name, description or unit hold.")] = "",
    device: str | None = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> list[SeriesOut]:
    """Return series by device and name.

    Quality of a reading is a sum of: 1 out of range, 2 implausible time, 4 no absolute time, 8 came after its
    bucket was frozen, 16 changed too fast, 32 stuck, 64 time seen before, 128 another unit. 0 is good.
    """
    with console.database.connection() as conn:
        found = explore.find_series(conn, q.split(), device=device, limit=limit, offset=offset)
    return [SeriesOut.model_validate(series) for series in found]


@router.get("/{series}", summary="One series")
def get_series(series: int, _user: SignedIn, console: Parts) -> SeriesDetail:
    """Return the series and when it was last measured."""
    with console.database.connection() as conn:
        found = _find(conn, series)
        return SeriesDetail(**asdict(found), last_at=explore.last_reading(conn, series))


@router.get(
    "/{series}/readings",
    summary="Readings or aggregates of a series",
    response_model=ReadingsOut,
    responses={200: {"content": {"text/csv": {}}}, 413: {"description": "Too many rows: ask for less, or for CSV."}},
)
def get_readings(
    series: int,
    _user: SignedIn,
    console: Parts,
    *,
    start: From = None,
    end: To = None,
    bucket: Literal["raw", "15m", "1h", "1d"] = "raw",
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the query's word
) -> Response:
    """Return at most 50,000 rows of JSON or 2,000,000 of CSV; more answers 413. Times are UTC."""
    since, until = span(start, end)
    with console.database.connection() as conn:
        found = _find(conn, series)
        if bucket == "raw" and format == "csv":
            many = explore.count_readings(conn, series, since, until, CSV_ROWS + 1)
            _refuse_too_many(many, CSV_ROWS, "ask for a shorter time, or bucket=15m")
            return csv_response(_reading_lines(console, series, since, until), f"{found.device}_{found.name}_raw")
        if bucket == "raw":
            values = explore.readings(conn, series, since, until, JSON_ROWS + 1)
            buckets = []
        else:
            values = []
            buckets = explore.aggregates(conn, series, bucket, since, until, JSON_ROWS + 1)
    _refuse_too_many(len(values) + len(buckets), JSON_ROWS, "ask for a shorter time, a longer bucket, or format=csv")
    if format == "csv":
        return csv_response(_aggregate_lines(buckets), f"{found.device}_{found.name}_{bucket}")
    facts = ReadingsOut(series=SeriesOut.model_validate(found), bucket=bucket, start=since, end=until)
    if bucket == "raw":
        facts.readings = [ReadingOut(at=at, value=finite(value), quality=quality) for at, value, quality in values]
    else:
        facts.aggregates = [AggregateOut.model_validate(row) for row in buckets]
    return JSONResponse(facts.model_dump(mode="json", by_alias=True))


def _find(conn: Connection[Any], series: int) -> explore.Series:
    try:
        return explore.one_series(conn, series)
    except explore.UnknownSeriesError as error:
        raise HTTPException(404, f"no series has the number {series}") from error


def finite(value: float) -> float | None:
    """Return what JSON can say."""
    return value if math.isfinite(value) else None


def _refuse_too_many(rows: int, most: int, instead: str) -> None:
    if rows > most:
        raise HTTPException(413, f"more than {most:,} rows: {instead}")


def _reading_lines(console: Console, series: int, since: datetime, until: datetime) -> Iterator[tuple[Any, ...]]:
    yield "at", "value", "quality"
    with console.database.connection() as conn:
        for at, value, quality in explore.stream_readings(conn, series, since, until, CSV_ROWS):
            yield at.isoformat(), value, quality


def _aggregate_lines(rows: Iterable[explore.Aggregate]) -> Iterator[tuple[Any, ...]]:
    yield AGGREGATE_COLUMNS
    for row in rows:
        yield (row.bucket.isoformat(), *astuple(row)[1:])
