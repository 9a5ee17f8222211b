"""What a reading's past says of it: against a plain reckoning of the same, over batches, restarts and late readings."""

from collections.abc import Sequence
from itertools import count, cycle
from typing import NamedTuple

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from events.about import About, Sensor
from events.fact import to_json
from events.reading import Reading, encode_senml
from ingest.item import Item
from ingest.store import Store
from storage.connect import connect
from storage.readings import DUPLICATE_TIME, OUT_OF_RANGE, STUCK, TOO_FAST, UNIT_DIFFERS
from tests.ingest.conftest import arrive, new_stream, now, scalar

SENSOR = Sensor(name="temp", unit="Cel", minimum=-40, maximum=60, max_rate=2.0, stuck_after_s=10.0)
numbers = count(1)


class Sample(NamedTuple):
    second: int
    value: float


@pytest.fixture
def stream() -> str:
    return new_stream()


@pytest.fixture
def start(dsn: str) -> float:
    with connect(dsn, application="about") as conn:
        Store(conn).store([arrive("a", "about", to_json(About(rev=1, sensors=(SENSOR,))), 1, new_stream())])
    return round(now()) - 5000.0


def message(stream: str, start: float, samples: Sequence[Sample], name: str = "temp", unit: str = "Cel") -> Item:
    readings = [Reading(name, start + second, value, unit) for second, value in samples]
    return arrive("a", "readings", encode_senml(readings, "a"), next(numbers), stream)


def flags(db: psycopg.Connection, start: float) -> dict[int, list[int]]:
    """Quality of what is stored, by second."""
    found: dict[int, list[int]] = {}
    for second, quality in db.execute(
        "SELECT extract(epoch FROM at)::float8 - %s, quality FROM reading ORDER BY at, quality", [start]
    ):
        found.setdefault(round(second), []).append(quality)
    return found


def reckon(batches: Sequence[Sequence[Sample]]) -> dict[int, list[int]]:
    """The same, one reading after the other, with all that came before at hand."""
    known: dict[int, float] = {}
    judged: dict[int, list[int]] = {}
    for batch in batches:
        for second, value in sorted(batch):
            before = sorted(other for other in known if other < second)
            quality = 0
            if before:
                last = before[-1]
                quality += TOO_FAST * (abs(value - known[last]) > 2.0 * (second - last))
                since = second
                while before and known[before[-1]] == value:
                    since = before.pop()
                quality += STUCK * (second - since >= 10)
            known[second] = value
            judged[second] = [quality]
    return judged


def late_ones_alone(batches: Sequence[Sequence[Sample]]) -> list[list[Sample]]:
    """The same without a second reading of one time; what is older than what is stored comes by itself."""
    seen: set[int] = set()
    found: list[list[Sample]] = []
    for batch in batches:
        newest = max(seen, default=-1)
        first = {sample.second: sample for sample in reversed(batch) if sample.second not in seen}
        found += [[sample] for second, sample in first.items() if second < newest]
        found += [[sample for second, sample in first.items() if second > newest]]
        seen |= first.keys()
    return [batch for batch in found if batch]


batched = st.lists(
    st.lists(
        st.builds(Sample, st.integers(0, 60), st.sampled_from([0.0, 0.0, 0.0, 1.0, 9.0])), min_size=1, max_size=12
    ),
    min_size=1,
    max_size=5,
)


@given(batches=batched, restarts=st.lists(st.booleans(), min_size=5, max_size=5))
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_rate_and_stillness_are_judged_as_if_all_that_is_stored_were_at_hand(
    dsn: str, db: psycopg.Connection, start: float, batches: list[list[Sample]], restarts: list[bool]
) -> None:
    unique = late_ones_alone(batches)
    db.execute("DELETE FROM reading")
    stream = new_stream()
    with connect(dsn, application="judge") as conn:
        store = Store(conn)
        for batch, restarted in zip(unique, cycle(restarts), strict=False):
            store = Store(conn) if restarted else store
            assert not store.store([message(stream, start, [sample]) for sample in batch]).rejected
    assert flags(db, start) == reckon(unique)


