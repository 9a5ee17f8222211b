"""However readings are delivered, whenever the DAGs run, whoever is killed: the aggregates are those of one pass."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import chain, repeat
from typing import Any

import numpy as np
import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from storage.aggregates import again, aggregate, recompute_late
from storage.late import late_bounds, mark_late
from storage.ledger import Entry, begin_streams, extend, held, to_ranges
from storage.level import GRACE, LEVELS
from storage.readings import ReadingColumns, copy_readings
from tests.storage.interleaving import Actor, interleave

T0 = datetime(2026, 3, 2, tzinfo=UTC)
STREAM = "01JABCDEFGHJKMNPQRSTVWXYZ0"
HOURS = 50

Message = list[tuple[int, int, float]]  # series, minute, value
BUCKETS = {"15m": "time_bucket('15 min', at)", "1h": "time_bucket('1 hour', at)", "1d": "date_trunc('day', at, 'UTC')"}


MINUTES = [1, 2, 14, 16, 59, 60, 119, 1500]  # few buckets, so that rows meet in them, and on both sides of a closing


@dataclass(frozen=True)
class Case:
    messages: list[Message]
    deliveries: list[list[list[int]]]  # by connection: batches of message numbers; some come twice, some twice in both
    closings: list[tuple[str, str, int]]  # what the DAG aggregates does: close or again, level, up to which hour
    recomputings: int  # how often the DAG late runs
    deaths: list[int | None]  # before which of its statements each of the four is killed, if at all
    seed: int  # of whose statement is next


messages = st.lists(
    st.lists(
        st.tuples(st.sampled_from([1, 2]), st.sampled_from(MINUTES), st.integers(-50, 50).map(float)),
        min_size=1,
        max_size=3,
    ),
    min_size=1,
    max_size=7,
)
closings = st.tuples(
    st.sampled_from(["close"] * 7 + ["again"]), st.sampled_from(list(LEVELS)), st.sampled_from([1, 2, 26, 50])
)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    told = draw(messages)
    numbers = list(range(len(told)))
    order = draw(st.permutations(numbers + draw(st.lists(st.sampled_from(numbers), max_size=4))))
    deliveries: list[list[list[int]]] = [[], []]
    for number in order:
        batches = deliveries[draw(st.integers(0, 1))]
        if not batches or draw(st.booleans()):
            batches.append([])
        batches[-1].append(number)
    runs = draw(st.lists(closings, min_size=1, max_size=4))
    deaths = draw(st.lists(st.none() | st.integers(1, 30), min_size=4, max_size=4))
    return Case(told, deliveries, runs, draw(st.integers(0, 4)), deaths, draw(st.integers(0, 2**32)))


def turns(seed: int) -> Iterator[int]:
    """Now one statement each, now many of the same: a whole run may fall between two statements of another."""
    chosen = random.Random(seed)
    while True:
        yield from repeat(chosen.randrange(12), chosen.choice([1, 1, 2, 4, 30]))


def deliver(conn: psycopg.Connection[Any], told: Sequence[Message], batch: Sequence[int]) -> None:
    """Store what is new of a batch, as ingest does it."""
    while True:
        with conn.transaction() as transaction:
            came = held(conn, [STREAM])[STREAM]
            new = sorted({number for number in batch if not came.has(number + 1)})
            if not new:
                return
            rows = list(chain.from_iterable(told[number] for number in new))
            at = np.array([int((T0 + timedelta(minutes=m)).timestamp()) * 1_000_000 for _, m, _ in rows])
            columns = ReadingColumns(
                at=at, received=at, value=np.array([v for *_, v in rows]),
                series_id=np.array([s for s, *_ in rows], np.int32), quality=np.zeros(len(rows), np.int16),
            )  # fmt: skip
            bounds = late_bounds(conn, "reading")
            copy_readings(conn, columns)
            seqs = to_ranges(number + 1 for number in new)
            if extend(conn, [Entry(stream=STREAM, device_id=1, kind="readings", received=seqs)]) is None:
                raise psycopg.Rollback(transaction)
            mark_late(conn, "reading", columns.series_id, columns.at, bounds)
            return


def ingest(told: Sequence[Message], batches: list[list[int]], conn: psycopg.Connection[Any]) -> None:
    for batch in batches:
        deliver(conn, told, batch)


def run_dags(runs: Sequence[tuple[str, str, int]], conn: psycopg.Connection[Any]) -> None:
    for what, level, hour in runs:
        at = T0 + timedelta(hours=hour)
        if what == "close":
            aggregate(conn, LEVELS[level], now=at + GRACE)
        elif what == "late":
            recompute_late(conn)
        else:
            again(conn, LEVELS[level], T0, at)


def landed(conn: psycopg.Connection[Any], level: str) -> list[Any]:
    query = f"SELECT bucket, series_id, n, mean, minimum, maximum, sd, p50, p95 FROM reading_{level} ORDER BY 1, 2"
    return conn.execute(query.encode()).fetchall()


def one_pass(conn: psycopg.Connection[Any], level: str) -> list[Any]:
    query = (
        f"SELECT {BUCKETS[level]}, series_id, count(*), avg(value), min(value), max(value), stddev(value),"
        " percentile_cont(0.5) WITHIN GROUP (ORDER BY value), percentile_cont(0.95) WITHIN GROUP (ORDER BY value)"
        f" FROM reading WHERE at < {BUCKETS[level].replace('at)', '%(end)s)').replace('at,', '%(end)s,')}"
        " GROUP BY 1, 2 ORDER BY 1, 2"
    )
    return conn.execute(query.encode(), {"end": T0 + timedelta(hours=HOURS)}).fetchall()


def same(told: list[Any], wanted: list[Any]) -> bool:
    return len(told) == len(wanted) and all(
        a[:3] == b[:3] and a[3:6] + a[7:] == pytest.approx(b[3:6] + b[7:]) and (a[6] or 0) == pytest.approx(b[6] or 0)
        for a, b in zip(told, wanted, strict=True)
    )


@pytest.mark.timeout(300)
def test_any_delivery_interleaved_with_any_dag_runs_and_deaths_ends_in_the_aggregates_of_one_pass(
    db: psycopg.Connection, dsn: str
) -> None:
    db.execute("INSERT INTO device (name) VALUES ('camera-a')")
    db.execute("INSERT INTO series (device_id, name) VALUES (1, 'a'), (1, 'b')")

    @settings(
        max_examples=60,
        deadline=None,
        derandomize=True,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=[HealthCheck.too_slow],
    )
    @given(cases())
    def check(case: Case) -> None:
        for table in ("reading", "late_mark", "late_work", "closing", "ledger", *(f"reading_{n}" for n in LEVELS)):
            db.execute(f"DELETE FROM {table}".encode())
        begin_streams(db, {STREAM: 1})

        works = [partial(ingest, case.messages, batches) for batches in case.deliveries]
        works += [partial(run_dags, case.closings), partial(run_dags, [("late", "", 0)] * case.recomputings)]
        actors = [Actor(dsn, work, dies_at=death) for work, death in zip(works, case.deaths, strict=True)]
        interleave(actors, turns(case.seed), db)
        deliver(db, case.messages, range(len(case.messages)))  # what was not acknowledged comes again

        assert db.execute("SELECT count(*) FROM reading").fetchone() == (sum(map(len, case.messages)),)
        run_dags([("close", level, HOURS) for level in LEVELS], db)
        recompute_late(db)
        for level in LEVELS:
            assert same(landed(db, level), one_pass(db, level)), level
        assert db.execute("SELECT count(*) FROM late_mark").fetchone() == (0,)
        assert db.execute("SELECT count(*) FROM late_work").fetchone() == (0,)

    check()
