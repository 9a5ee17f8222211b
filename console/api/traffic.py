"""Traffic: where it is counted, and how much passed."""

from typing import Annotated, Final, Literal

from fastapi import APIRouter, HTTPException, Query

from console.api.access import Parts, SignedIn
from console.api.span import From, To, span
from console.models import GateOut, TrafficOut
from storage import explore

router: Final = APIRouter(prefix="/api/traffic", tags=["traffic"])
ROWS: Final = 50_000


@router.get("", summary="Counts by class and direction")
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
) -> list[TrafficOut]:
    """Return at most 50,000 rows, summed over all places that match; more answers 413."""
    since, until = span(start, end)
    with console.database.connection() as conn:
        rows = explore.traffic_counts(
            conn, bucket, since, until, device=device, camera=camera, zone=zone, limit=ROWS + 1
        )
    if len(rows) > ROWS:
        raise HTTPException(413, f"more than {ROWS:,} rows: ask for a shorter time, a longer bucket, or one camera")
    return [TrafficOut.model_validate(row, from_attributes=True) for row in rows]


@router.get("/gates", summary="Where traffic is counted")
def list_gates(_user: SignedIn, console: Parts) -> list[GateOut]:
    """Return the camera zones that counted something in the last month."""
    with console.database.connection() as conn:
        return [GateOut.model_validate(gate) for gate in explore.list_gates(conn)]
