"""The trigger that notices a big drain, on a real database, as the triggerer runs it."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from dags import drain
from storage.late import BIG_DRAIN

MARK = """
    INSERT INTO late_mark (source, id, bucket)
    SELECT 'reading', series, timestamptz '2026-03-02Z' FROM generate_series(%s::int, %s) series
"""
WATCHING = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%%max(marked_at)%%' AND pid <> %s"


@pytest.fixture(autouse=True)
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drain, "CALM", 1.0)
    monkeypatch.setattr(drain, "AWAY", 0.1)


@pytest.fixture
def conn(connected: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(connected, autocommit=True) as conn:
        yield conn


def run(story: Coroutine[Any, Any, None]) -> None:
    """In a thread of its own: where a browser was started before, a loop runs in this one."""
    with ThreadPoolExecutor(1) as threads:
        threads.submit(asyncio.run, story).result()


@asynccontextmanager
async def watched() -> AsyncIterator["asyncio.Queue[int]"]:
    """What the trigger tells: how many marks, each time."""
    told: asyncio.Queue[int] = asyncio.Queue()

    async def listen() -> None:
        async for event in drain.ENDED.watchers[0].trigger.run():
            told.put_nowait(event.payload["marks"])

    task = asyncio.create_task(listen())
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.wait([task])


async def looked(conn: psycopg.Connection, times: int = 3) -> None:
    """Wait until the trigger has looked so often."""
    seen: set[Any] = set()
    async with asyncio.timeout(20):
        while len(seen) <= times:
            seen |= set(conn.execute("SELECT pid, query_start " + WATCHING, (conn.info.backend_pid,)))
            await asyncio.sleep(0.05)


def test_a_trickle_is_not_told_and_a_drain_is_told_once(conn: psycopg.Connection) -> None:
    async def story() -> None:
        conn.execute(MARK, (1, BIG_DRAIN - 1))
        async with watched() as told, asyncio.timeout(60):
            await looked(conn)
            assert told.empty()
            conn.execute(MARK, (BIG_DRAIN, BIG_DRAIN))
            assert await told.get() == BIG_DRAIN
            await looked(conn)
            assert told.empty()
            conn.execute("DELETE FROM late_mark")
            await looked(conn)
            conn.execute(MARK, (1, 3 * BIG_DRAIN))
            assert await told.get() == 3 * BIG_DRAIN

    run(story())


def test_a_drain_is_told_when_it_has_ended(conn: psycopg.Connection) -> None:
    async def story() -> None:
        async with watched() as told, asyncio.timeout(60):
            await looked(conn, 1)
            for part in range(30):
                conn.execute(MARK, (part * BIG_DRAIN + 1, (part + 1) * BIG_DRAIN))
                await asyncio.sleep(0.1)  # a drain of three seconds
            assert await told.get() == 30 * BIG_DRAIN

    run(story())


def test_it_outlives_the_database_being_away(conn: psycopg.Connection) -> None:
    async def story() -> None:
        async with watched() as told, asyncio.timeout(60):
            await looked(conn, 1)
            ended = conn.execute("SELECT pg_terminate_backend(pid) " + WATCHING, (conn.info.backend_pid,)).fetchall()
            assert ended == [(True,)]
            conn.execute(MARK, (1, BIG_DRAIN))
            assert await told.get() == BIG_DRAIN

    run(story())
