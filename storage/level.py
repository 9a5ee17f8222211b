"""The lengths of buckets: 15 minutes and hours of UTC, days of the city's own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from psycopg import sql

GRACE: Final = timedelta(minutes=2)  # what a healthy device and broker need; what comes later is late


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """A length of bucket. A local day has 23 to 25 hours where clocks change."""

    name: str
    width: timedelta
    local: bool = False

    def zone(self, city: ZoneInfo) -> ZoneInfo:
        """The zone whose days hold whole buckets of this level."""
        return city if self.local else ZoneInfo("UTC")

    def floor(self, at: datetime, city: ZoneInfo) -> datetime:
        """The start of the bucket that holds `at`, in UTC."""
        if self.local:
            return at.astimezone(city).replace(hour=0, minute=0, second=0, microsecond=0, fold=0).astimezone(UTC)
        seconds = int(self.width.total_seconds())
        return datetime.fromtimestamp(int(at.timestamp()) // seconds * seconds, UTC)

    def ceil(self, at: datetime, city: ZoneInfo) -> datetime:
        """The earliest start of a bucket that is not before `at`, in UTC."""
        start = self.floor(at, city)
        return start if start == at else self.floor(start + 1.5 * self.width, city)

    def start_sql(self, at: sql.Composable) -> sql.Composed:
        """The start of the bucket that holds `at`; takes the parameter `zone` where the level is local."""
        if self.local:
            return sql.SQL("date_trunc('day', {}, %(zone)s)").format(at)
        return sql.SQL("time_bucket({}::interval, {})").format(sql.Literal(f"{self.width.total_seconds():.0f}s"), at)

    def end_sql(self, start: sql.Composable) -> sql.Composed:
        """The end of the bucket that begins at `start`: 36 hours past midnight it is always the next day."""
        if self.local:
            return sql.SQL("date_trunc('day', {} + interval '36 hours', %(zone)s)").format(start)
        return sql.SQL("{} + {}::interval").format(start, sql.Literal(f"{self.width.total_seconds():.0f}s"))


QUARTER: Final = Level(name="15m", width=timedelta(minutes=15))
HOUR: Final = Level(name="1h", width=timedelta(hours=1))
DAY: Final = Level(name="1d", width=timedelta(days=1), local=True)
LEVELS: Final = {level.name: level for level in (QUARTER, HOUR, DAY)}
