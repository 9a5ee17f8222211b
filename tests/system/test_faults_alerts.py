import time
from collections.abc import Iterator

import psycopg
import pytest

from events.envelope import MessageId
from ngatu.faults.truth import Made
from ngatu.faults.watch import MARGIN_S, AlertTimes, AlertWatch
from tests.servers import WaitFor


@pytest.fixture
def watch(empty_dsn: str, wait_for: WaitFor) -> Iterator[AlertWatch]:
    with AlertWatch(empty_dsn) as watching:
        wait_for(lambda: watching.since < time.time())
        yield watching


def decided(incident: str, at: float, rev: int = 1) -> Made:
    message = MessageId("01JD0000000000000000000000", rev)
    return Made(device="a", message=message, series="incident", at=at, value=f"{incident} {rev}")


def announce(dsn: str, incident: str) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        conn.execute("SELECT pg_notify('incident', %s)", [incident])


def test_an_alert_is_timed_from_its_decision_to_its_announcement(
    watch: AlertWatch, empty_dsn: str, wait_for: WaitFor
) -> None:
    times = AlertTimes(watch)
    times.calm_begins()
    times.made([decided("X", time.time())])
    time.sleep(0.3)  # what is measured
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    ((delay, calm),) = times.delays()
    assert calm
    assert 0.3 <= delay < 2


def test_an_alert_just_before_a_fault_does_not_count_as_calm(
    watch: AlertWatch, empty_dsn: str, wait_for: WaitFor
) -> None:
    times = AlertTimes(watch)
    times.calm_begins()
    at = time.time()
    times.calm_ends()
    assert MARGIN_S > 0
    times.calm_begins()
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    assert not list(times.delays()), "its decision is not known yet"
    times.made([decided("X", at)])
    assert [calm for _, calm in times.delays()] == [False]


def test_what_was_decided_while_nobody_listened_is_not_timed(
    watch: AlertWatch, empty_dsn: str, wait_for: WaitFor
) -> None:
    times = AlertTimes(watch)
    times.calm_begins()
    times.made([decided("X", time.time() - 60)])
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    assert not list(times.delays())


def test_only_the_first_revision_of_an_incident_is_an_alert(
    watch: AlertWatch, empty_dsn: str, wait_for: WaitFor
) -> None:
    times = AlertTimes(watch)
    times.calm_begins()
    at = time.time()
    times.made([decided("X", at)])
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    assert len(list(times.delays())) == 1
    times.made([decided("X", at, rev=2)])  # it ends, long after
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    assert not list(times.delays())


def test_an_alert_announced_before_its_log_is_read_keeps_its_first_time(
    watch: AlertWatch, empty_dsn: str, wait_for: WaitFor
) -> None:
    times = AlertTimes(watch)
    times.calm_begins()
    at = time.time()
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    assert not list(times.delays())
    time.sleep(0.5)  # until its second revision is announced: this must not count
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    times.made([decided("X", at)])
    ((delay, calm),) = times.delays()
    assert calm
    assert delay < 0.5


def test_an_alert_that_a_fault_catches_was_slow_until_then_and_late_by_the_fault(
    watch: AlertWatch, empty_dsn: str, wait_for: WaitFor
) -> None:
    times = AlertTimes(watch)
    times.calm_begins()
    times.made([decided("X", at := time.time())])
    time.sleep(MARGIN_S + 0.2)  # nothing breaks, and yet it is not announced
    times.calm_ends()
    broke = time.time()
    time.sleep(0.3)
    announce(empty_dsn, "X")
    wait_for(lambda: bool(watch._seen))
    caught, slow = times.delays()
    assert caught[1] is False
    assert caught[0] >= MARGIN_S + 0.5
    assert slow[1] is True
    assert slow[0] == pytest.approx(broke - at, abs=0.05)
