"""What one run of a DAG does, in a process that can be killed: `python -m ngatu.month.step STEP DSN NOW FOLDER`."""

import sys
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import psycopg

from storage.aggregates import aggregate, recompute_late
from storage.incident_days import count_incidents
from storage.level import LEVELS
from storage.publish import publish_due_days
from storage.quality import score_due_days

AT_WORK: Final = "at work"

# In the order in which one who does them all must: each takes the month's time and the folder of open data.
STEPS: Final[Mapping[str, Callable[[psycopg.Connection[Any], datetime, Path], object]]] = {
    "late": lambda conn, _now, _folder: recompute_late(conn),
    "15m": lambda conn, now, _: aggregate(conn, LEVELS["15m"], now=now),
    "1h": lambda conn, now, _: aggregate(conn, LEVELS["1h"], now=now),
    "1d": lambda conn, now, _: aggregate(conn, LEVELS["1d"], now=now),
    "incidents": lambda conn, now, _: count_incidents(conn, now=now),
    "quality": lambda conn, _now, _folder: score_due_days(conn),
    "publish": lambda conn, _now, folder: publish_due_days(conn, folder),
}


def main(step: str, dsn: str, now: str, folder: str) -> None:
    """Say that it is at work, and work."""
    with psycopg.connect(dsn, autocommit=True, application_name="ngatu month") as conn:
        print(AT_WORK, flush=True)  # noqa: T201 - whoever is to kill it waits for this line
        STEPS[step](conn, datetime.fromisoformat(now), Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
