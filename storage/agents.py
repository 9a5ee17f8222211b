"""How the agents are, all together: what a monitor wants to see of boxes that it can't reach itself."""

from typing import Final, NamedTuple

import psycopg

AGENTS: Final = """
    SELECT count(*) FILTER (WHERE online), count(*) FILTER (WHERE NOT online),
           count(*) FILTER (WHERE online AND now() - last_seen > %(silent_s)s * interval '1 s'),
           coalesce(sum((status #>> '{outbox,messages}')::float8), 0),
           coalesce(sum((status #>> '{outbox,bytes}')::float8), 0),
           coalesce(max((status #>> '{outbox,bytes}')::float8
                        / nullif((status #>> '{outbox,budget_bytes}')::float8, 0)), 0),
           coalesce(extract(epoch FROM now() - min((status #>> '{outbox,oldest_at}')::timestamptz)), 0)::float8,
           coalesce(max(abs(clock_offset_s)) FILTER (WHERE online), 0)
    FROM device WHERE status_at IS NOT NULL"""
SILENT_S: Final = 300.0


class Agents(NamedTuple):
    """As they last said themselves."""

    online: int
    offline: int
    silent: int  # online, as far as the broker knows, and not heard for `SILENT_S`
    outbox_messages: float
    outbox_bytes: float
    outbox_fullest: float  # share of its budget
    outbox_oldest_s: float
    clock_offset_s: float  # the worst of those online


def how_agents_are(conn: psycopg.Connection) -> Agents:
    """Sum them up, in one look at the devices."""
    row = conn.execute(AGENTS, {"silent_s": SILENT_S}).fetchone()
    assert row is not None
    return Agents(*row)
