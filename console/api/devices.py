"""Devices: who is heard, with what cameras, and what ails them."""

from typing import Annotated, Final

from fastapi import APIRouter, Query

from console.api.access import Parts, SignedIn
from console.models import DeviceOut
from storage import explore

router: Final = APIRouter(prefix="/api/devices", tags=["devices"])


@router.get("", summary="Devices, those that are offline first")
def list_devices(
    _user: SignedIn, console: Parts, limit: Annotated[int, Query(ge=1, le=10_000)] = 1000
) -> list[DeviceOut]:
    """Return devices with their cameras, outbox depth and open health conditions."""
    with console.database.connection() as conn:
        return [DeviceOut.of(device) for device in explore.list_devices(conn, limit)]
