"""Where the private servers, their data, models and logs live."""

import os
import stat
from collections.abc import Mapping
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
SYSTEM_HOME = Path("/var/lib/ngatu")
ROOTS_STAND_IN = "nobody"  # PostgreSQL refuses to run as root


def find_home(environ: Mapping[str, str]) -> Path:
    """`NGATU_HOME`, else `.ngatu/` in the checkout; for root, else a folder that `nobody` can reach. Made if absent."""
    named = environ.get("NGATU_HOME")
    home = Path(named).resolve() if named else CHECKOUT / ".ngatu"
    if not named and os.geteuid() == 0 and not reachable_by_all(home.parent):
        home = SYSTEM_HOME
    home.mkdir(parents=True, exist_ok=True)
    return home


def reachable_by_all(folder: Path) -> bool:
    """Whether any user may walk into `folder`, judged by the permission bits on the way there."""
    return all(parent.stat().st_mode & stat.S_IXOTH for parent in (folder, *folder.parents))


def server_user() -> str | None:
    """The user that servers run as: `nobody` where we are root, else ourselves (None)."""
    return ROOTS_STAND_IN if os.geteuid() == 0 else None
