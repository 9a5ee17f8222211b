"""The benchmark of ingest measures what it says."""

import json
import subprocess
import sys
import time

import msgspec
import numpy as np
import pytest

from events.pack import decode_pack
from ingest.mqtt.packets import Publish, read_packets
from ngatu.bench.ingest.figures import Beside, Run, headline
from ngatu.bench.ingest.load import Load
from ngatu.bench.ingest.measure import compare
from ngatu.home import CHECKOUT
from storage.connect import connect
from storage.readings import copy_readings

LOAD = Load(readings_per_message=3, devices=2, messages=7, numbered=False, began=1_760_000_000.0, run=1)
FIELDS = {"readings_per_s", "messages_per_s", "lost", "ratio_to_copy", "ratio_to_null_consumer", "cpu_share", "rss_mb"}


def test_copy_gets_the_rows_that_the_messages_say() -> None:
    packets, _ = read_packets(LOAD.packets(0, 100))
    assert len(packets) == 7
    ats, values = [], []
    for packet in packets:
        assert isinstance(packet, Publish)
        for reading in decode_pack(packet.payload, packet.topic.split("/")[2]).readings():
            ats.append(round((reading.at or 0) * 1e6))
            values.append(reading.value)
    batches = list(LOAD.batches(5))
    np.testing.assert_allclose(np.concatenate([batch.at for batch in batches]), ats, atol=1)
    assert np.concatenate([batch.value for batch in batches]).tolist() == values


def test_what_is_missing_is_counted_and_so_is_what_is_too_much(dsn: str) -> None:
    load = msgspec.structs.replace(LOAD, numbered=True)
    with connect(dsn, application="test") as conn:
        for batch in load.batches(20):
            copy_readings(conn, batch)
        assert compare(dsn, load) == (21, 0)  # a row is missing, and the ledger has no message
        assert compare(dsn, msgspec.structs.replace(LOAD, numbered=False)) == (21, 0)
        copy_readings(conn, batch)
        copy_readings(conn, batch)
    assert compare(dsn, load) == (21, 2)


def test_a_run_that_lost_something_is_not_good_however_fast(run: Run) -> None:
    assert run.good
    assert not msgspec.structs.replace(run, lost=1).good
    assert not msgspec.structs.replace(run, doubled=1).good
    assert not msgspec.structs.replace(run, ratio_to_null_consumer=1.2).good
    assert not msgspec.structs.replace(run, readings_per_message=100, ratio_to_copy=0.5).good


def test_a_rate_that_is_held_too_late_is_not_good(run: Run) -> None:
    held = msgspec.structs.replace(run, ratio_to_copy=None, ratio_to_null_consumer=None, latency_p99_s=0.4)
    assert held.good
    assert not msgspec.structs.replace(held, latency_p99_s=0.6).good


def test_a_rate_that_is_held_while_the_console_refuses_is_not_good(run: Run) -> None:
    beside = Beside(quarters=1, asked=9, refused=0, p50_s=0.1, p99_s=0.2)
    held = msgspec.structs.replace(
        run, ratio_to_copy=None, ratio_to_null_consumer=None, latency_p99_s=0.4, rss_mb=3, beside=beside
    )
    assert held.good
    assert headline([held]) == {
        "readings_per_s": 1, "latency_p99_s": 0.4, "rss_growth_mb": 2, "lost": 0, "doubled": 0
    }  # fmt: skip
    assert not msgspec.structs.replace(held, beside=msgspec.structs.replace(beside, refused=1)).good


def test_the_worst_of_each_goal_is_the_headline(run: Run) -> None:
    worse = msgspec.structs.replace(run, ratio_to_null_consumer=1.5, lost=3)
    assert headline([run, worse]) == {"ratio_to_null_consumer_at_1": 1.5, "lost": 3, "doubled": 0}


@pytest.fixture
def run() -> Run:
    return Run(
        readings_per_message=1,
        sender="ours",
        processes=1,
        devices=1,
        messages=1,
        readings_per_s=1,
        messages_per_s=1,
        lost=0,
        doubled=0,
        copy_per_s=1,
        null_per_s=1,
        ratio_to_copy=0.1,
        ratio_to_null_consumer=2.0,
        cpu_share={},
        rss_mb=1,
        rss_began_mb=1,
        latency_p50_s=None,
        latency_p99_s=None,
        load=0,
    )


def test_the_benchmark_runs_and_prints_one_object() -> None:
    began = time.monotonic()
    command = (sys.executable, "-m", "ngatu", "bench", "ingest", "--json")
    options = ("--readings-per-message", "10", "--devices", "3", "--seconds", "1", "--processes", "2")
    done = subprocess.run([*command, *options], cwd=CHECKOUT, capture_output=True, check=False)
    runs = json.loads(done.stdout)["runs"]
    assert [(of["sender"], of["lost"], of["doubled"]) for of in runs] == [("ours", 0, 0), ("foreign", 0, 0)]
    for of in runs:
        assert of.keys() >= FIELDS
        assert 0 < of["messages"] * 10 / of["readings_per_s"] < time.monotonic() - began
    assert 0 < runs[0]["latency_p50_s"] <= runs[0]["latency_p99_s"]
    assert done.returncode == 0
