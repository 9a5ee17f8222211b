"""One campaign from beginning to end, in a folder of its own."""

import os
from pathlib import Path

from ngatu.faults.campaign import Campaign
from ngatu.faults.plan import faults
from ngatu.faults.report import Report
from ngatu.faults.site import Commands, city
from ngatu.faults.watch import AlertWatch
from ngatu.home import find_home
from ngatu.servers.packages import server_packages


def run(folder: Path, rounds: int, seed: int) -> Report:
    """Start a city in `folder`, break it `rounds` times, and return what came of it.

    Raises:
        ChildFailed: a server did not start.
    """
    folder.chmod(0o755)
    packages = server_packages(find_home(os.environ))
    with city(folder, packages, Commands()) as broken, AlertWatch(broken.dsn) as watch:
        return Campaign(broken, seed, watch).run(faults(rounds, seed))
