"""What is normal: expectations without foreknowledge, deviations as events, and the score they are judged by."""

import json
import math
import random
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ngatu.bench.nab import BadNab, Series, judge, read_series
from ngatu.cli import build
from ngatu.simulate.rhythm import busyness
from storage.baselines import list_deviations, normal_of
from tests.dags.weeks import END, ZONE, copy

WEEKS = 5
START = END - timedelta(weeks=WEEKS)
DIP = END - timedelta(days=4, hours=3)  # Wednesday, 21:00 to Thursday, 03:00: over midnight


def hour_rows(start: datetime = START, end: datetime = END) -> Iterator[tuple[datetime, float, float]]:
    """Each hour: when, PM2.5, motor vehicles; with one dip of the first and one jam of the second."""
    chance = np.random.default_rng(5)
    for number in range(round((end - start) / timedelta(hours=1))):
        at = start + timedelta(hours=number)
        pm = 25 + 30 * busyness(at) + chance.normal(0, 1.5)
        vehicles = float(chance.poisson(1500 * busyness(at)))
        if DIP <= at < DIP + timedelta(hours=6):
            pm += 40
        if at == END - timedelta(days=2, hours=16):  # Saturday, 08:00
            vehicles *= 0.2
        yield at, pm, vehicles


@pytest.fixture
def conn(connected: str) -> Iterator[psycopg.Connection]:
    with psycopg.connect(connected, autocommit=True) as conn:
        conn.execute("INSERT INTO city (key, value) VALUES ('time_zone', '\"Asia/Ho_Chi_Minh\"')")
        conn.execute("INSERT INTO device (name, first_seen) VALUES ('air-1', %s), ('camera-a', %s)", (START, START))
        conn.execute("INSERT INTO series (device_id, name, unit) VALUES (1, 'air/pm2_5', 'ug/m3')")
        rows = list(hour_rows())
        columns = "bucket, series_id, n, mean, minimum, maximum, p50, p95, coverage, good, computed_at"
        copy(
            conn, "reading_1h", columns,
            ((at, 1, 12, pm, pm, pm, pm, pm, 1, 1, at + timedelta(hours=1)) for at, pm, _ in rows),
        )  # fmt: skip
        columns = "bucket, device_id, camera, zone, class, direction, count, speed_mps, seconds, coverage, trusted"
        columns += ", computed_at"
        copy(
            conn, "traffic_1h", columns,
            (
                (at, 2, "cam", "gate", klass, direction, int(count), 9.0, 3600, 1, 1, at + timedelta(hours=1))
                for at, _, vehicles in rows
                for klass, direction, count in (("", "", vehicles + 3), ("car", "in", vehicles), ("person", "in", 3))
            ),
        )  # fmt: skip
        conn.execute(  # all but the last week have been compared
            "INSERT INTO baseline_day"
            " SELECT d::date, now() FROM generate_series(%s::date, %s::date, interval '1 day') d",
            (START.date(), END.date() - timedelta(days=8)),
        )
        yield conn


def run(dag: Any, at: datetime = END, **more: Any) -> dict[str, int]:
    dag.deadline = None  # Airflow 3.3's dag.test() takes it for the number of a stored one
    done = dag.test(logical_date=at, run_after=at, **more)
    assert done.state == "success"
    (told,) = [ti.xcom_pull(task_ids=ti.task_id) for ti in done.get_task_instances()]
    return dict(told)


def table(conn: psycopg.Connection, name: str) -> list[tuple[Any, ...]]:
    columns = {
        "baseline": "measure_id, bucket, value, expected, spread, score",
        "deviation": "measure_id, since, until, peak_at, value, expected, score, buckets",
    }
    return conn.execute(f"SELECT {columns[name]} FROM {name} ORDER BY 1, 2".encode()).fetchall()


def test_the_dag_finds_what_was_out_of_the_ordinary_and_nothing_else_and_does_it_once(
    conn: psycopg.Connection, dag_of: Callable[[str], Any]
) -> None:
    dag = dag_of("baselines")
    first = run(dag)
    assert first["written"] > 400
    found = list_deviations(conn, START, END, least=8)
    assert [(event.name, event.quantity, event.since, event.until) for event in found] == [
        ("cam/gate", "volume", END - timedelta(days=2, hours=16), END - timedelta(days=2, hours=15)),
        ("air/pm2_5", "value", DIP, DIP + timedelta(hours=6)),
    ]
    jam, smog = found
    assert jam.score < 0 < smog.score
    assert smog.value - smog.expected == pytest.approx(40, abs=6)
    assert run(dag) == {"read": 0, "written": 0, "changed": 0}


