"""The runs: each limit, then ingest, with the same messages on the same servers."""

import logging
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final, NamedTuple

import msgspec
import psutil

from ngatu.bench.ingest.company import Company, asking, beside, company
from ngatu.bench.ingest.figures import Run
from ngatu.bench.ingest.load import STEP, Load
from ngatu.bench.ingest.null_consumer import Duty
from ngatu.bench.ingest.process import pipe, process
from ngatu.bench.ingest.publisher import Order, Sent
from ngatu.bench.place import Place, busy, servers
from storage.audit import count_readings
from storage.connect import connect
from storage.ledger import held
from storage.readings import copy_readings

log: Final = logging.getLogger(__name__)

COPY_ROWS: Final = 20_000  # in each transaction of the bare COPY
STALLED_S: Final = 30.0
FOREIGN_MESSAGES: Final = 100_000  # at most: nobody confirms them, so they must fit in the broker's queue
NAMES: Final = {True: "ours", False: "foreign"}


class Limits(NamedTuple):
    """What others reach on the same servers; None: not measured."""

    copy_per_s: float | None = None  # rows by bare COPY
    null_per_s: float | None = None  # messages that paho acknowledges


def measure(*, sizes: list[int], devices: int, seconds: float, processes: int, foreign: bool) -> list[Run]:
    """Measure each batch size at saturation.

    Args:
        sizes: readings per message.
        devices: that send.
        seconds: about how long each run publishes.
        processes: of ingest, which share the subscription.
        foreign: measure messages without an id too.
    """
    runs: list[Run] = []
    with servers() as place:
        for per in sizes:
            load = _load(per, devices, seconds, len(runs))
            limits = Limits(_bare_copy(place, load), _null_consumer(place, load))
            log.info("limits readings_per_message=%d copy=%.0f null=%.0f", per, *limits)
            for numbered in (True, False) if foreign else (True,):
                load = msgspec.structs.replace(load, numbered=numbered, run=len(runs) + 1)
                runs.append(_ingest(place, place.database(f"run_{load.run}"), load, processes, limits))
                log.info("run %s", msgspec.json.encode(runs[-1]).decode())
    return runs


def measure_steady(*, rate: float, minutes: float, per: int, devices: int, processes: int, alone: bool) -> Run:
    """Measure latency and memory at a rate that is held.

    Args:
        rate: readings a second.
        minutes: for how long.
        per: readings per message.
        devices: that send; each measures `per` series `rate / per / devices` times a second, now.
        processes: of ingest.
        alone: without console and Airflow, which else work on the same database.
    """
    with servers() as place, ExitStack() as stack:
        dsn = place.database("steady")
        others = None if alone else stack.enter_context(company(place, dsn))
        load = Load(
            readings_per_message=per,
            devices=devices,
            messages=round(rate / per * minutes * 60) + devices * 2,
            numbered=True,
            began=time.time(),
            run=1,
            step=devices * per / rate,
        )
        return _ingest(place, dsn, load, processes, Limits(), rate=rate / per, others=others)


def _load(per: int, devices: int, seconds: float, run: int) -> Load:
    messages = round(seconds / (30e-6 + per * 2e-6))
    began = time.time() - messages / devices * STEP - 60
    return Load(readings_per_message=per, devices=devices, messages=messages, numbered=True, began=began, run=100 + run)


def _bare_copy(place: Place, load: Load) -> float:
    """Rows a second that one connection stores, columns in, nothing else done."""
    batches = list(load.batches(COPY_ROWS))
    with connect(place.database(f"copy_{load.run}"), application="ngatu bench copy") as conn:
        for warm in batches[:2]:
            copy_readings(conn, warm)
        began = time.monotonic()
        for batch in batches:
            with conn.transaction():
                copy_readings(conn, batch)
        return sum(map(len, batches)) / (time.monotonic() - began)


def _null_consumer(place: Place, load: Load) -> float:
    """Messages a second that paho acknowledges."""
    order = Order(load=load, port=place.mqtt_port, confirmed_by="ngatu/v1/bench/ack", window=_window(load))
    with process("null_consumer", Duty(load=load, port=place.mqtt_port)) as consumer:
        assert pipe(consumer.stdout).readline() == b"ready\n"
        with process("publisher", order) as publisher:
            pipe(publisher.stdout).readline()
            sent = msgspec.json.decode(pipe(publisher.stdout).read(), type=Sent)
        consumer.wait(10)
    return sent.messages / (sent.ended - sent.began)


