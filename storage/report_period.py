"""The weeks and months that reports are made of."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

Kind = Literal["week", "month"]


class BadPeriod(ValueError):
    """No week or month; the message says what one looks like."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Period:
    """One ISO week (from Monday) or one month, in days of the city."""

    kind: Kind
    start: date

    @property
    def end(self) -> date:
        """The first day after it."""
        if self.kind == "week":
            return self.start + timedelta(days=7)
        return (self.start + timedelta(days=32)).replace(day=1)

    @property
    def name(self) -> str:
        """As ISO 8601 names it: `2026-W46` or `2026-11`."""
        year, week, _ = self.start.isocalendar()
        return f"{year}-W{week:02}" if self.kind == "week" else f"{self.start:%Y-%m}"

    @property
    def before(self) -> "Period":
        """The week or month before it."""
        return period_of(self.kind, self.start - timedelta(days=1))

    @property
    def days(self) -> list[date]:
        """Each of its days, in order."""
        return [self.start + timedelta(days=number) for number in range((self.end - self.start).days)]

    def bounds(self, zone: ZoneInfo) -> tuple[datetime, datetime]:
        """When it begins and ends, in UTC."""
        lo, hi = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in (self.start, self.end))
        return lo, hi


def period_of(kind: Kind, day: date) -> Period:
    """The week or month that holds `day`."""
    return Period(kind=kind, start=day - timedelta(days=day.weekday()) if kind == "week" else day.replace(day=1))


def parse_period(text: str) -> Period:
    """Read `2026-W46` or `2026-11`.

    Raises:
        BadPeriod: it is neither.

    >>> parse_period("2026-W46").start, parse_period("2026-11").end
    (datetime.date(2026, 11, 9), datetime.date(2026, 12, 1))
    """
    found = re.fullmatch(r"(\d{4})-(W?)(\d{2})", text)
    try:
        if found and found[2]:
            return Period(kind="week", start=date.fromisocalendar(int(found[1]), int(found[3]), 1))
        if found:
            return Period(kind="month", start=date(int(found[1]), int(found[3]), 1))
    except ValueError as error:
        raise BadPeriod(f"{text}: {error}") from error
    raise BadPeriod(f"{text}: name a week as 2026-W46 or a month as 2026-11")
