"""What has been published of each day, and what was withheld and why."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection

ISSUES: Final = """
    SELECT p.day, p.revision, p.published_at, p.dataset, p.rows, p.sha256 IS NOT NULL, p.withheld
    FROM publication p
    WHERE p.day IN (SELECT DISTINCT day FROM publication WHERE day <= %(until)s ORDER BY day DESC LIMIT %(days)s)
    ORDER BY p.day DESC, p.revision DESC, p.dataset
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """One dataset of one issue; `withheld` says what was left out and why, the whole dataset where not `published`."""

    dataset: str
    rows: int
    published: bool
    withheld: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issue:
    """One issue of one day; the highest revision holds, the earlier ones stay."""

    day: date
    revision: int
    published_at: datetime
    datasets: list[Issued]


def issues(conn: Connection[Any], days: int = 31, until: date = date.max) -> list[Issue]:
    """Every issue of the latest published days, the latest day and its highest revision first."""
    found: dict[tuple[date, int], Issue] = {}
    for day, revision, at, dataset, rows, published, withheld in conn.execute(ISSUES, {"days": days, "until": until}):
        issue = Issue(day=day, revision=revision, published_at=at, datasets=[])
        one = Issued(dataset=dataset, rows=rows, published=published, withheld=withheld)
        found.setdefault((day, revision), issue).datasets.append(one)
    return list(found.values())
