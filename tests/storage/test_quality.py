"""The five words, measured on a day that is known."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from ngatu.city_lists import load_city
from storage.aggregates import aggregate
from storage.late import BIG_DRAIN
from storage.level import LEVELS
from storage.quality import THRESHOLDS, days_have_come, judged, score_day, score_due_days
from storage.quality_cards import DeviceDay, area_days, device_days, latest_day, scored_days

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
    assert latest_day(conn) == DAY
    return {found.device: found for found in device_days(conn, DAY)}


def publish(conn: psycopg.Connection, days_after: float, left_out: list[int]) -> None:
    conn.execute(
        "INSERT INTO publication (day, dataset, revision, sha256, rows, left_out, published_at)"
        " VALUES (%s, 'readings', 1, 'x', 1, %s, %s)",
        (DAY, left_out, LO + timedelta(days=1 + days_after)),
    )


def test_a_device_that_sent_everything_is_well(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "good"), "air/pm25"))
    told = scored(conn)["good"]
    assert (told.correct, told.complete, told.clean, told.well) == (1, 1, 1, True)
    assert told.reasons == ["shared: not published, allowed are 2"]
    assert told.delay_s == 2
    assert told.alive_s == 60


def detector(conn: psycopg.Connection, name: str, last: str) -> None:
    """One that counts each quarter of an hour, the last time at `last`."""
    made = series(conn, device(conn, name), "volume")
    conn.execute("UPDATE series SET period_s = 900 WHERE id = %s", (made,))
    conn.execute(
        "INSERT INTO reading (at, received, value, series_id)"
        " SELECT t, t, 1, %s FROM generate_series(%s::timestamptz, %s, interval '15 min') t",
        (made, LO, LO + timedelta(hours=int(last[:2]), minutes=int(last[3:]))),
    )


@pytest.mark.parametrize(("last", "alive"), [("23:45", True), ("23:30", False)])
def test_who_measures_each_quarter_of_an_hour_may_be_silent_as_long(
    conn: psycopg.Connection, last: str, *, alive: bool
) -> None:
    detector(conn, "detector", last)
    told = scored(conn)["detector"]
    assert told.well is alive
    assert told.alive_limit_s == 1350
    assert any(reason.startswith("alive:") for reason in told.reasons) is not alive


@pytest.mark.parametrize(
    ("lasts", "told"),
    [
        (("23:45", "23:45", "23:30"), None),
        (("23:45", "23:30", "23:15"), "alive: silent for the day's last 1800 s, allowed are 1350"),
        (("23:45", "00:00", None), "alive: silent for the day's last 86400 s, allowed are 1350"),
        (("23:45", None, None), "alive: nothing came that day"),
    ],
)
def test_wards_and_the_city_are_judged_by_what_each_of_their_devices_is_allowed(
    conn: psycopg.Connection, lasts: tuple[str | None, ...], told: str | None
) -> None:
    """By the one in the middle; one that measures each minute stands beside them, alive."""
    for number, last in enumerate(lasts):
        if last is None:
            device(conn, f"detector-{number}")
        else:
            detector(conn, f"detector-{number}", last)
    if told is None:
        read(conn, series(conn, device(conn, "minute"), "air/pm25"))
    scored(conn)
    for area in area_days(conn, DAY):
        alive = [reason for reason in area.reasons if reason.startswith("alive:")]
        assert alive == ([told] if told else [])
        assert area.alive_s is None or (area.alive_s <= area.alive_limit_s) is (told is None)


def test_a_day_is_new_until_it_is_scored_and_no_drain_is_under_way(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "good"), "a"))
    assert not days_have_come(conn)
    aggregate(conn, LEVELS["1d"], now=LO + timedelta(days=2))
    assert days_have_come(conn)
    conn.execute(
        "INSERT INTO late_mark (source, id, bucket)"
        " SELECT 'reading', 1, %s + i * interval '15 min' FROM generate_series(1, %s) i",
        (LO, BIG_DRAIN),
    )
    assert not days_have_come(conn)
    conn.execute("DELETE FROM late_mark WHERE bucket = (SELECT max(bucket) FROM late_mark)")
    assert days_have_come(conn)
    score_due_days(conn)
    assert not days_have_come(conn)
    conn.execute("DELETE FROM quality_1d")
    conn.execute("UPDATE reading_1d SET frozen = true")
    assert not days_have_come(conn)


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


def test_days_before_a_device_was_first_seen_are_scored_where_somebody_loaded_them(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "loaded"), "a"), hours=12)
    device(conn, "not there yet")
    conn.execute("UPDATE device SET first_seen = now()")
    conn.execute("UPDATE series SET first_seen = now()")
    told = scored(conn)
    assert set(told) == {"loaded"}
    assert told["loaded"].complete == pytest.approx(0.5)


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
    publish(conn, days_after=0.1, left_out=[2, 3])
    devices = device_days(conn, DAY)
    assert [found.device for found in devices] == ["silent", "half", "good"]
    assert devices[0].reasons[0] == "alive: nothing came that day"
    assert devices[2].reasons == []


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


def test_a_time_that_comes_twice_is_not_clean(conn: psycopg.Connection) -> None:
    number = series(conn, device(conn, "twice"), "a")
    read(conn, number)
    read(conn, number, hours=6)
    told = scored(conn)["twice"]
    assert told.clean == pytest.approx(1440 / 1800)
    assert told.reasons[0].startswith("clean: 80.0% of at least 99%; 360 undeclared or double values")


def test_cameras_that_are_not_calibrated_are_counted_and_withheld_only_where_the_city_says_so(
    conn: psycopg.Connection,
) -> None:
    eye = device(conn, "eye")
    conn.execute(
        'UPDATE device SET about = \'{"cameras": [{"name": "a", "calibrated": true}, {"name": "b"}]}\' WHERE id = %s',
        (eye,),
    )
    read(conn, series(conn, eye, "a"))
    assert (scored(conn)["eye"].calibrated, scored(conn)["eye"].well) == (0.5, True)
    conn.execute("UPDATE city SET value = value || '{\"calibrated\": 0.9}' WHERE key = 'thresholds'")
    score_day(conn, DAY)
    (told,) = device_days(conn, DAY)
    assert not told.well
    assert told.reasons[0] == "calibrated: 50.0% of at least 90%"


@pytest.mark.parametrize(
    ("days_after", "left_out", "reasons"),
    [
        (0.5, [], []),
        (3.0, [], ["shared: published 3.0 days after, allowed are 2"]),
        (0.5, [1], ["shared: not published, allowed are 2"]),
    ],
)
def test_shared_is_when_the_devices_day_was_published(
    conn: psycopg.Connection, days_after: float, left_out: list[int], reasons: list[str]
) -> None:
    read(conn, series(conn, device(conn, "good"), "a"))
    scored(conn)
    publish(conn, days_after, left_out)
    (told,) = device_days(conn, DAY)
    assert told.reasons == reasons
    assert told.shared_days == (None if left_out else pytest.approx(days_after))
    city, ward = area_days(conn, DAY)
    assert (city.whole, ward.whole, ward.shared) == (True, False, 0 if left_out else 1)
    assert ward.reasons == reasons


def test_wards_have_their_devices_words_and_the_city_those_of_all(conn: psycopg.Connection) -> None:
    read(conn, series(conn, device(conn, "good"), "a"))
    read(conn, series(conn, device(conn, "half"), "a"), hours=12)
    stray = device(conn, "stray")
    conn.execute("UPDATE device SET latitude = NULL, longitude = NULL WHERE id = %s", (stray,))
    read(conn, series(conn, stray, "a"))
    scored(conn)
    city, ward, unknown = area_days(conn, DAY)
    assert (city.devices, ward.devices, unknown.devices, unknown.code) == (3, 2, 1, None)
    assert (ward.name, ward.well) == ("Phường Hoàn Kiếm", 0.5)
    assert ward.complete == pytest.approx(0.75)
    assert city.complete == pytest.approx(2.5 / 3)
    assert ward.reasons[0] == "complete: 75.0% of at least 90%"
    assert (ward.worst, ward.worst_reasons[0][:6]) == ("half", "alive:")
    old = area_days(conn, DAY, wards_of=date(2025, 6, 30))
    assert [area.name for area in old if area.code] == ["Phường Hàng Trống"]
    assert scored_days(conn) == [(DAY, 3, 2)]


def test_sums_in_another_order_are_no_other_score() -> None:
    row = {
        "device_id": 1, "period_s": 60.0, "correct_values": 1.0, "trusted": None, "clean": 1.0, "calibrated": None,
        "alive_s": 1.0, "delay_s": 1.0, "n": 3, "missing": 0, "explained": 0,
    }  # fmt: skip
    one, other = 0.1 + 0.2 + 0.3, 0.3 + 0.2 + 0.1
    assert one != other
    kept = [judged(row | {"complete": complete}, {**THRESHOLDS, "complete": 0.5}) for complete in (one, other, 0.61)]
    assert kept[0]["complete"] == kept[1]["complete"] != kept[2]["complete"]