def test_a_corrected_hour_takes_its_deviation_back(conn: psycopg.Connection, dag_of: Callable[[str], Any]) -> None:
    run(dag_of("baselines"))
    conn.execute(
        "UPDATE reading_1h SET mean = mean - 40, revision = 2, computed_at = now() WHERE bucket >= %s AND bucket < %s",
        (DIP, DIP + timedelta(hours=6)),
    )
    assert run(dag_of("baselines"))["changed"] > 0
    assert [event.quantity for event in list_deviations(conn, START, END, least=8)] == ["volume"]


def test_days_compared_in_any_order_give_the_same_rows(conn: psycopg.Connection) -> None:
    from dags.baseline.days import compare_day

    days = [(END - timedelta(days=number)).date() for number in range(1, 8)]
    for day in days:
        compare_day(conn, day)
    first = table(conn, "baseline"), table(conn, "deviation")
    conn.execute("TRUNCATE baseline, deviation")
    random.Random(3).shuffle(days)
    for day in days:
        compare_day(conn, day)
    assert (table(conn, "baseline"), table(conn, "deviation")) == first
    assert first[1]


def test_any_range_is_compared_by_hand(conn: psycopg.Connection, dag_of: Callable[[str], Any]) -> None:
    told = run(dag_of("baselines"), run_conf={"start": "2026-03-12", "end": "2026-03-13"})
    assert told["written"] >= 2 * 24 * 3
    days = [day for (day,) in conn.execute("SELECT day FROM baseline_day WHERE day > '2026-03-08' ORDER BY day")]
    assert days == [date(2026, 3, 12), date(2026, 3, 13)]


def test_the_band_is_what_the_weeks_before_had_at_that_hour(
    conn: psycopg.Connection, dag_of: Callable[[str], Any]
) -> None:
    run(dag_of("baselines"))
    band = normal_of(conn, 1, END - timedelta(days=1), END, 1000)
    assert len(band) == 24
    for hour in band:
        usual = 25 + 30 * busyness(hour.bucket.astimezone(ZONE))
        assert hour.expected == pytest.approx(usual, abs=4)
        assert 0.5 < hour.spread < 5


def frame(rows: list[tuple[datetime, float]]) -> pd.DataFrame:
    local = [at.replace(tzinfo=None) for at, _ in rows]
    return pd.DataFrame({"measure": 1, "at": local, "value": [value for _, value in rows], "counted": False})


@pytest.mark.parametrize("hours", [1, 5, 17])
def test_what_comes_later_that_day_changes_no_score(hours: int) -> None:
    from dags.baseline.normal import compare

    rows = frame([(at, pm) for at, pm, _ in hour_rows()])
    history, day = rows.iloc[:-24], rows.iloc[-24:]
    whole, part = compare(history, day), compare(history, day.iloc[:hours])
    assert len(whole) == 24
    pd.testing.assert_frame_equal(part, whole.iloc[:hours])


def test_what_is_judged_has_no_part_in_what_it_is_judged_by() -> None:
    from dags.baseline.normal import compare

    rows = frame([(at, pm) for at, pm, _ in hour_rows()])
    history, day = rows.iloc[:-24], rows.iloc[-24:]
    far = compare(history, day.assign(value=day["value"] + 1000))
    assert far["expected"].tolist() == compare(history, day)["expected"].tolist()


def test_a_steady_series_has_no_endless_score_and_a_new_one_none() -> None:
    from dags.baseline.normal import compare

    rows = frame([(START + timedelta(hours=n), 20.0) for n in range(24 * 21)])
    told = compare(rows.iloc[:-24], rows.iloc[-24:].assign(value=21.0))
    assert told["score"].tolist() == pytest.approx([2.5] * 24)
    assert compare(rows.iloc[:40], rows.iloc[40:64]).empty


def test_what_is_far_off_now_and_then_is_not_out_of_the_ordinary_each_time() -> None:
    """As travel times are: one hour in twelve takes far longer, and nobody knows which."""
    from dags.baseline.days import THRESHOLD
    from dags.baseline.normal import compare

    chance = np.random.default_rng(12)
    rows = frame([(START + timedelta(hours=n), 100 + chance.normal()) for n in range(24 * 35)])
    slow = chance.random(len(rows)) < 1 / 12
    rows["value"] += 50 * slow
    history, week = rows.iloc[: -24 * 7], rows.iloc[-24 * 7 :]
    assert slow[-24 * 7 :].sum() > 10
    told = compare(history, week.assign(value=week["value"].where(week.index != week.index[-1], 400)))
    assert (told["score"].abs() >= THRESHOLD).tolist() == [False] * (24 * 7 - 1) + [True]


