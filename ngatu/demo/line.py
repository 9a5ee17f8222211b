"""The live line of counts under a running demonstration."""

import sys
import time
import urllib.request
from typing import Any

from psycopg import Connection

from ngatu.demo.site import Site
from storage.progress import progress

STORED = "ngatu_ingest_readings_total"
EVERY_S = {True: 1.0, False: 30.0}  # on a terminal, elsewhere


class LiveLine:
    """Prints counts in place on a terminal, now and then elsewhere."""

    def __init__(self, site: Site, conn: Connection[Any]) -> None:
        self._site = site
        self._conn = conn
        self._last = (time.monotonic(), stored_readings(site))
        self._next = 0.0

    def show(self) -> None:
        """Print the line if it is due."""
        now = time.monotonic()
        if now < self._next:
            return
        in_place = sys.stdout.isatty()
        self._next = now + EVERY_S[in_place]
        sys.stdout.write(f"\r\x1b[2K{self._text(now)}" if in_place else f"{self._text(now)}\n")
        sys.stdout.flush()

    def _text(self, now: float) -> str:
        stored = stored_readings(self._site)
        before, had = self._last
        self._last = (now, stored)
        rate = max(0.0, stored - had) / max(now - before, 0.001)
        counts = progress(self._conn)
        return (
            f"{counts.online} devices online · {stored:,.0f} readings stored ({rate:,.0f}/s) · "
            f"{counts.minute_counts} minute counts · {counts.incidents} incidents, {counts.open_incidents} open · "
            f"aggregates {counts.quarters:,} of 15 min, {counts.hours:,} of 1 h · {counts.rejected} rejected"
        )


def stored_readings(site: Site) -> float:
    """Readings stored since ingest started; 0 while it doesn't answer."""
    try:
        with urllib.request.urlopen(f"{site.metrics_url}/metrics", timeout=2) as answer:  # noqa: S310 - our own address
            lines = answer.read().decode().splitlines()
    except OSError:
        return 0.0
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith(STORED))
