"""Notices a big drain: an outage's backlog, or history that was replayed, whose rows came late by the hundred.

Airflow's triggerer asks the database each second, so ingest knows nothing of Airflow, and no word can get lost: the
marks stay where they are, and what is not noticed here is worked off at the next minute.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from airflow.sdk import Asset, AssetWatcher
from airflow.triggers.base import BaseEventTrigger, TriggerEvent

log: Final = logging.getLogger(__name__)

PACE: Final = 1.0  # seconds between two looks
SHARE: Final = 20  # a look that took long is followed by a pause as many times as long
CALM: Final = 15.0  # seconds after a drain was told: what follows closely waits for the minute
AWAY: Final = 5.0  # seconds until the database is tried again


class BigDrain(BaseEventTrigger):
    """Fires where many marks are waiting and no more came between two looks: once a drain, when it has ended."""

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """How the triggerer makes it again."""
        return f"{__name__}.{type(self).__name__}", {}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Give how many marks were waiting, again and again; outlives the database's absences."""
        import psycopg

        while True:
            try:
                async for marks in _drains():
                    yield TriggerEvent({"marks": marks})
            except psycopg.Error as error:
                log.warning("late marks can't be watched, again in %g s: %s", AWAY, error)
                await asyncio.sleep(AWAY)


ENDED: Final = Asset(
    "ngatu://late/drain",
    watchers=[AssetWatcher(name="big_drain", trigger=BigDrain())],  # type: ignore[no-untyped-call]  # Airflow's own __init__
)


async def _drains() -> AsyncIterator[int]:
    from airflow.providers.postgres.hooks.postgres import PostgresHook

    from storage.late import BIG_DRAIN, Backlog, late_backlog

    conn: Any = await asyncio.to_thread(lambda: PostgresHook("ngatu").get_conn())
    try:
        conn.autocommit = True
        before, told = Backlog(), Backlog()
        while True:
            begun = time.monotonic()
            now = await asyncio.to_thread(late_backlog, conn)
            took = time.monotonic() - begun
            if now.marks >= BIG_DRAIN and now == before != told:
                told = now
                yield now.marks
                await asyncio.sleep(CALM)
            before = now
            await asyncio.sleep(max(PACE, SHARE * took))
    finally:
        conn.close()
