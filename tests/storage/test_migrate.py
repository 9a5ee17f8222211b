from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psycopg
import pytest

from storage import migrate as module
from storage.connect import connect, edition
from storage.migrate import MigrationChanged, migrate, migrations

SCHEMA = """
SELECT table_name || '.' || column_name || ' ' || data_type || ' ' || is_nullable FROM information_schema.columns
WHERE table_schema = 'public'
UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'
UNION ALL SELECT viewname || ' ' || definition FROM pg_views WHERE schemaname = 'public'
ORDER BY 1"""


def schema(dsn: str) -> list[str]:
    with psycopg.connect(dsn) as conn:
        return [row[0] for row in conn.execute(SCHEMA)]


def test_the_schema_is_built_from_nothing_once(empty_dsn: str) -> None:
    assert migrate(empty_dsn) == [step.name for step in migrations()]
    assert migrate(empty_dsn) == []


def test_the_schema_from_every_earlier_version_is_the_schema_from_nothing(empty_dsn: str, dsn: str) -> None:
    for step in migrations():  # each stop is a version that someone may have in production
        migrate(empty_dsn, until=step.number)
    assert schema(empty_dsn) == schema(dsn)


def test_processes_that_migrate_at_once_apply_each_step_once(empty_dsn: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(migrate, [empty_dsn] * 4) for name in names]
    assert sorted(applied) == [step.name for step in migrations()]


def test_an_edited_migration_is_refused_by_name(dsn: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first, *others = migrations()
    monkeypatch.setattr(module, "migrations", lambda: [replace(first, sql=first.sql + b"\n-- and"), *others])
    with pytest.raises(MigrationChanged, match=first.name):
        migrate(dsn)


def test_a_step_that_fails_leaves_the_earlier_ones_and_nothing_of_itself(
    empty_dsn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, bad = migrations()[:2]
    monkeypatch.setattr(module, "migrations", lambda: [good, replace(bad, sql=bad.sql + b"SELECT 1/0;")])
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(empty_dsn)
    monkeypatch.undo()
    assert migrate(empty_dsn, until=bad.number) == [bad.name]


def test_every_table_and_view_of_what_arrives_says_what_it_is(empty_dsn: str) -> None:
    migrate(empty_dsn, until=9)
    with psycopg.connect(empty_dsn) as conn:
        mute = conn.execute(
            "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'v')"
            " AND obj_description(oid) IS NULL"
        ).fetchall()
    assert mute == []


def test_the_edition_of_the_private_server_is_apache(dsn: str) -> None:
    with connect(dsn, application="test") as conn:
        assert edition(conn) == "apache"
