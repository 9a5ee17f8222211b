"""Files for the edge's replay sensor: `at,series,value,unit`, and the one that the demonstration plays.

The demonstration's are real signal-detector counts of 2024 out of the package traffic-anomaly (MIT). Their times have
no zone; read as local, so that rush hours stay rush hours.
"""

import csv
from collections.abc import Iterable, Iterator
from datetime import datetime
from importlib.resources import as_file, files
from pathlib import Path
from zoneinfo import ZoneInfo

from edge.sensors.replay import HEADER

Row = tuple[datetime, str, float, str | None]

COUNTS = """
    SELECT timestamp, intersection, detector, max(total) AS total FROM read_parquet(?)
    WHERE total IS NOT NULL GROUP BY ALL ORDER BY timestamp, intersection, detector"""


def write_replay(path: Path, rows: Iterable[Row]) -> int:
    """Write `rows` (time with a zone, series, value, UCUM unit) where the replay sensor reads them; return how many."""
    written = 0
    fresh = path.with_name(path.name + ".new")
    with fresh.open("w", encoding="utf-8", newline="") as out:
        lines = csv.writer(out)
        lines.writerow(HEADER)
        for at, series, value, unit in rows:
            lines.writerow([at.isoformat(), series, value, unit or ""])
            written += 1
    fresh.replace(path)
    return written


def detector_counts(zone: ZoneInfo) -> Iterator[Row]:
    """Vehicles per quarter of an hour, a series for each detector: `<intersection>/<detector>/volume`."""
    import duckdb  # noqa: PLC0415 - only whoever makes the file needs it

    with as_file(files("traffic_anomaly") / "data" / "sample_counts.parquet") as file:
        rows = duckdb.connect().execute(COUNTS, [str(file)]).fetchall()
    for at, intersection, detector, total in rows:
        yield at.replace(tzinfo=zone), f"{intersection}/{detector}/volume", float(total), "{vehicle}"
