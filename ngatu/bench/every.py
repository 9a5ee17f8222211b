"""Every verb of `ngatu bench`, one after the other: a table for people, a JSON file for whoever compares."""

import json
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from ngatu.home import CHECKOUT

FRAME: Final = " ╭─╮│╰╯"  # that typer draws round its errors
PATIENCE: Final = 6  # times as long as it takes on an idle machine
STILL: Final = 600.0  # seconds that each is given beside
ENDING: Final = 60.0  # seconds to clean up in


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """One benchmark."""

    verb: str  # of `ngatu bench`, with its options, separated by blanks
    minutes: float  # that it takes on two idle cores


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark said."""

    name: str
    met: bool  # its goal, by its own exit code
    figures: dict[str, Any]
    seconds: float = 0.0  # that it took
    error: str | None = None  # the last thing that it said where it broke


def run_all(parts: Iterable[Part]) -> Iterator[Outcome]:
    """Run each benchmark in a process of its own; one that breaks, or takes far too long, is told and left."""
    for part in parts:
        began = time.monotonic()
        yield msgspec.structs.replace(_run(part), seconds=round(time.monotonic() - began, 1))


def write_report(file: Path, outcomes: list[Outcome], goals: list[Any]) -> None:
    """Write what is known so far as JSON, with machine and time; `file` is replaced, whole."""
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.platform()} {platform.machine()}",
        "python": platform.python_version(),
        "outcomes": outcomes,
        "goals": goals,
    }
    beside = file.with_name(f".{file.name}")
    beside.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    beside.replace(file)


def lines(outcome: Outcome) -> Iterator[str]:
    """Return the table's lines for one benchmark: figures that are numbers, ratios among them."""
    yield f"{outcome.name}: {'goal met' if outcome.met else outcome.error or 'goal NOT met'} ({outcome.seconds:.0f} s)"
    for name, value in outcome.figures.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"  {name:<34} {value:>14,.4g}"


def _run(part: Part) -> Outcome:
    command = [sys.executable, "-m", "ngatu", "bench", *part.verb.split(), "--json"]
    limit = STILL + PATIENCE * part.minutes * 60
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            stdout, stderr = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            _end(process)
            return Outcome(name=part.verb, met=False, figures={}, error=f"not done in {limit / 60:.0f} minutes")
    try:
        figures = json.loads(stdout)
    except ValueError:
        said = [line.strip(FRAME) for line in stderr.splitlines() if line.strip(FRAME)] or ["it said nothing"]
        return Outcome(name=part.verb, met=False, figures={}, error=said[-1])
    return Outcome(name=part.verb, met=process.returncode == 0, figures=figures)


def _end(process: subprocess.Popen[str]) -> None:
    """As Ctrl-C does, so that its servers and its gigabytes go; by force where that does not help."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
