"""Publish each day's open data: CSV and Parquet with a data package, GeoJSON, and a DCAT-AP catalogue.

Runs each hour, and when a new day is scored. It issues the days that have been scored, and again, with a higher
revision, those that were corrected. Devices that were not well that day are left out, datasets of which too few were
well are withheld, and the package says so (`docs/data.md`). The folder is the Airflow variable `ngatu_open_data`, else
`open-data` in the home of Airflow's user.

The task returns how many days were issued, and rows.
"""

from datetime import timedelta
from pathlib import Path

from airflow.sdk import Asset, dag, task

from dags.routine import COUNTED, SCORED, database, every_hour, routine


@dag(
    schedule=every_hour(20, and_after=SCORED & COUNTED),
    doc_md=__doc__,
    **routine(limit=timedelta(hours=1), due=timedelta(minutes=50)),
)
def publication() -> None:
    """Shape: one task."""

    @task(inlets=[Asset("ngatu://quality/1d")], outlets=[Asset("ngatu://open-data")])
    def publish() -> dict[str, int]:
        from airflow.sdk import Variable

        from storage.publish import publish_due_days

        folder = Path(Variable.get("ngatu_open_data", default=None) or Path.home() / "open-data")
        with database() as conn:
            return publish_due_days(conn, folder)

    publish()


DAG = publication()
