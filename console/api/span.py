"""From when to when, as a query says it."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from fastapi import HTTPException, Query
from pydantic import AwareDatetime

From = Annotated[
    AwareDatetime | None, Query(alias="from", description="RFC 3339, included; default: a day before `to`.")
]
To = Annotated[AwareDatetime | None, Query(alias="to", description="RFC 3339, not included; default: now.")]
_DAY: Final = timedelta(days=1)


def span(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return from and to with their defaults, in UTC; answer 422 where they are the wrong way round."""
    end = end or datetime.now(UTC)
    start = start or end - _DAY
    if start >= end:
        raise HTTPException(422, f"query.from: {start.isoformat()} is not before to, {end.isoformat()}")
    return start.astimezone(UTC), end.astimezone(UTC)
