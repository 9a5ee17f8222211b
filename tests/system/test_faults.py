import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path

import pytest

from ngatu.faults.campaign import Campaign
from ngatu.faults.plan import KINDS, Fault, Kind
from ngatu.faults.report import Report
from ngatu.faults.site import Commands, city
from ngatu.faults.watch import AlertWatch
from ngatu.home import CHECKOUT, find_home

BROKEN = str(Path(__file__).with_name("broken.py"))


@pytest.mark.timeout(240)
def test_a_short_campaign_finds_nothing_wrong(server_folder: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="faults-", dir=server_folder))
    done = subprocess.run(
        [sys.executable, "-m", "ngatu", "faults", "--rounds", "12", "--seed", "7", "--json", "--folder", folder],
        cwd=CHECKOUT,
        env={**os.environ, "NGATU_HOME": str(find_home(os.environ))},
        capture_output=True,
        text=True,
        check=False,
        timeout=230,
    )
    said = json.loads(done.stdout)
    assert done.returncode == 0, said["problems"]
    assert said["lost"] == said["duplicated"] == said["unexplained_gaps"] == said["evicted_outside"] == 0
    assert said["rounds"] == 12
    assert said["faults"].keys() == set(KINDS)
    assert said["kills"] == 8
    assert said["messages"] >= 2000
    assert said["evicted"] > 0


def broken_campaign(packages: Path, server_folder: Path, commands: Commands, faults: Sequence[Fault]) -> Report:
    folder = Path(tempfile.mkdtemp(prefix="broken-", dir=server_folder))
    folder.chmod(0o755)
    with city(folder, packages, commands) as here, AlertWatch(here.dsn) as watch:
        return Campaign(here, 0, watch, patience=10).run(faults)


def rounds(number: int, *kinds: Kind, lasts: float = 0.2) -> list[Fault]:
    """One after the other, in turn; targets change too."""
    return [
        Fault(number=n, kind=kind, target=n % 2, after=0.6, lasts=lasts)
        for n, kind in enumerate(islice(cycle(kinds), number), start=1)
    ]


def broken(variant: str, module: str) -> tuple[str, ...]:
    return (sys.executable, BROKEN, variant, module)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_ingest_that_acknowledges_before_it_commits_is_found_out(packages: Path, server_folder: Path) -> None:
    commands = Commands(ingest=broken("acknowledge_before_commit", "ingest"))
    report = broken_campaign(packages, server_folder, commands, rounds(8, "ingest_killed"))
    assert report.lost > 0
    assert report.verdict()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_ingest_without_a_ledger_is_found_out(packages: Path, server_folder: Path) -> None:
    commands = Commands(ingest=broken("no_ledger", "ingest"))
    report = broken_campaign(packages, server_folder, commands, rounds(4, "line_stalled", lasts=4.0))  # copies are sent
    assert report.duplicated > 0
    assert report.verdict()


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_an_agent_that_believes_the_broker_is_found_out(packages: Path, server_folder: Path) -> None:
    commands = Commands(agent=broken("delete_on_puback", "edge"))
    report = broken_campaign(packages, server_folder, commands, rounds(5, "ingest_killed", "broker_wiped"))
    assert report.lost > 0
    assert report.verdict()