@given(batches=batched, restarts=st.sampled_from([0, 1]))
@settings(
    max_examples=8,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_of_several_readings_of_one_time_all_but_the_first_are_flagged_and_all_are_kept(
    dsn: str, db: psycopg.Connection, start: float, batches: list[list[Sample]], restarts: int
) -> None:
    db.execute("DELETE FROM reading")
    stream = new_stream()
    with connect(dsn, application="judge") as conn:
        store = Store(conn)
        for batch in batches:
            store = Store(conn) if restarts else store
            store.store([message(stream, start, [sample], name="free") for sample in batch])
    told = flags(db, start)
    assert sum(map(len, told.values())) == sum(map(len, batches))
    assert all([quality & DUPLICATE_TIME for quality in some] == [0] + [64] * (len(some) - 1) for some in told.values())


def test_two_processes_that_share_a_changing_series_do_not_call_it_stuck(
    dsn: str, db: psycopg.Connection, start: float, stream: str
) -> None:
    with connect(dsn, application="one") as one, connect(dsn, application="two") as two:
        stores = Store(one), Store(two)
        for second in range(60):
            stores[second % 2].store([message(stream, start, [Sample(second, float(second % 2))])])
        for second in range(60, 90):
            stores[second % 2].store([message(stream, start, [Sample(second, 5.0)])])
    told = flags(db, start)
    assert [second for second, (quality,) in told.items() if quality & STUCK] == list(range(70, 90))


def test_a_batch_that_is_rolled_back_leaves_no_past(
    dsn: str, db: psycopg.Connection, start: float, stream: str
) -> None:
    with connect(dsn, application="one") as one, connect(dsn, application="two") as two:
        first, second = message(stream, start, [Sample(1, 0.0)]), message(stream, start, [Sample(2, 1.0)])
        Store(one).store([first])
        store = Store(two)
        store.store([second, first])  # refused by the ledger, filtered, and stored without the copy
        store.store([message(stream, start, [Sample(3, 2.0)])])
    assert flags(db, start) == {1: [0], 2: [0], 3: [0]}
    assert scalar(db, "SELECT count(*) FROM reading") == 3


def test_what_comes_in_another_unit_is_judged_in_the_unit_of_its_series(
    dsn: str, db: psycopg.Connection, start: float, stream: str
) -> None:
    with connect(dsn, application="one") as conn:
        outcome = Store(conn).store(
            [
                message(stream, start, [Sample(0, 212.0), Sample(100, 50.0)], unit="[degF]"),
                message(stream, start, [Sample(200, 11.0)], unit="degC"),
            ]
        )
    rows = db.execute("SELECT value, quality FROM reading ORDER BY at").fetchall()
    assert rows == [(100.0, UNIT_DIFFERS | OUT_OF_RANGE), (10.0, UNIT_DIFFERS), (11.0, 0)]
    assert outcome.flagged == {OUT_OF_RANGE: 1, UNIT_DIFFERS: 2} | dict.fromkeys(set(outcome.flagged) - {1, 128}, 0)


@pytest.mark.parametrize(
    ("name", "unit", "detail"),
    [
        ("temp", "hotness", "temp: 'hotness' is no unit"),
        ("new", "hotness", "new: 'hotness' is no unit"),
        ("temp", "lx", "temp: 'lx' can't be converted into 'Cel'"),
    ],
)
def test_a_unit_that_says_nothing_of_the_series_is_rejected_with_both_names(
    dsn: str, db: psycopg.Connection, start: float, stream: str, name: str, unit: str, detail: str
) -> None:
    with connect(dsn, application="one") as conn:
        good = message(stream, start, [Sample(0, 1.0)])
        outcome = Store(conn).store([message(stream, start, [Sample(1, 1.0)], name, unit), good])
    assert (outcome.stored, len(outcome.rejected)) == (1, 1)
    ((reason, said),) = db.execute("SELECT reason, detail FROM rejected").fetchall()
    assert reason == "unit"
    assert said.startswith(detail)
    assert scalar(db, "SELECT count(*) FROM series WHERE unit = 'hotness'") == 0


def test_a_series_takes_the_ucum_code_of_the_first_unit_that_is_named(
    dsn: str, db: psycopg.Connection, start: float, stream: str
) -> None:
    with connect(dsn, application="one") as conn:
        Store(conn).store([message(stream, start, [Sample(0, 50.0)], "humidity", "%RH")])
        Store(conn).store([message(stream, start, [Sample(1, 51.0)], "humidity", "%RH")])
    assert db.execute("SELECT unit FROM series WHERE name = 'humidity'").fetchone() == ("%",)
    assert db.execute("SELECT value, quality FROM reading ORDER BY at").fetchall() == [(50.0, 0), (51.0, 0)]


def test_a_device_that_names_a_unit_of_its_own_making_may_use_what_it_declared(
    dsn: str, db: psycopg.Connection, stream: str
) -> None:
    about = About(rev=1, sensors=(Sensor(name="mood", unit="smiles"),))
    with connect(dsn, application="one") as conn:
        store = Store(conn)
        store.store([arrive("a", "about", to_json(about), 1, new_stream())])
        outcome = store.store([message(stream, now() - 10, [Sample(0, 3.0)], "mood", "smiles")])
    assert outcome.stored == 1
    assert db.execute("SELECT quality FROM reading").fetchall() == [(0,)]
