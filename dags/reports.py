"""Report each ward's week and month: an HTML page and a PDF, in Vietnamese and English.

Runs each hour, and when a new day is scored, counted and compared. It issues the weeks and months that are over and
scored; those whose numbers were corrected since are issued again, with a higher revision, and the earlier issue stays.
The same numbers never make a new issue. Started by hand with `start` and `end` (days), and a ward's code where only
one is wanted, it makes the reports of every week and month that lies within again. The folder is the Airflow variable
`ngatu_reports`, else `reports` beside the open data; the console lists them.

The task returns how many numbers were read, reports written, and how many of those corrected an earlier issue.
"""

from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Asset, Param, dag, task

from dags.routine import COMPARED, COUNTED, SCORED, database, every_hour, routine


@dag(
    schedule=every_hour(40, and_after=SCORED & COUNTED & COMPARED),
    params={
        "start": Param(None, type=["null", "string"], format="date", description="first day; empty: what is due"),
        "end": Param(None, type=["null", "string"], format="date", description="last day"),
        "ward": Param(None, type=["null", "string"], description="its code; empty: every ward with a device"),
    },
    doc_md=__doc__,
    **routine(limit=timedelta(hours=3), due=timedelta(hours=3)),
)
def reports() -> None:
    """Shape: one task."""

    @task(
        inlets=[Asset("ngatu://quality/1d"), Asset("ngatu://incidents/1d")],
        outlets=[Asset("ngatu://reports")],
    )
    def issue(params: dict[str, Any] | None = None) -> dict[str, int]:
        from airflow.sdk import Variable

        from dags.report.issue import issue_due, issue_range

        open_data = Path(Variable.get("ngatu_open_data", default=None) or Path.home() / "open-data")
        folder = Path(Variable.get("ngatu_reports", default=None) or open_data.with_name("reports"))
        asked = params or {}
        with database() as conn:
            if not asked.get("start"):
                return asdict(issue_due(conn, folder))
            first = date.fromisoformat(asked["start"])
            last = date.fromisoformat(asked.get("end") or asked["start"])
            return asdict(issue_range(conn, folder, first, last, ward=asked.get("ward")))

    issue()


DAG = reports()
