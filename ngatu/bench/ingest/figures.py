"""What was measured, as it is printed."""

import math
from typing import Final

import msgspec

from ngatu.table import table

MANY: Final = 100  # readings a message from which on COPY is the limit
TO_COPY: Final = 0.6
TO_NULL: Final = 1.3
STEADY_P99_S: Final = 0.5


class Beside(msgspec.Struct, frozen=True, kw_only=True):
    """What Airflow and the console did while a rate was held."""

    quarters: int  # 15-minute aggregates that Airflow landed
    asked: int  # times that a planner's page was asked for, four questions each
    refused: int  # questions without a good answer
    p50_s: float  # for the four together
    p99_s: float


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One batch size, sent one way."""

    readings_per_message: int
    sender: str  # "ours": with our envelope; "foreign": without an id
    processes: int  # of ingest
    devices: int
    messages: int
    readings_per_s: float  # committed
    messages_per_s: float
    lost: int  # readings that are not in the tables, or messages that the ledger misses
    doubled: int  # rows too many
    copy_per_s: float | None  # rows a second of bare binary COPY on one connection, same rows
    null_per_s: float | None  # messages a second that a paho consumer acknowledges, same bytes
    ratio_to_copy: float | None
    ratio_to_null_consumer: float | None
    cpu_share: dict[str, float]  # of one core
    rss_mb: float  # of the largest ingest process, at the end
    rss_began_mb: float  # the same, before
    latency_p50_s: float | None  # publish → the device knows that it is committed; None: foreign devices are not told
    latency_p99_s: float | None
    load: float  # of the machine when the run began: processes that wanted to run
    beside: Beside | None = None  # None: ingest was alone

    @property
    def good(self) -> bool:
        """Whether the goal of its batch size is met."""
        if self.lost or self.doubled or (self.beside and self.beside.refused):
            return False
        if self.ratio_to_copy is None or self.ratio_to_null_consumer is None:  # a rate that was held
            return self.latency_p99_s is not None and self.latency_p99_s <= STEADY_P99_S
        if self.sender != "ours":
            return True
        if self.readings_per_message >= MANY:
            return self.ratio_to_copy >= TO_COPY
        return self.readings_per_message > 1 or self.ratio_to_null_consumer >= TO_NULL


def headline(runs: list[Run]) -> dict[str, float]:
    """Return the figures that have goals, each the worst of `runs`."""
    ours = [run for run in runs if run.sender == "ours"]
    to_copy = [r.ratio_to_copy for r in ours if r.readings_per_message >= MANY and r.ratio_to_copy is not None]
    to_null = [r.ratio_to_null_consumer for r in ours if r.readings_per_message == 1 and r.ratio_to_null_consumer]
    told = {"ratio_to_copy_at_100": to_copy, "ratio_to_null_consumer_at_1": to_null}
    steady = [run for run in ours if run.ratio_to_copy is None and run.latency_p99_s is not None]
    held = {
        "readings_per_s": [run.readings_per_s for run in steady],
        "latency_p99_s": [run.latency_p99_s or math.inf for run in steady],
        "rss_growth_mb": [run.rss_mb - run.rss_began_mb for run in steady],
    }
    return {
        **{name: min(ratios) for name, ratios in told.items() if ratios},
        **{name: (min if name == "readings_per_s" else max)(values) for name, values in held.items() if values},
        "lost": sum(run.lost for run in runs),
        "doubled": sum(run.doubled for run in runs),
    }


def as_table(runs: list[Run]) -> str:
    """Lay out the figures for a terminal."""
    headers = "per message|sender|readings/s|messages/s|lost|of COPY|of null|p50 s|p99 s|RSS MB|load|cpu share"
    beside = [f"\n{_told(run.beside)}" for run in runs if run.beside]
    return table(headers.split("|"), [_cells(run) for run in runs]) + "".join(beside)


def _told(beside: Beside) -> str:
    return (
        f"beside it: {beside.quarters:,} 15-minute aggregates landed; the console asked {beside.asked} times, "
        f"{beside.refused} refused, answers p50 {beside.p50_s:.2f} s, p99 {beside.p99_s:.2f} s"
    )


def _cells(run: Run) -> list[object]:
    shares = " ".join(f"{name} {share:.2f}" for name, share in run.cpu_share.items())
    return [
        run.readings_per_message,
        run.sender if run.processes == 1 else f"{run.sender}, {run.processes} ingests",
        f"{run.readings_per_s:,.0f}",
        f"{run.messages_per_s:,.0f}",
        run.lost,
        _two(run.ratio_to_copy),
        _two(run.ratio_to_null_consumer),
        _two(run.latency_p50_s),
        _two(run.latency_p99_s),
        f"{run.rss_began_mb:.0f}→{run.rss_mb:.0f}",
        f"{run.load:.1f}",
        shares,
    ]


def _two(value: float | None) -> str | None:
    return None if value is None else f"{value:.2f}"
