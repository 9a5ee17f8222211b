"""The five words, measured on a day that is known."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ngatu.city_lists import load_city
from storage.aggregates import aggregate
from storage.level import LEVELS
from storage.quality import DeviceDay, score_day, score_due_days, worst_first

DAY = date(2026, 3, 2)
LO = datetime(2026, 3, 1, 17, tzinfo=UTC)  # midnight in Hanoi


@pytest.fixture
def conn(db: psycopg.Connection, dsn: str) -> psycopg.Connection:
    load_city(dsn, "hanoi")
    return db


def device(conn: psycopg.Connection, name: str, *, about: bool = True) -> int:
    row = conn.execute(
        "INSERT INTO device (name, about, first_seen, latitude, longitude)"
        " VALUES (%s, %s, '2026-01-01Z', 21.0287, 105.8524) RETURNING id",
        (name, "{}" if about else None),
    ).fetchone()
    assert row is not None
    return int(row[0])


def series(conn: psycopg.Connection, device_id: int, name: str, *, declared: bool = True) -> int:
    row = conn.execute(
        "INSERT INTO series (device_id, name, period_s, declared, first_seen) VALUES (%s, %s, 60, %s, '2026-01-01Z')"
        " RETURNING id",
        (device_id, name, declared),
    ).fetchone()
    assert row is not None
    return int(row[0])


def read(conn: psycopg.Connection, series_id: int, hours: float = 24, quality: str = "0") -> None:
    conn.execute(
        f"INSERT INTO reading (at, received, value, series_id, quality)"
        f" SELECT t, t + interval '2 s', 1, %s, {quality}"
        f" FROM generate_series(%s::timestamptz, %s, interval '1 min') WITH ORDINALITY g (t, i)".encode(),
        (series_id, LO, LO + timedelta(hours=hours, seconds=-1)),
    )


def scored(conn: psycopg.Connection) -> dict[str, DeviceDay]:
    aggregate(conn, LEVELS["1d"], now=LO + timedelta(days=2))
    score_due_days(conn)
    day, devices = worst_first(conn)
    assert day == DAY
    return {found.device: found for found in devices}


def test_a_device_that_sent_everything_is_well(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "good"), "air/pm25"))
    told = scored(conn)["good"]
    assert (told.correct, told.complete, told.clean, told.well, told.reasons) == (1, 1, 1, True, [])
    assert told.delay_s == 2
    assert told.alive_s == 60


@pytest.mark.parametrize(
    ("broken", "word", "reason"),
    [
        ({"hours": 12}, "complete", "complete: 50.0% of at least 90%; least: air/pm25 50%"),
        ({"hours": 23}, "alive", "alive: silent for the day's last 3660 s, allowed are 600"),
        (
            {"quality": "(i %% 5 = 0)::int"},
            "correct",
            "correct: 80.0% of at least 95%; 288 values out of range or stuck",
        ),
        (
            {"quality": "(i %% 5 = 0)::int * 64"},
            "clean",
            "clean: 80.0% of at least 99%; 288 undeclared or double values",
        ),
    ],
)
def test_what_is_wrong_is_told_in_words(conn: psycopg.Connection, broken: Any, word: str, reason: str) -> None:
    read(conn, series(conn, device(conn, "bad"), "air/pm25"), **broken)
    told = scored(conn)["bad"]
    assert not told.well
    assert next(text for text in told.reasons if text.startswith(f"{word}:")).startswith(reason)


def test_a_device_that_never_described_itself_is_not_clean(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "mute", about=False), "x", declared=False))
    told = scored(conn)["mute"]
    assert told.clean == 0
    assert told.complete is None
    assert "has not described itself" in " ".join(told.reasons)


def test_the_worst_come_first_and_the_silent_are_the_worst(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "good"), "a"))
    read(conn, series(conn, device(conn, "half"), "a"), hours=12)
    device(conn, "silent")
    scored(conn)
    assert [found.device for found in worst_first(conn, DAY)[1]] == ["silent", "half", "good"]
    assert worst_first(conn, DAY)[1][0].reasons == ["alive: nothing came that day"]


def test_misdated_and_unreadable_messages_count_against_it(conn: psycopg.Connection) -> None:
    number = series(conn, device(conn, "odd"), "a")
    read(conn, number)
    conn.execute(
        "INSERT INTO misdated_reading (at, received, value, series_id) SELECT '1970-01-01Z', %s, 1, %s"
        " FROM generate_series(1, 160)",
        (LO + timedelta(hours=3), number),
    )
    conn.execute(
        "INSERT INTO rejected (received, device, topic, reason, detail, payload)"
        " SELECT %s, 'odd', '', 'json', '', '' FROM generate_series(1, 160)",
        (LO + timedelta(hours=3),),
    )
    told = scored(conn)["odd"]
    assert told.correct == pytest.approx(0.9)
    assert told.clean == pytest.approx(0.9)


def test_a_day_is_scored_again_only_when_its_aggregates_change(conn: psycopg.Connection) -> None:
    number = series(conn, device(conn, "good"), "a")
    read(conn, number, hours=23)
    scored(conn)
    assert score_due_days(conn).written == 0
    read(conn, number, hours=24, quality="64")
    conn.execute("UPDATE reading_1d SET coverage = 0.5, computed_at = clock_timestamp(), revision = revision + 1")
    assert score_due_days(conn).changed == 1
    assert score_day(conn, DAY).written == 0


def test_wards_have_their_devices_words(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "good"), "a"))
    read(conn, series(conn, device(conn, "half"), "a"), hours=12)
    scored(conn)
    rows = conn.execute("SELECT name, devices, complete, well FROM quality_ward(%s, %s)", (DAY, DAY)).fetchall()
    assert rows == [("Phường Hoàn Kiếm", 2, pytest.approx(0.75), 0.5)]
