"""`ngatu aggregates` and `ngatu bench aggregates`, as a user types them."""

import json
import subprocess
import sys
from typing import Any

import psycopg
import pytest


def ngatu(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ngatu", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=110)


def told(*words: str) -> dict[str, Any]:
    done = ngatu(*words, "--json")
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_a_range_is_computed_again(db: psycopg.Connection, dsn: str) -> None:
    db.execute("INSERT INTO device (name) VALUES ('a')")
    db.execute("INSERT INTO series (device_id, name) VALUES (1, 'a')")
    db.execute("INSERT INTO reading (at, received, value, series_id) VALUES ('2026-03-01 06:01Z', now(), 1, 1)")
    db.execute(
        "INSERT INTO closing SELECT 'reading', l, '2026-03-02Z', '2026-03-02Z' FROM unnest('{15m,1h}'::text[]) l"
    )
    words = ["aggregates", "backfill", "2026-03-01", "2026-03-02", "--dsn", dsn]
    assert told(*words) == {"read": 2, "written": 2, "changed": 0}
    assert told(*words) == {"read": 2, "written": 0, "changed": 0}
    assert told("aggregates", "late", "--dsn", dsn) == {"read": 0, "written": 0, "changed": 0}


def test_a_range_that_ends_before_it_begins_is_refused(dsn: str) -> None:
    done = ngatu("aggregates", "backfill", "2026-03-02", "2026-03-01", "--dsn", dsn)
    assert done.returncode != 0
    assert (
        done.stderr.strip().splitlines()[-1].startswith("ngatu: FROM 2026-03-02T00:00:00 is not before TO 2026-03-01")
    )


@pytest.mark.slow
def test_the_bench_tells_its_figures_and_a_late_reading_costs_the_same_in_a_larger_table() -> None:
    figures = told("bench", "aggregates", "--rows", "14400", "--times", "2", "--compared-days", "1", "--repeats", "5")
    assert figures["large_rows"] == 2 * figures["small_rows"] == 2 * 14400
    assert figures["ratio_to_plain"] == pytest.approx(
        figures["our_rate"] / figures["plain_rate"]
    )  # how fast: make bench
    assert figures["late_cost_growth"] == pytest.approx(figures["large_late_s"] / figures["small_late_s"])
    assert figures["late_pages_growth"] == pytest.approx(figures["large_late_pages"] / figures["small_late_pages"])
    assert figures["late_pages_growth"] < 2
    assert figures["late_cost_growth_in_memory"] > 0


def test_a_bench_that_the_disk_has_no_room_for_is_refused_before_it_starts() -> None:
    done = ngatu("bench", "aggregates", "--times", "1000000")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("GB free, 220176 needed: take a smaller --times")
