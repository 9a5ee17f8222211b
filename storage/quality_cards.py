"""Scorecards: the five words of a day, by device, by ward in the wards of any day, and of the whole city; worst first.

Four are measured when the day is scored; the fifth, shared, is known only later, and is judged when it is asked for.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from psycopg import Connection
from psycopg.rows import dict_row

from storage.city import time_zone
from storage.quality import ratios_below, thresholds_of
from storage.quality_words import in_english

DEVICES: Final = """
    WITH placed AS MATERIALIZED (
        SELECT DISTINCT ON (device_id) * FROM device_ward(%(day)s) ORDER BY device_id, share DESC, code)
    SELECT d.name AS device, w.code AS ward, w.name AS ward_name, q.correct, q.complete, q.clean, q.calibrated,
           q.alive_s, q.alive_limit_s, q.delay_s, q.missing, q.explained, q.well, s.shared_at,
           s.days::float8 AS shared_days, q.why, q.score
    FROM quality_1d q
    JOIN device d ON d.id = q.device_id
    JOIN shared_1d s ON s.day = q.day AND s.device_id = q.device_id
    LEFT JOIN placed p ON p.device_id = d.id
    LEFT JOIN ward w ON w.code = p.code AND w.valid_from = p.valid_from
    WHERE q.day = %(day)s ORDER BY q.score, d.name
"""
AREAS: Final = """
    SELECT whole, code, name, devices, correct, complete, clean, alive_s, alive_limit_s, delay_s,
           missing, explained, well, shared, shared_days, worst, worst_why
    FROM quality_ward(%(day)s, %(wards_of)s) WHERE devices > 0
"""
LATEST: Final = "SELECT max(day) FROM quality_1d"
DAYS: Final = """
    SELECT day, count(*)::int, count(*) FILTER (WHERE well)::int FROM quality_1d GROUP BY day ORDER BY day DESC LIMIT %s
"""
AGE: Final = "SELECT extract(epoch FROM now() - ((%s::date + 1)::timestamp AT TIME ZONE %s))::float8 / 86400"


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceDay:
    """One device's words of one day; None: nothing to measure it by. `why` and `reasons` say the same, worst first."""

    device: str
    ward: str | None
    ward_name: str | None
    correct: float | None
    complete: float | None
    clean: float | None
    calibrated: float | None
    alive_s: float | None
    alive_limit_s: float
    delay_s: float | None
    missing: int
    explained: int
    well: bool
    shared_at: datetime | None
    shared_days: float | None
    why: list[dict[str, Any]]
    reasons: list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class AreaDay:
    """The words over the devices of a ward, or of the whole city (no code, `whole`), by share."""

    whole: bool
    code: str | None  # None, and not whole: the devices whose ward nobody knows
    name: str | None
    devices: int
    correct: float | None
    complete: float | None
    clean: float | None
    alive_s: float | None  # of its device in the middle, by silence as a share of what each is allowed
    alive_limit_s: float  # what that one is allowed
    delay_s: float | None
    missing: int
    explained: int
    well: float  # share of its devices
    shared: float  # share of its devices
    why: list[dict[str, Any]]
    reasons: list[str]
    worst: str  # its device that is worst off, and why
    worst_why: list[dict[str, Any]]
    worst_reasons: list[str]


def latest_day(conn: Connection[Any]) -> date | None:
    """The latest day that is scored."""
    row = conn.execute(LATEST).fetchone()
    return row[0] if row else None


def scored_days(conn: Connection[Any], most: int = 60) -> list[tuple[date, int, int]]:
    """The latest scored days: day, devices, and how many of them were well."""
    return conn.execute(DAYS, (most,)).fetchall()


def device_days(conn: Connection[Any], day: date) -> list[DeviceDay]:
    """Every device's words of `day`, those least well first, then those that are not shared in time."""
    late = _lateness(conn, day)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(DEVICES, {"day": day}).fetchall()
    cards = []
    for row in rows:
        score = row.pop("score")
        row["why"] += late(row["shared_days"])
        cards.append((score, not row["why"], DeviceDay(**row, reasons=[in_english(fact) for fact in row["why"]])))
    return [card for *_, card in sorted(cards, key=lambda card: card[:2])]


def area_days(conn: Connection[Any], day: date, wards_of: date | None = None) -> list[AreaDay]:
    """The city's words of `day`, then those of each ward (of the day itself, or of another), those least well first."""
    late, thresholds = _lateness(conn, day), thresholds_of(conn)
    with conn.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(AREAS, {"day": day, "wards_of": wards_of or day}).fetchall()
    cards = [_area(row, thresholds, late(row["shared_days"])) for row in rows]
    cards.sort(key=lambda card: (not card[1].whole, card[0], card[1].well, card[1].code or ""))
    return [card for _, card in cards]


def _area(row: dict[str, Any], thresholds: Mapping[str, float], shared: list[dict[str, Any]]) -> tuple[float, AreaDay]:
    words = {word: row[word] for word in ("correct", "complete", "clean")}
    thresholds = {**thresholds, "alive_s": row["alive_limit_s"]}
    below = ratios_below(words, row["alive_s"], thresholds)
    why = [
        {"word": word, "value": row.get("alive_s" if word == "alive" else word),
         "threshold": thresholds["alive_s" if word == "alive" else word]}
        for word in below
    ]  # fmt: skip
    why += shared
    del row["shared_days"]
    reasons = [in_english(fact) for fact in why]
    worst = [in_english(fact) for fact in row["worst_why"]]
    return min([1.0, *below.values()]), AreaDay(**row, why=why, reasons=reasons, worst_reasons=worst)


def _lateness(conn: Connection[Any], day: date) -> Any:
    """What is to be said of days from the day's end until it was published (None: it is not yet)."""
    allowed = thresholds_of(conn)["shared_days"]
    age = conn.execute(AGE, (day, time_zone(conn).key)).fetchall()[0][0]

    def late(waited: float | None) -> list[dict[str, Any]]:
        if (age if waited is None else waited) <= allowed:
            return []
        return [{"word": "shared", "value": waited, "threshold": allowed}]

    return late
