"""Wards of today."""

from typing import Final

from fastapi import APIRouter

from console.api.access import Parts, SignedIn
from console.models import WardOut
from storage import explore

router: Final = APIRouter(prefix="/api/wards", tags=["places"])


@router.get("", summary="The wards that hold today")
def list_wards(_user: SignedIn, console: Parts) -> list[WardOut]:
    """Return each ward's code, names, centroid and area."""
    with console.database.connection() as conn:
        return [WardOut.model_validate(ward) for ward in explore.list_wards(conn)]
