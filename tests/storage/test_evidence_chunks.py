"""Who looks at a day's alerts opens that day's evidence, not all that is kept."""

from collections.abc import Callable
from datetime import timedelta

import psycopg
import pytest

from storage.alerts import alerts_by_id, still
from storage.incident_file import evidence_of
from tests.storage.test_aggregates_chunks import BEGIN, DAYS, locked

ASKED: dict[str, Callable[[psycopg.Connection], object]] = {
    "alerts": lambda c: [alert.still for alert in alerts_by_id(c, ["d20", "d21", "none"])] == ["0f", "0f"],
    "a picture": lambda c: still(c, "d20"),
    "an incident's file": lambda c: len(evidence_of(c, "d20")) == 1,
}


@pytest.fixture
def seen(db: psycopg.Connection) -> psycopg.Connection:
    """An incident and its picture each day."""
    db.execute("INSERT INTO device (name) VALUES ('a')")
    for day in range(DAYS):
        values = {"id": f"d{day}", "at": BEGIN + timedelta(days=day, hours=12)}
        db.execute(
            "INSERT INTO incident (id, device_id, rev, kind, state, severity, camera, started_at, decided_at, at,"
            " confidence, place, tracks, why, received, changed) VALUES (%(id)s, 1, 1, 'collision', 'end', 'major',"
            " 'c', %(at)s, %(at)s, %(at)s, 1, '{}', '{}', '{}', %(at)s, %(at)s)",
            values,
        )
        db.execute(
            "INSERT INTO evidence (at, received, device_id, incident_id, camera, role, media_type, sha256, data)"
            " VALUES (%(at)s, %(at)s, 1, %(id)s, 'c', 'still', 'image/jpeg', '\\x0f', '')",
            values,
        )
    return db


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
def test_a_days_evidence_opens_its_own_chunks(
    seen: psycopg.Connection, ask: Callable[[psycopg.Connection], object]
) -> None:
    for _ in range(7):  # psycopg prepares what it has seen five times, PostgreSQL keeps plans from then on
        with seen.transaction():
            assert ask(seen)
            assert 1 <= locked(seen, "evidence") <= 3


def test_an_incident_that_nobody_knows_has_no_evidence(seen: psycopg.Connection) -> None:
    assert still(seen, "none") is None
    assert evidence_of(seen, "none") == []
