"""A small city over a real broker into a real database; and that the same seed is the same city."""

import json
import random
import subprocess
import sys
from collections.abc import Iterator
from datetime import datetime
from threading import Event, Thread

import psycopg
import pytest

from events.about import About
from events.incident import Incident
from events.message import decode
from events.reading import Reading
from events.topic import Topic
from ingest.__main__ import run as ingest
from ingest.consumer import BrokerAddress
from ingest.settings import Settings
from ngatu.simulate.device import Device
from ngatu.simulate.outgoing import RESEND_S, Outgoing
from ngatu.simulate.rhythm import busyness
from ngatu.simulate.run import RunPlan, Simulation, Summary
from ngatu.simulate.town import TownPlan, make_town
from ngatu.simulate.trouble import KINDS, Trouble
from storage.readings import OUT_OF_RANGE, QUALITY_BITS, STUCK, TOO_FAST
from tests.servers import Broker

START = 1_768_200_000.0  # 2026-01-12 06:40 UTC
SMALL = TownPlan(wards=2, devices_per_ward=5, rate=5.0, broken=0.0, incidents_per_hour=0.0)


@pytest.fixture
def ingesting(dsn: str, private_broker: Broker) -> Iterator[None]:
    settings = Settings(dsn=dsn, broker=BrokerAddress.parse(private_broker.url), metrics_port=None)
    stopped = Event()
    thread = Thread(target=ingest, args=(settings, stopped.is_set))
    thread.start()
    yield
    stopped.set()
    thread.join(30)


def scalar(db: psycopg.Connection, query: str) -> int:
    row = db.execute(query.encode()).fetchone()
    assert row is not None
    return int(row[0])


