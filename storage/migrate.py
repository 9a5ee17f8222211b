"""The schema, forward only: `migrations/NNNN_name.sql`, each applied once, in the order of their numbers."""

import hashlib
import logging
from dataclasses import dataclass
from importlib.resources import files
from typing import Final

import psycopg

from storage.connect import connect

log: Final = logging.getLogger(__name__)

LOCK: Final = 7_237_261_001  # of pg_advisory_lock: one migration at a time in a database

TABLE: Final = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number     int PRIMARY KEY,
    name       text NOT NULL,
    sha256     text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE schema_migration IS 'Which steps of the schema this database has, and what their files held.'"""


class MigrationChanged(RuntimeError):
    """A migration's file is not the one that was applied: write a new migration instead of editing an old one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One step of the schema."""

    number: int
    name: str  # NNNN_what
    sql: bytes

    @property
    def sha256(self) -> str:
        """Of its text; kept in the database."""
        return hashlib.sha256(self.sql).hexdigest()


def migrations() -> list[Migration]:
    """All steps, in order."""
    found = [file for file in files("storage").joinpath("migrations").iterdir() if file.name.endswith(".sql")]
    steps = [Migration(number=int(f.name[:4]), name=f.name.removesuffix(".sql"), sql=f.read_bytes()) for f in found]
    return sorted(steps, key=lambda step: step.number)


def migrate(dsn: str, *, until: int | None = None) -> list[str]:
    """Apply what is missing, each step in a transaction of its own; return the names of the steps applied.

    Safe to call from several processes at once.

    Args:
        dsn: of a database whose user may create the extension timescaledb, or where it exists.
        until: the last number to apply; None: all.

    Raises:
        MigrationChanged: a step was edited after it had been applied.
        psycopg.Error: a step failed; the earlier ones stay.
    """
    with connect(dsn, application="ngatu migrate") as conn:
        conn.execute("SELECT pg_advisory_lock(%s)", [LOCK])
        conn.execute(TABLE)
        applied = {
            int(number): str(sha256) for number, sha256 in conn.execute("SELECT number, sha256 FROM schema_migration")
        }
        wanted = [step for step in migrations() if until is None or step.number <= until]
        _check_unchanged(wanted, applied)
        missing = [step for step in wanted if step.number not in applied]
        for step in missing:
            _apply(conn, step)
    return [step.name for step in missing]


def _check_unchanged(steps: list[Migration], applied: dict[int, str]) -> None:
    for step in steps:
        if applied.get(step.number, step.sha256) != step.sha256:
            raise MigrationChanged(f"{step.name} was edited after this database had it: put the change in a new file")


def _apply(conn: psycopg.Connection, step: Migration) -> None:
    with conn.transaction():
        conn.execute(step.sql)
        conn.execute(
            "INSERT INTO schema_migration (number, name, sha256) VALUES (%s, %s, %s)",
            [step.number, step.name, step.sha256],
        )
    log.info("migrated step=%s", step.name)
