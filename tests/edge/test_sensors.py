"""What sensors say, and what becomes of it when the clock is not set or the agent starts anew."""

import csv
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest

from edge import clock
from edge.outbox import Outbox
from edge.sensors import replay, schedule
from edge.sensors.generator import GeneratorSensor
from edge.sensors.host import HostSensor
from edge.sensors.replay import BadReplay, ReplaySensor
from edge.sensors.sensor import Made
from edge.settings import Generator, Host, Replay
from edge.uplink import dated
from events.reading import Reading, decode_senml
from tests.edge.making import NOW

DAY = 86_400.0
START = datetime(2024, 4, 18, tzinfo=UTC)


def readings(made: list[Made]) -> list[Reading]:
    return [reading for one in made if isinstance(one.content, list) for reading in one.content]


def replay_file(folder: Path, days: float, step_s: float = 3600.0) -> Path:
    path = folder / "replay.csv"
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(["at", "series", "value", "unit"])
        lines = [
            ((START + timedelta(seconds=step_s * number)).isoformat(), name, number, "1")
            for number in range(round(days * DAY / step_s))
            for name in ("one/count", "two/count")
        ]
        random.Random(1).shuffle(lines)
        rows.writerows(lines)
    return path


def test_the_host_tells_its_values_with_their_units_once_a_period() -> None:
    sensor = HostSensor(Host(period_s=0.5))
    first = readings(sensor.read(1000.0))
    assert {"host/load1", "host/cpu", "host/memory", "host/disk", "host/network/sent"} <= {r.series for r in first}
    assert all(isinstance(reading.value, float | int) and reading.at == 1000.0 for reading in first)
    assert sensor.read(1000.1) == []
    assert {reading.series for reading in first} == {described.name for described in sensor.describe()}


def test_the_generator_makes_so_many_readings_a_second_the_same_for_the_same_seed(tmp_path: Path) -> None:
    settings = Generator(rate=250, series=10, seed=3)
    runs = []
    for _ in range(2):
        sensor = GeneratorSensor(settings, tmp_path)
        runs.append([reading for second in range(11) for reading in readings(sensor.read(1000.0 + second))])
    assert len(runs[0]) == 2501
    assert runs[0] == runs[1]
    assert len({(reading.series, reading.at) for reading in runs[0]}) == 2501


def test_the_generator_notes_what_is_on_disk(tmp_path: Path, outbox: Outbox) -> None:
    sensor = GeneratorSensor(Generator(rate=5, series=2, incidents_per_s=1, log="made.csv"), tmp_path)
    for second in range(4):
        for content, _ in sensor.read(1_760_000_000.0 + second):
            message_id = outbox.put(schedule._outgoing(content, "d", timeless=False))
            sensor.kept(message_id, content)
    outbox.commit()
    lines = (tmp_path / "made.csv").read_text().splitlines()
    kinds = [line.split(",")[1] for line in lines]
    assert kinds.count("incident") == 3 + 1
    assert kinds.count("evidence") == 3
    assert len([kind for kind in kinds if kind.startswith("gen/")]) == 16
    for row in outbox.fetch(5, 0, 100):
        noted = [line.split(",")[1:] for line in lines if line.startswith(f"{row.stream}:{row.seq},")]
        stored = decode_senml(row.payload, "d")
        assert [(name, round(float(at), 6), float(value)) for name, at, value in noted] == [
            (reading.series, round(reading.at or 0, 6), reading.value) for reading in stored
        ]


def test_a_replay_keeps_the_weekday_and_time_of_day(tmp_path: Path) -> None:
    sensor = ReplaySensor(Replay(file=replay_file(tmp_path, 26).name, history_days=30), tmp_path, None)
    now = NOW.timestamp()
    made: list[Made] = []
    while new := sensor.read(now):
        made += new
    found = readings(made)
    assert len(found) == 2 * 30 * 24
    assert len({(reading.series, reading.at) for reading in found}) == len(found)
    for reading in found:
        assert isinstance(reading.value, float | int)
        assert reading.at is not None
        recorded = START + timedelta(hours=float(reading.value))
        assert (reading.at - recorded.timestamp()) % (7 * DAY) == 0
    assert [r.at for r in found] == sorted(r.at or 0 for r in found)
    assert max(r.at or 0 for r in found) <= now < max(r.at or 0 for r in found) + 3600


def test_a_replay_declares_how_often_each_series_is_measured(tmp_path: Path) -> None:
    sensor = ReplaySensor(Replay(file=replay_file(tmp_path, 8, step_s=900.0).name), tmp_path, None)
    assert {series.period_s for series in sensor.describe()} == {900.0}