def simulate(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ngatu", "simulate", *arguments]
    return subprocess.run(command, check=False, capture_output=True, text=True, timeout=100)


def hear(device: Device, until: float) -> list[object]:
    """What a device says, decoded as ingest would."""
    return [decode(str(Topic(device.site.name, said.kind)), said.payload).body for said in device.speak(until)]


def readings(device: Device, until: float) -> list[Reading]:
    return [reading for body in hear(device, until) if isinstance(body, list) for reading in body]


@pytest.mark.usefixtures("ingesting")
def test_all_that_a_small_city_says_is_in_the_database_once(db: psycopg.Connection, private_broker: Broker) -> None:
    plan = RunPlan(seconds=4, batch_s=0.5, drain_s=30)
    town = TownPlan(wards=2, devices_per_ward=5, rate=5.0, broken=0.3, incidents_per_hour=50_000.0)
    summary = Simulation(BrokerAddress.parse(private_broker.url), town, plan).run(Event())
    assert summary.good
    assert summary.readings == scalar(
        db, "SELECT (SELECT count(*) FROM reading) + (SELECT count(*) FROM misdated_reading)"
    )
    assert summary.readings > 100
    assert scalar(db, "SELECT count(*) FROM device WHERE about IS NOT NULL AND ward_code IS NOT NULL") == 10
    assert summary.by_kind["incident"] == 2 * scalar(db, "SELECT count(*) FROM incident WHERE state = 'end'")
    assert scalar(db, "SELECT count(*) FROM rejected") == 0
    assert scalar(db, "SELECT count(*) FROM gap") == 0
    assert scalar(db, "SELECT count(*) FROM series WHERE NOT declared") == 0


@pytest.mark.usefixtures("ingesting")
def test_what_works_is_stored_as_good_and_what_is_broken_is_flagged(
    db: psycopg.Connection, private_broker: Broker
) -> None:
    often = {"rate": 20.0, "trouble_every_s": (4.0, 4.0), "incidents_per_hour": 0.0}
    town = TownPlan(wards=1, devices_per_ward=40, broken=0.5, seed=5, **often)  # type: ignore[arg-type]  # facts above
    simulation = Simulation(BrokerAddress.parse(private_broker.url), town, RunPlan(seconds=8, drain_s=30))
    assert simulation.run(Event()).good
    kinds = {device.site.name: device.site.trouble.kind for device in simulation.devices}
    flags: dict[str, set[int]] = {kind: set() for kind in kinds.values()}
    told = (
        "SELECT DISTINCT d.name, quality"
        " FROM reading JOIN series s ON s.id = series_id JOIN device d ON d.id = device_id"
    )
    for name, quality in db.execute(told):
        flags[kinds[name]] |= {bit for bit in QUALITY_BITS if quality & bit}
    assert flags["none"] == set()
    assert STUCK in flags["stuck"]
    assert {OUT_OF_RANGE, TOO_FAST} <= flags["out_of_range"]


@pytest.mark.usefixtures("ingesting")
def test_days_gone_by_are_filled_at_once_from_the_command_line(db: psycopg.Connection, private_broker: Broker) -> None:
    town = ["--wards", "1", "--devices-per-ward", "3", "--broken", "0", "--incidents-per-hour", "0"]
    result = simulate("--mqtt", private_broker.url, *town, "--seconds", "0", "--history", "0.5", "--json")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["readings"] == scalar(db, "SELECT count(*) FROM reading") == 3 * 144
    assert scalar(db, "SELECT count(DISTINCT at) FROM traffic") == 720
    assert scalar(db, "SELECT count(*) FROM reading WHERE at < now() - interval '11 hours'") > 20


def test_a_broker_that_is_not_there_is_said_in_one_line() -> None:
    result = simulate("--mqtt", "http://nowhere", "--seconds", "0")
    assert result.returncode == 1
    assert "is not mqtt://" in result.stderr


def test_the_same_seed_is_the_same_city_and_another_is_another() -> None:
    def says(seed: int) -> list[object]:
        town = make_town(TownPlan(wards=3, devices_per_ward=4, incidents_per_hour=600.0, seed=seed), START)
        return [body for device in town for body in hear(device, START + 300)]

    assert says(1) == says(1)
    assert says(1) != says(2)


def test_devices_stand_in_their_wards_and_measure_what_they_declared() -> None:
    for device in make_town(SMALL, START):
        about = decode(f"ngatu/v1/{device.site.name}/about", device.about(START).payload).body
        assert isinstance(about, About)
        names = {sensor.name: sensor for sensor in about.sensors}
        heard = readings(device, START + 60)
        assert len(heard) in {299, 300, 301}
        for reading in heard:
            sensor = names[reading.series]
            assert sensor.unit == reading.unit
            assert isinstance(reading.value, float)
            assert sensor.minimum is not None
            assert sensor.maximum is not None
            assert sensor.minimum <= reading.value <= sensor.maximum


@pytest.mark.parametrize("kind", KINDS)
def test_each_trouble_shows_as_itself(kind: str) -> None:
    town = TownPlan(wards=1, devices_per_ward=60, rate=1.0, broken=1.0, trouble_every_s=(100.0, 100.0), seed=3)
    device = next(d for d in make_town(town, START) if d.site.trouble.kind == kind)
    trouble = device.site.trouble
    parts = [readings(device, START + second) for second in range(2, 402, 2)]
    heard = [reading for part in parts for reading in part]
    if kind == "dropout":
        assert 190 <= len(heard) <= 330
    elif kind == "late":
        assert max(map(len, parts)) >= 18
    elif kind == "wrong_clock":
        assert all(r.at is not None and START <= r.at - trouble.offset_s <= START + 400 for r in heard)
    else:
        ill = [r for r in heard if r.at is not None and trouble.is_on(trouble.kind, r.at)]
        assert 50 <= len(ill) <= 210
        if kind == "stuck":
            runs = {(r.series, r.value) for r in ill}
            assert len(runs) <= len(ill) / 4
        else:
            assert {r.value for r in ill} == {gauge.maximum * 1.5 + 1 for gauge in device.site.gauges}


def test_streets_are_busy_when_people_go_to_work() -> None:
    monday, sunday = datetime(2026, 1, 12, 7, 45), datetime(2026, 1, 11, 7, 45)  # noqa: DTZ001 - local by meaning
    assert busyness(monday) > 2 * busyness(sunday)
    assert busyness(monday) > 5 * busyness(monday.replace(hour=3))


def test_a_camera_counts_and_its_incidents_end() -> None:
    town = make_town(TownPlan(wards=1, devices_per_ward=1, incidents_per_hour=3000.0, broken=0.0), START)
    bodies = [body for second in range(2, 900, 2) for body in hear(town[0], START + second)]
    incidents = [body for body in bodies if isinstance(body, Incident)]
    ended = {incident.id for incident in incidents if incident.state == "end"}
    assert len(ended) > 3
    assert all(incident.rev == 2 for incident in incidents if incident.state == "end")
    assert ended <= {incident.id for incident in incidents if incident.state == "open"}


def test_a_device_that_nobody_hears_keeps_what_it_measures_and_gives_nothing_up(
    db: psycopg.Connection, private_broker: Broker
) -> None:
    town = TownPlan(wards=2, devices_per_ward=5, rate=50.0, broken=0.0, incidents_per_hour=0.0)
    plan = RunPlan(seconds=6, batch_s=0.1, window=100, drain_s=60)
    simulation = Simulation(BrokerAddress.parse(private_broker.url), town, plan)
    stop, summaries = Event(), list[Summary]()
    thread = Thread(target=lambda: summaries.append(simulation.run(stop)))
    thread.start()
    thread.join(5)  # 3000 messages, if nobody minded the window
    settings = Settings(dsn=db.info.dsn, broker=BrokerAddress.parse(private_broker.url), metrics_port=None)
    enough = Event()
    listening = Thread(target=ingest, args=(settings, enough.is_set))
    listening.start()
    thread.join(90)
    stop.set()
    enough.set()
    listening.join(30)
    (summary,) = summaries
    assert summary.good
    assert summary.readings == scalar(db, "SELECT count(*) FROM reading") >= 2900


def test_what_finds_no_room_is_given_up_and_said_until_that_is_acknowledged() -> None:
    outgoing = Outgoing(2)
    made = [outgoing.number("d", "readings", b"", START, 1) for _ in range(5)]
    assert [one is not None for one in made] == [True, True, False, False, False]
    (given,) = outgoing.given_up_of("d")
    assert (given.first, given.last) == (3, 5)
    outgoing.acknowledged("d", {given.stream: [(1, 1)]}, 0.0)
    assert len(outgoing) == 1
    outgoing.acknowledged("d", {given.stream: [(1, 5)]}, 0.0)
    assert (len(outgoing), outgoing.given_up_of("d"), outgoing.tally.acknowledged) == (0, (), 2)


def test_what_no_ack_covers_is_sent_again_ever_more_patiently() -> None:
    outgoing = Outgoing(10)
    one = outgoing.number("d", "readings", b"", START, 1)
    assert one is not None
    outgoing.mark_sent(one, 0.0)
    assert outgoing.due(RESEND_S - 0.1, 9) == []
    assert outgoing.due(RESEND_S, 9) == [one]
    outgoing.mark_sent(one, RESEND_S)
    assert outgoing.due(2.5 * RESEND_S, 9) == []
    assert outgoing.due(3 * RESEND_S, 9) == [one]


def test_a_slow_database_is_not_made_slower_by_copies() -> None:
    outgoing = Outgoing(100)
    for second in range(80):
        one = outgoing.number("d", "readings", b"", START, 1)
        assert one is not None
        outgoing.mark_sent(one, float(second))
        outgoing.acknowledged("d", {one.id.stream: [(1, one.id.seq)]}, second + 9.0)
    assert 30 < outgoing.patience < 40


def test_trouble_comes_and_goes() -> None:
    chance = random.Random(0)
    trouble = Trouble(kind="stuck", every_s=100, lasting_s=30, phase_s=chance.uniform(0, 100))
    on = sum(trouble.is_on("stuck", START + second) for second in range(1000))
    assert on == 300
