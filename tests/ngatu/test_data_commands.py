"""`ngatu rejected`, `gaps`, `devices`, `series`: on a real database, as a user calls them."""

import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from typer.testing import CliRunner

from events.about import About, Sensor
from events.fact import to_json
from events.reading import Reading, encode_senml
from events.status import Status
from ingest.store import Store
from ngatu.cli import build
from storage.connect import connect
from tests.ingest.conftest import STREAM, arrive, now, scalar

Ngatu = Callable[..., tuple[int, Any]]


@pytest.fixture
def ngatu(dsn: str, monkeypatch: pytest.MonkeyPatch) -> Ngatu:
    """Run one verb; gives its exit code, and what it printed, read as JSON where --json was asked for."""
    monkeypatch.setenv("NGATU_DSN", dsn)

    def run(*words: str) -> tuple[int, Any]:
        result = CliRunner().invoke(build(), words)
        return result.exit_code, json.loads(result.stdout) if "--json" in words else result.stdout

    return run


def test_rejected_messages_are_listed_shown_and_stored_once_what_was_wrong_is_mended(
    dsn: str, db: psycopg.Connection, ngatu: Ngatu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ingest.series_book.MAX_SERIES", 1)
    good = [arrive("a", "readings", encode_senml([Reading(f"s{n}", now(), 1.0)], "a"), n) for n in (1, 2, 3)]
    with connect(dsn, application="test") as conn:
        Store(conn).store([*good, arrive("a", "readings", b"nonsense", 4)])
    code, told = ngatu("rejected", "list", "--json")
    assert code == 0
    assert [kept["reason"] for kept in told["kept"]] == ["json", "too_many_series", "too_many_series"]
    assert told["tallies"][0]["messages"] == 2
    assert "too_many_series" in ngatu("rejected", "list", "--reason", "too_many_series")[1]
    code, shown = ngatu("rejected", "show", str(told["kept"][0]["id"]), "--json")
    assert (code, shown["payload"], shown["seq"]) == (0, "nonsense", 4)
    assert ngatu("rejected", "show", "999999")[0] == 1

    assert ngatu("rejected", "replay", "--reason", "too_many_series", "--json") == (
        1,
        {"stored": 0, "still_rejected": {"too_many_series": 2}},
    )
    monkeypatch.undo()
    monkeypatch.setenv("NGATU_DSN", dsn)
    assert ngatu("rejected", "replay", "--json") == (1, {"stored": 2, "still_rejected": {"json": 1}})
    assert ngatu("rejected", "replay", "--reason", "too_many_series", "--json")[0] == 0
    assert scalar(db, "SELECT count(*) FROM reading") == 3
    assert scalar(db, "SELECT received::text FROM ledger") == "{[1,5)}"


def test_gaps_are_a_failure_only_when_nobody_explains_them(dsn: str, ngatu: Ngatu) -> None:
    assert ngatu("gaps") == (0, "nothing is missing\n")
    status = to_json(Status(state="online", connection=1, n=1, streams={STREAM: 3}))
    with connect(dsn, application="test") as conn:
        Store(conn).store([arrive("a", "status", status, None)])
    assert ngatu("gaps", "--json") == (0, {"gaps": []})  # on their way, for all that we know
    code, told = ngatu("gaps", "--older-than", "0", "--json")
    assert (code, told["gaps"][0]["first"], told["gaps"][0]["last"]) == (1, 1, 3)


def test_devices_and_series_are_listed(dsn: str, ngatu: Ngatu) -> None:
    about = About(rev=1, description="Ngã Tư Sở", sensors=(Sensor(name="temp", unit="Cel"),))
    with connect(dsn, application="test") as conn:
        Store(conn).store([arrive("a", "about", to_json(about), 1)])
    assert ngatu("devices", "--json")[1]["devices"][0]["description"] == "Ngã Tư Sở"
    assert "Ngã Tư Sở" in ngatu("devices")[1]
    assert ngatu("series", "--json")[1]["series"][0]["unit"] == "Cel"
    assert "temp" in ngatu("series", "temp")[1]