def _window(load: Load) -> int:
    """Messages under way: enough for two batches of ingest to wait while one is stored."""
    return 12_000 if load.readings_per_message < 50 else 6000


def _ingest(
    place: Place,
    dsn: str,
    load: Load,
    processes: int,
    limits: Limits,
    *,
    rate: float = 0.0,
    others: Company | None = None,
) -> Run:
    if not load.numbered:
        load = msgspec.structs.replace(load, messages=min(load.messages, FOREIGN_MESSAGES))
    order = Order(
        load=load,
        port=place.mqtt_port,
        confirmed_by="ngatu/v1/+/ack" if load.numbered else None,
        window=_window(load),
        rate=rate,
        warm=min(load.messages // 10, load.devices * 2),
    )
    busy_load = os.getloadavg()[0]
    with ExitStack() as stack:
        pids = stack.enter_context(place.ingesting(dsn, processes))
        publisher = stack.enter_context(process("publisher", order))
        watched = {"publisher": [publisher.pid], "mosquitto": [place.mosquitto_pid], "postgres": [place.postgres_pid]}
        watched["ingest"] = pids
        if others:
            watched |= {"console": [others.console], "airflow": others.airflow}
        pipe(publisher.stdout).readline()
        if others:
            stack.enter_context(asking(others))
        before, memory = _busy(watched), _resident(pids)
        sent = msgspec.json.decode(pipe(publisher.stdout).read(), type=Sent)
        ended = sent.ended if load.numbered else _wait_stored(dsn, load)
        took, after, at_end = ended - sent.began, _busy(watched), _resident(pids)
    lost, doubled = compare(dsn, load)
    readings, messages = sent.messages * load.readings_per_message / took, sent.messages / took
    copy, null = limits
    return Run(
        readings_per_message=load.readings_per_message,
        sender=NAMES[load.numbered],
        processes=processes,
        devices=load.devices,
        messages=load.messages,
        readings_per_s=readings,
        messages_per_s=messages,
        lost=lost,
        doubled=doubled,
        copy_per_s=copy,
        null_per_s=null,
        ratio_to_copy=copy and readings / copy,
        ratio_to_null_consumer=null and messages / null,
        cpu_share={name: round((after[name] - before[name]) / took, 3) for name in watched},
        rss_mb=at_end,
        rss_began_mb=memory,
        latency_p50_s=sent.p50,
        latency_p99_s=sent.p99,
        load=busy_load,
        beside=beside(dsn, others) if others else None,
    )


def _busy(watched: Mapping[str, list[int]]) -> dict[str, float]:
    return {name: sum(map(busy, pids)) for name, pids in watched.items()}


def _resident(pids: list[int]) -> float:
    return max(psutil.Process(pid).memory_info().rss for pid in pids) / 1e6


def _wait_stored(dsn: str, load: Load) -> float:
    """Wait until all rows of foreign devices stand there, or no more come; when the last came."""
    rows, at = 0, time.time()
    with connect(dsn, application="ngatu bench") as conn:
        while rows < load.messages * load.readings_per_message and time.time() - at < STALLED_S:
            time.sleep(0.1)
            now = count_readings(conn).foreign
            if now > rows:
                rows, at = now, time.time()
    return at


def compare(dsn: str, load: Load) -> tuple[int, int]:
    """Return how many readings are missing, by ledger and by rows, whichever is more; how many rows are too many."""
    per, streams = load.readings_per_message, [load.stream(number) for number in range(load.devices)]
    with connect(dsn, application="ngatu bench") as conn:
        counts = count_readings(conn)
        came = sum(last - first + 1 for stream in held(conn, streams).values() for first, last in stream.came)
    rows = counts.ours if load.numbered else counts.foreign
    missing = load.messages * per - rows
    unledgered = (load.messages - came) * per if load.numbered else 0
    return max(missing, unledgered, 0), max(-missing, 0)
