"""`ngatu bench aggregates`: what aggregating costs, against plain SQL and against a table a hundred times larger."""

import logging
import os
import random
import shutil
import signal
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Final

from ngatu.home import find_home
from ngatu.process.child import Child, ChildFailed
from ngatu.process.guard import Guard
from ngatu.process.ports import free_port
from ngatu.servers import postgres
from ngatu.servers.packages import server_packages
from storage import bench_aggregates as bench
from storage.connect import connect
from storage.migrate import migrate

log: Final = logging.getLogger(__name__)

TURNS: Final = 3
WARM_UP: Final = 5  # late readings that are not counted: the first opens the catalogue
BYTES_A_ROW: Final = 220  # itself, its index entry, its part of the aggregates, and room to sort


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Times in seconds; rates in raw readings a second."""

    ratio_to_plain: float  # our rate over that of one plain INSERT … SELECT … GROUP BY; medians by turns
    late_cost_growth: float  # a late reading's cost in the larger table over that in the smaller, by turns
    late_cost_growth_in_memory: float  # the same of a second one of that series and day
    late_pages_growth: float  # pages looked at, for pages looked at
    plain_rate: float
    our_rate: float
    compared_rows: int
    small_rows: int
    large_rows: int
    small_late_s: float
    large_late_s: float
    small_late_pages: float  # of the database that one late reading looks at
    large_late_pages: float
    large_late_pages_read: float  # of these, not in PostgreSQL's own memory


def measure(*, rows: int, times: int, compared_days: int, repeats: int, folder: Path | None) -> Figures:
    """Run everything on a private server in `folder` (a temporary one by default), thrown away afterwards.

    Raises:
        ChildFailed: the disk has no room for it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # its gigabytes go, however it ends
    series = -(-rows // bench.A_DAY)
    compared = min(compared_days, times)
    with ExitStack() as stack:
        where = stack.enter_context(_room(folder, series * bench.A_DAY * times * BYTES_A_ROW))
        small_dsn, large_dsn = stack.enter_context(_server(where, series))
        small_rows, large_rows = _filled(small_dsn, 1, series), _filled(large_dsn, times, series)
        small = stack.enter_context(connect(small_dsn, application="ngatu bench"))
        large = stack.enter_context(connect(large_dsn, application="ngatu bench"))
        plain, ours = (median(told) for told in bench.compare(large, compared, TURNS))
        bench.land_everything(small_dsn, 1)
        bench.land_everything(large_dsn, times)
        log.info("landed rows=%d", large_rows)
        chosen = random.Random(1)  # noqa: S311 — where to look, nothing to guess
        turns = [
            [bench.late_costs(conn, days, series, chosen) for conn, days in ((small, 1), (large, times))]
            for _ in range(WARM_UP + repeats)
        ]
    small_late, small_next, large_late, large_next = (
        _median(turn[size][which] for turn in turns[WARM_UP:]) for size in (0, 1) for which in (0, 1)
    )
    compared_rows = compared * small_rows
    return Figures(
        ratio_to_plain=plain / ours,
        late_cost_growth=large_late.seconds / small_late.seconds,
        late_cost_growth_in_memory=large_next.seconds / small_next.seconds,
        late_pages_growth=large_late.pages / small_late.pages,
        plain_rate=compared_rows / plain,
        our_rate=compared_rows / ours,
        compared_rows=compared_rows,
        small_rows=small_rows,
        large_rows=large_rows,
        small_late_s=small_late.seconds,
        large_late_s=large_late.seconds,
        small_late_pages=small_late.pages,
        large_late_pages=large_late.pages,
        large_late_pages_read=large_late.pages_read,
    )


def _median(costs: Iterable[bench.Cost]) -> bench.Cost:
    return bench.Cost(*(median(column) for column in zip(*costs, strict=True)))


def _filled(dsn: str, days: int, series: int) -> int:
    rows = bench.fill(dsn, range(days), series)
    log.info("filled rows=%d", rows)
    return rows


@contextmanager
def _room(folder: Path | None, needed: int) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="ngatu-bench-", dir=folder) as made:
        where = Path(made)
        where.chmod(0o755)
        free = shutil.disk_usage(where).free
        log.info("needs %.0f GB in %s meanwhile; %.0f GB are free", needed / 1e9, where.parent, free / 1e9)
        if free < needed:
            raise ChildFailed(
                f"{where.parent}: {free / 1e9:.0f} GB free, {needed / 1e9:.0f} needed: take a smaller --times"
            )
        yield where


@contextmanager
def _server(where: Path, series: int) -> Iterator[tuple[str, str]]:
    """Two databases with the schema and the series, on a server of our own."""
    guard = Guard()
    cluster = postgres.Cluster(
        packages=server_packages(find_home(os.environ)), folder=where / "postgres", port=free_port()
    )
    postgres.initialise(cluster)
    child = Child(postgres.program(cluster), guard)
    with ExitStack() as stack:
        stack.callback(guard.close)
        child.start()
        stack.callback(child.stop)
        child.wait_ready(cluster.ready, timeout=60)
        small, large = (postgres.ensure_database(cluster, name) for name in ("small", "large"))
        for dsn in (small, large):
            migrate(dsn)
            with connect(dsn, application="ngatu bench") as conn:
                bench.begin(conn, series)
        yield small, large
