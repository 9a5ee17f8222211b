"""Who else is at work while a rate is held: Airflow with every DAG, the console, and a planner who asks it."""

import logging
import math
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final

import httpx
import numpy as np

from ngatu.bench.ingest.figures import Beside
from ngatu.bench.place import Place
from ngatu.home import CHECKOUT
from ngatu.passwords import Passwords
from ngatu.process.child import Child, Program
from ngatu.process.ports import free_port
from ngatu.servers import airflow
from ngatu.servers.postgres import ensure_database
from storage.connect import connect
from storage.progress import progress

EVERY_S: Final = 1.0  # between a planner's questions
ADMIN: Final = "admin"
QUESTIONS: Final = ("/devices", "/incidents", "/series?limit=20", "/series/1/readings")  # a planner's page


@dataclass(slots=True)
class Company:
    """The others: which processes they are, and how long the console took to answer."""

    address: str  # of the console
    password: str
    console: int = 0
    airflow: list[int] = field(default_factory=list)
    answers_s: list[float] = field(default_factory=list)
    refused: int = 0  # questions without a good answer


@contextmanager
def company(place: Place, dsn: str) -> Iterator[Company]:
    """Run console and Airflow on `dsn`."""
    passwords = Passwords()
    site = airflow.AirflowSite(
        folder=place.folder / "airflow",
        port=free_port(),
        metadata_dsn=ensure_database(place.cluster, "airflow"),
        data_dsn=dsn,
        password=passwords.admin,
        jwt_secret=passwords.airflow_jwt,
        fernet_key=passwords.airflow_fernet,
    )
    port = free_port()
    others = Company(address=f"http://127.0.0.1:{port}", password=passwords.admin)
    airflow.initialise(site)
    with ExitStack() as stack:
        console = _start(stack, place, _console(place, dsn, port, passwords))
        console.wait_ready(lambda: _answers(f"{others.address}/healthz"), timeout=60)
        others.console = console.pid or 0
        processes = [_start(stack, place, program) for program in airflow.programs(site, place.folder)]
        processes[0].wait_ready(
            lambda: airflow.healthy(site, "metadatabase", "scheduler", "dag_processor"), timeout=180
        )
        others.airflow = [process.pid or 0 for process in processes]
        yield others


@contextmanager
def asking(others: Company) -> Iterator[None]:
    """Ask the console for devices, incidents and a series each second."""
    ended = threading.Event()
    planner = threading.Thread(target=_ask, args=(others, ended))
    planner.start()
    try:
        yield
    finally:
        ended.set()
        planner.join()


def beside(dsn: str, others: Company) -> Beside:
    """Return what the others got done."""
    with connect(dsn, application="ngatu bench") as conn:
        quarters = progress(conn).quarters
    p50, p99 = np.percentile(others.answers_s, [50, 99]).tolist() if others.answers_s else (math.nan, math.nan)
    return Beside(quarters=quarters, asked=len(others.answers_s), refused=others.refused, p50_s=p50, p99_s=p99)


def _console(place: Place, dsn: str, port: int, passwords: Passwords) -> Program:
    return Program(
        name="console",
        command=(sys.executable, "-m", "console"),
        log=place.folder / "console.log",
        environ={
            "NGATU_DSN": dsn,
            "NGATU_HOST": "127.0.0.1",
            "NGATU_PORT": str(port),
            "NGATU_ADMIN_PASSWORD": passwords.admin,
            "NGATU_STORAGE_SECRET": passwords.storage_secret,
            "HOME": str(place.folder),
        },
        cwd=CHECKOUT,
    )


def _start(stack: ExitStack, place: Place, program: Program) -> Child:
    child = Child(program, place.guard)
    child.start()
    stack.callback(child.stop)
    return child


def _answers(address: str) -> bool:
    try:
        return httpx.get(address, timeout=3).is_success
    except httpx.HTTPError:
        return False


def _ask(others: Company, ended: threading.Event) -> None:
    logging.getLogger("httpx").setLevel(logging.WARNING)  # it tells each question
    with httpx.Client(base_url=f"{others.address}/api", auth=(ADMIN, others.password), timeout=30) as client:
        while not ended.wait(EVERY_S):
            began = time.monotonic()
            for question in QUESTIONS:
                others.refused += not _good(client, question)
            others.answers_s.append(time.monotonic() - began)


def _good(client: httpx.Client, question: str) -> bool:
    try:
        return client.get(question).is_success
    except httpx.HTTPError:
        return False