LABELLED = Series(
    name="made",
    times=[datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=5 * n) for n in range(1000)],
    values=[0.0] * 1000,
    windows=[(300, 399), (700, 799)],
)


def test_nabs_score_is_nothing_for_silence_and_all_for_the_first_row_of_each_window() -> None:
    assert judge(LABELLED, []).score == 0
    best = judge(LABELLED, [300, 700])
    assert best.score == pytest.approx(100)
    assert (best.precision, best.recall) == (1, 1)
    assert judge(LABELLED, [10, 20]).score == 0  # still learning
    assert judge(LABELLED, [350, 700]).score == pytest.approx(96.5, abs=0.5)  # half a window late
    assert judge(LABELLED, range(150, 1000)).score < 0


@given(st.sets(st.integers(150, 999), max_size=40), st.integers(150, 999))
def test_a_further_false_alarm_never_helps(alarms: set[int], more: int) -> None:
    inside = any(lo <= more <= hi for lo, hi in LABELLED.windows)
    before, after = judge(LABELLED, alarms), judge(LABELLED, alarms | {more})
    assert after.score >= before.score if inside else after.score <= before.score
    assert math.isfinite(after.score)


def lay_checkout(tmp_path: Path, start: datetime = START) -> None:
    (tmp_path / "data" / "realTraffic").mkdir(parents=True)
    (tmp_path / "labels").mkdir()
    lines = ["timestamp,value", *[f"{at.replace(tzinfo=None)},{pm}" for at, pm, _ in hour_rows(start)]]
    (tmp_path / "data" / "realTraffic" / "speed_1.csv").write_text("\n".join(lines))
    window = f'["{DIP:%Y-%m-%d %H:%M:%S}.000000", "{DIP + timedelta(hours=5):%Y-%m-%d %H:%M:%S}.000000"]'
    (tmp_path / "labels" / "combined_windows.json").write_text(f'{{"realTraffic/speed_1.csv": [{window}]}}')


def test_the_bench_reads_a_checkout_and_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(BadNab, match="no checkout of NAB"):
        read_series(tmp_path)
    lay_checkout(tmp_path)
    (series,) = read_series(tmp_path)
    lo, hi = series.windows[0]
    assert (series.times[lo], hi - lo) == (DIP.replace(tzinfo=None), 5)
    from ngatu.bench.baselines import alarms, ours, plain

    for method in (ours, plain):
        (scores,) = method([series])
        assert judge(series, alarms(series, scores, 5)).recall == (1 if method is ours else 0)


def test_one_command_reports_nabs_series_at_the_thresholds_that_the_counts_chose(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dags.baseline.days import THRESHOLD
    from ngatu.bench import baselines

    chosen = {"ours": 2.5, "plain threshold": 3.0}  # what choosing takes minutes for

    def counts(data: str, _series: object) -> list[baselines.Figures]:
        nothing: dict[str, Any] = {"score": 0, "precision": 0, "recall": 0, "at_ours": 0, "by_series": []}
        return [baselines.Figures(data=data, method=name, threshold=at, **nothing) for name, at in chosen.items()]

    monkeypatch.setattr(baselines, "_measure", counts)
    lay_checkout(tmp_path, END - timedelta(days=9))
    done = CliRunner().invoke(build(), ["bench", "baselines", "--nab", str(tmp_path), "--as-counts-choose", "--json"])
    told = {one["method"]: one for one in json.loads(done.stdout)["figures"] if one["data"] == baselines.NAB}
    at = chosen | {baselines.AS_IN_THE_DAG: THRESHOLD}
    assert {name: one["threshold"] for name, one in told.items()} == at
    assert all([row["series"] for row in one["by_series"]] == ["speed_1"] for one in told.values())
    assert told["ours"]["at_ours"] == told[baselines.AS_IN_THE_DAG]["score"]


def test_a_folder_that_is_no_checkout_is_told_in_one_line(tmp_path: Path) -> None:
    done = CliRunner().invoke(build(), ["bench", "baselines", "--nab", str(tmp_path)])
    assert done.exit_code == 1
    assert "no checkout of NAB" in str(done.exception)