def test_a_replay_goes_on_live_at_its_own_pace(tmp_path: Path) -> None:
    sensor = ReplaySensor(Replay(file=replay_file(tmp_path, 8).name, history_days=0), tmp_path, None)
    now = START.timestamp() + 1000 * 7 * DAY + 10
    assert sensor.read(now) == []
    assert sensor.read(now + 3000) == []
    assert len(readings(sensor.read(now + 3600))) == 2
    assert sensor.read(now + 3601) == []
    assert len(readings(sensor.read(now + 14 * DAY))) == 2 * (14 * 24 - 1)  # the file begins again


def test_a_replay_begins_where_it_was_before_a_restart(tmp_path: Path) -> None:
    settings = Replay(file=replay_file(tmp_path, 8).name, history_days=300)
    now = NOW.timestamp()
    seen: list[tuple[str, float | None]] = []
    known = None
    for _ in range(50):
        made = ReplaySensor(settings, tmp_path, known).read(now)[:3]
        if not made:
            break
        seen += [(reading.series, reading.at) for reading in readings(made)]
        assert made[-1].note is not None
        known = made[-1].note[1]
    assert len(seen) == len(set(seen)) == 2 * 300 * 24


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("time,series\n", "line 1: the header must be at,series,value,unit"),
        ("at,series,value,unit\n2024-04-18T00:00:00,a,1,\n", "line 2: 2024-04-18T00:00:00 has no zone"),
        ("at,series,value,unit\n2024-04-18T00:00:00Z,a,many,\n", "line 2: expected at,series,value,unit"),
        ("at,series,value,unit\n2024-04-18T00:00:00Z,a,nan,\n", "line 2: value nan is no number"),
        ("at,series,value,unit\n2024-04-18T00:00:00Z,a b,1,\n", "line 2: series 'a b'"),
        ("at,series,value,unit\n2024-04-18T00:00:00Z,a,1\n", "line 2: expected"),
        ("at,series,value,unit\n2024-04-18T00:00:00Z,a,1,\n", "less than one loop of 7 days"),
        ("at,series,value,unit\n", "less than one loop"),
    ],
)
def test_a_replay_file_that_is_wrong_says_where_and_what(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "replay.csv"
    path.write_text(text)
    with pytest.raises(BadReplay) as caught:
        replay.load(path, 7 * DAY)
    assert said in str(caught.value)


@pytest.fixture
def unset_clock(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine that thinks it is 1970."""
    monkeypatch.setattr("edge.clock.time.time", lambda: 1234.5)
    return monkeypatch


@pytest.mark.usefixtures("unset_clock")
def test_while_the_clock_is_not_set_readings_carry_no_absolute_time(outbox: Outbox) -> None:
    schedule._ask(HostSensor(Host()), "box", outbox)
    outbox.commit()
    row = outbox.fetch(5, 0, 1)[0]
    assert {reading.at for reading in decode_senml(row.payload, "box")} == {None}
    again = decode_senml(dated(row), "box")
    assert {reading.at for reading in again} == {None}
    assert all(-60 <= reading.ago <= 0 for reading in again)
    assert outbox.depth().oldest is None


def test_once_the_clock_is_set_what_was_read_before_gets_its_time(
    outbox: Outbox, unset_clock: pytest.MonkeyPatch
) -> None:
    schedule._ask(HostSensor(Host()), "box", outbox)
    outbox.commit()
    row = outbox.fetch(5, 0, 1)[0]
    unset_clock.undo()
    now = clock.wall()
    assert now is not None
    assert all(now - 60 < (reading.at or 0) <= now + 1 for reading in decode_senml(dated(row), "box"))


def test_what_was_read_before_the_machine_was_started_anew_stays_without_a_time(
    outbox: Outbox, unset_clock: pytest.MonkeyPatch
) -> None:
    schedule._ask(HostSensor(Host()), "box", outbox)
    outbox.commit()
    unset_clock.setattr(clock, "boot_id", lambda: "another boot")
    assert dated(outbox.fetch(5, 0, 1)[0]) == outbox.fetch(5, 0, 1)[0].payload


@pytest.mark.usefixtures("unset_clock")
def test_a_replay_waits_for_the_clock(tmp_path: Path, outbox: Outbox) -> None:
    sensor = ReplaySensor(Replay(file=replay_file(tmp_path, 8).name), tmp_path, None)
    schedule._ask(sensor, "box", outbox)
    assert outbox.streams() == {}


def test_the_schedule_ends_when_told(tmp_path: Path, outbox: Outbox) -> None:
    stop = Event()
    stop.set()
    schedule.run([GeneratorSensor(Generator(), tmp_path)], "box", outbox, stop, 1.0)
