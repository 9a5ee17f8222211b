"""Every verb of `ngatu bench`, one after the other: a table for people, a JSON file for whoever compares."""

import json
import platform
import subprocess
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from ngatu.home import CHECKOUT

FRAME: Final = " ╭─╮│╰╯"  # that typer draws round its errors


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What one benchmark said."""

    name: str
    met: bool  # its goal, by its own exit code
    figures: dict[str, Any]
    error: str | None = None  # the last thing that it said where it broke


def run_all(verbs: Iterable[str], file: Path) -> list[Outcome]:
    """Run each benchmark in a process of its own; write all outcomes to `file` as JSON, with machine and time.

    Args:
        verbs: of `ngatu bench`, with their options, separated by blanks.
        file: is replaced.
    """
    outcomes = [_run(verb) for verb in verbs]
    report = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.platform()} {platform.machine()}",
        "python": platform.python_version(),
        "outcomes": outcomes,
    }
    file.write_bytes(msgspec.json.format(msgspec.json.encode(report)))
    return outcomes


def lines(outcome: Outcome) -> Iterator[str]:
    """Return the table's lines for one benchmark: figures that are numbers, ratios among them."""
    yield f"{outcome.name}: {'goal met' if outcome.met else outcome.error or 'goal NOT met'}"
    for name, value in outcome.figures.items():
        if isinstance(value, int | float) and not isinstance(value, bool):
            yield f"  {name:<34} {value:>14,.4g}"


def _run(verb: str) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "ngatu", "bench", *verb.split(), "--json"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        figures = json.loads(done.stdout)
    except ValueError:
        said = [line.strip(FRAME) for line in done.stderr.splitlines() if line.strip(FRAME)] or ["it said nothing"]
        return Outcome(name=verb, met=False, figures={}, error=said[-1])
    return Outcome(name=verb, met=done.returncode == 0, figures=figures)
