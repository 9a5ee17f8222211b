"""Agents whose clocks are wrong, with the real other end: broker, ingest, database, and what a person is shown."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from typer.testing import CliRunner

from edge.inspection import inspect
from ngatu.cli import build
from ngatu.home import CHECKOUT
from ngatu.process.child import Child, Program
from ngatu.process.guard import Guard
from tests.servers import Broker, WaitFor

CLOCK = """
import os, runpy, sys, time
true, began, turned = time.time, time.monotonic(), sys.argv[2]
time.time = lambda: (lambda elapsed, is_turned: {now})(time.monotonic() - began, os.path.exists(turned))
sys.argv = ["edge", sys.argv[1]]
runpy.run_module("edge", run_name="__main__", alter_sys=True)
"""
HOUR = 3600.0
DUPLICATE_TIME = 64  # read at one time, by no clock, and told by ours
Shown = Callable[[str], Any]
READINGS = """
SELECT s.name, r.value, r.quality, extract(epoch FROM r.received - r.at)::float8
FROM (SELECT * FROM reading UNION ALL SELECT * FROM misdated_reading) r
JOIN series s ON s.id = r.series_id JOIN device d ON d.id = s.device_id WHERE d.name = %s"""
QUICK_EARS = "import ingest.clock, sys, ingest.__main__ as m; ingest.clock.WINDOW = 1.0; sys.exit(m.main())"


@pytest.fixture
def ingest(dsn: str, private_broker: Broker, guard: Guard, tmp_path: Path) -> Iterator[None]:
    program = Program(
        name="ingest",
        command=(sys.executable, "-c", QUICK_EARS),
        log=tmp_path / "ingest.log",
        environ={"NGATU_DSN": dsn, "NGATU_MQTT_URL": private_broker.url},
        cwd=CHECKOUT,
    )
    child = Child(program, guard)
    child.start()
    yield
    child.stop()


@contextmanager
def agent(folder: Path, broker: Broker, device: str, now: str, *, quiet: bool = False) -> Iterator[Path]:
    """An agent in a folder of its own, which it gives.

    Its clock says `now`: an expression of `true()`, `elapsed` seconds, and `is_turned`: there is a file `turned`.
    """
    home = folder / device
    home.mkdir(exist_ok=True)
    document = {
        "device": device,
        "broker": {"url": broker.url},
        "uplink": {"status_s": 0.5, "resend_s": 1},
        "sensors_s": 0.2,
        "sensors": [] if quiet else [{"kind": "generator", "rate": 20, "series": 2, "log": "made.csv"}],
    }
    (home / "agent.yaml").write_text(yaml.safe_dump(document))
    command = [
        sys.executable,
        "-W",
        "error",
        "-c",
        CLOCK.format(now=now),
        str(home / "agent.yaml"),
        str(home / "turned"),
    ]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=CHECKOUT, stdout=log, stderr=log)
    try:
        yield home
        process.terminate()
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def shown(dsn: str) -> Shown:
    """What `ngatu devices` says of one."""

    def show(device: str) -> Any:
        told = CliRunner().invoke(build(), ["devices", "--dsn", dsn, "--json"])
        return next((one for one in json.loads(told.stdout)["devices"] if one["name"] == device), {})

    return show


def stored(db: psycopg.Connection, device: str) -> list[tuple[str, float, int, float]]:
    return db.execute(READINGS, [device]).fetchall()


Drain = Callable[[str], int]


@pytest.fixture
def drain(tmp_path: Path, private_broker: Broker, wait_for: WaitFor) -> Drain:
    """Let a device send what it still holds; return how many readings it has made in all."""

    def until_empty(device: str) -> int:
        outbox = tmp_path / device / "agent" / "outbox.db"
        before = {one.stream for one in inspect(outbox, None).streams}

        def is_drained() -> bool:
            now = inspect(outbox, None)
            return not now.messages and bool({one.stream for one in now.streams} - before)  # what it says of itself too

        with agent(tmp_path, private_broker, device, "true()", quiet=True) as home:
            wait_for(is_drained)
        return len((home / "made.csv").read_text().splitlines())

    return until_empty


@pytest.mark.usefixtures("ingest")
def test_a_clock_that_is_an_hour_ahead_is_shown_and_its_readings_are_kept_apart(
    tmp_path: Path, private_broker: Broker, db: psycopg.Connection, shown: Shown, drain: Drain, wait_for: WaitFor
) -> None:
    with agent(tmp_path, private_broker, "ahead", f"true() + {HOUR}"):
        wait_for(lambda: (shown("ahead").get("clock_offset_s") or 0) > 1)
        assert shown("ahead")["clock_offset_s"] == pytest.approx(HOUR, abs=5)
        wait_for(lambda: len(stored(db, "ahead")) >= 40)
    made = drain("ahead")
    rows = stored(db, "ahead")
    assert {quality for _, _, quality, _ in rows} == {2}
    assert all(late == pytest.approx(-HOUR, abs=30) for *_, late in rows), "the time of receipt stands beside it"
    assert len(rows) == made
    told = CliRunner().invoke(build(), ["devices", "--dsn", db.info.dsn]).stdout
    assert "+3600" in told or "+3599" in told


@pytest.mark.usefixtures("ingest")
def test_a_clock_of_1970_sends_no_times_until_it_is_set_and_loses_nothing(
    tmp_path: Path, private_broker: Broker, db: psycopg.Connection, shown: Shown, drain: Drain, wait_for: WaitFor
) -> None:
    with agent(tmp_path, private_broker, "reset", "true() if is_turned else 1000.0 + elapsed") as home:
        wait_for(lambda: stored(db, "reset"))
        assert {quality for _, _, quality, _ in stored(db, "reset")} == {4}, "no time of its own: told by ours"
        (home / "turned").touch()
        wait_for(lambda: shown("reset").get("clock_offset_s") is not None)
        assert shown("reset")["clock_offset_s"] == pytest.approx(0, abs=5)
        wait_for(lambda: 0 in {quality for _, _, quality, _ in stored(db, "reset")})
    made = drain("reset")
    rows = stored(db, "reset")
    assert {quality & ~DUPLICATE_TIME for _, _, quality, _ in rows} == {0, 4}
    assert all(-1 <= late < 30 for *_, late in rows), "nothing is of 1970"
    assert len(rows) == made


@pytest.mark.usefixtures("ingest")
def test_a_clock_that_jumps_back_is_shown_and_nothing_is_lost_or_doubled(
    tmp_path: Path, private_broker: Broker, db: psycopg.Connection, shown: Shown, drain: Drain, wait_for: WaitFor
) -> None:
    with agent(tmp_path, private_broker, "jumps", f"true() - ({HOUR} if is_turned else 0)") as home:
        wait_for(lambda: shown("jumps").get("clock_offset_s") is not None)
        assert shown("jumps")["clock_offset_s"] == pytest.approx(0, abs=5)
        (home / "turned").touch()
        wait_for(lambda: shown("jumps")["clock_offset_s"] < -HOUR + 5)
    made = drain("jumps")
    assert len(stored(db, "jumps")) == made
    assert db.execute("SELECT count(*) FROM gap").fetchone() == (0,)
