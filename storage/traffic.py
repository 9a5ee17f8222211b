"""Traffic counts: a row for each zone, minute, class and direction."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import psycopg

from events.traffic import Flow, TrafficMinute

COLUMNS: Final = (
    "at, received, device_id, count, seconds, speed_mps, speed_p85_mps, occupancy, queue, queue_m, pcu, trusted,"
    " camera, zone, class, direction"
)
# As text: PostgreSQL then refuses what a column can't hold, where psycopg's binary form would cut it to size.
COPY: Final[dict[str, bytes]] = {
    table: f"COPY {table} ({COLUMNS}) FROM STDIN".encode() for table in ("traffic", "misdated_traffic")
}
KNOWN: Final = "SELECT FROM traffic WHERE device_id = %s AND camera = %s AND zone = %s AND at = %s LIMIT 1"
SILENCE: Final = Flow(klass="", direction="", count=0)


@dataclass(frozen=True, slots=True)
class Minute:
    """One message: who counted, when it came, and what."""

    device_id: int
    received: datetime
    counted: TrafficMinute


def copy_minutes(
    conn: psycopg.Connection, minutes: Sequence[Minute], table: Literal["traffic", "misdated_traffic"] = "traffic"
) -> int:
    """Store `minutes`; the caller's ledger says that they are new. Return how many rows that made."""
    if not minutes:
        return 0
    with conn.cursor() as cursor, cursor.copy(COPY[table]) as copy:
        rows = [row for minute in minutes for row in _rows(minute)]
        for row in rows:
            copy.write_row(row)
    return len(rows)


def is_known(conn: psycopg.Connection, device_id: int, counted: TrafficMinute) -> bool:
    """Whether a minute that came without a number is stored already."""
    found = conn.execute(KNOWN, [device_id, counted.camera, counted.zone, counted.start])
    return found.fetchone() is not None


def _rows(minute: Minute) -> Iterator[tuple[object, ...]]:
    """What belongs to the minute, not to a flow, stands on the first row only: sums over rows are right."""
    m = minute.counted
    of_minute: tuple[float | None, ...] = (m.occupancy, m.queue, m.queue_m, m.pcu)
    for flow in m.flows or (SILENCE,):
        yield (
            *(m.start, minute.received, minute.device_id, flow.count, m.seconds, flow.speed_mps, flow.speed_p85_mps),
            *of_minute,
            *(m.trusted, m.camera, m.zone, flow.klass, flow.direction),
        )
        of_minute = (None,) * 4
