"""The city's own facts, kept beside the data: what `ngatu city load` wrote."""

from typing import Any, Final
from zoneinfo import ZoneInfo

from psycopg import Connection
from psycopg.types.json import Jsonb

VALUE: Final = "SELECT value FROM city WHERE key = %s"
STORE: Final = """
    INSERT INTO city (key, value) VALUES (%s, %s) ON CONFLICT (key) DO UPDATE SET value = excluded.value
    WHERE city.value <> excluded.value
"""
FORGET: Final = "DELETE FROM city WHERE key <> ALL(%s)"


def city_value(conn: Connection[Any], key: str) -> Any:
    """What the city file says of `key`; None where it says nothing, or where no city is loaded yet."""
    row = conn.execute(VALUE, (key,)).fetchone()
    return None if row is None else row[0]


def time_zone(conn: Connection[Any]) -> ZoneInfo:
    """Whose days planners count in; UTC until a city is loaded."""
    return ZoneInfo(city_value(conn, "time_zone") or "UTC")


def store_city(conn: Connection[Any], values: dict[str, Any]) -> int:
    """Make the table say exactly `values` (JSON types); return how many keys changed."""
    changed = sum(conn.execute(STORE, (key, Jsonb(value))).rowcount for key, value in values.items())
    return changed + conn.execute(FORGET, (list(values),)).rowcount
