"""Traffic: where it is counted, and how much passed."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, astuple
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, HTTPException, Query, Response

from console.api.access import Parts, SignedIn
from console.api.span import From, To, span
from console.api.table import csv_response
from console.models import GateOut, TrafficOut
from storage import explore

router: Final = APIRouter(prefix="/api/traffic", tags=["traffic"])
ROWS: Final = 50_000


@router.get(
    "",
    summary="Counts by class and direction",
    response_model=list[TrafficOut],
    responses={200: {"content": {"text/csv": {}}}},
)
def get_traffic(
    _user: SignedIn,
    console: Parts,
    *,
    device: str | None = None,
    camera: str | None = None,
    zone: str | None = None,
    start: From = None,
    end: To = None,
    bucket: Annotated[Literal["1m", "15m", "1h", "1d"], Query(description="1m is what cameras send.")] = "15m",
    format: Literal["json", "csv"] = "json",  # noqa: A002 - the query's word
) -> list[TrafficOut] | Response:
    """Return at most 50,000 rows, summed over all places that match; more answers 413."""
    since, until = span(start, end)
    with console.database.connection() as conn:
        rows = explore.traffic_counts(
            conn, bucket, since, until, device=device, camera=camera, zone=zone, limit=ROWS + 1
        )
    if len(rows) > ROWS:
        raise HTTPException(413, f"more than {ROWS:,} rows: ask for a shorter time, a longer bucket, or one camera")
    if format == "csv":
        place = "_".join(part for part in (device, camera, zone) if part) or "all"
        return csv_response(_lines(rows), f"traffic_{place}_{bucket}")
    return [TrafficOut.model_validate(asdict(row)) for row in rows]


@router.get("/gates", summary="Where traffic is counted")
def list_gates(_user: SignedIn, console: Parts) -> list[GateOut]:
    """Return the camera zones that counted something in the last month."""
    with console.database.connection() as conn:
        return [GateOut.model_validate(gate) for gate in explore.list_gates(conn)]


def _lines(rows: Iterable[explore.TrafficCount]) -> Iterator[tuple[Any, ...]]:
    yield "bucket", "class", "direction", "count", "speed_mps", "coverage", "trusted"
    for row in rows:
        yield (row.bucket.isoformat(), *astuple(row)[1:])
