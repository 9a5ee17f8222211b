import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ngatu.bench import every, goals
from ngatu.bench.every import Outcome, Part
from ngatu.commands import bench


def test_a_benchmark_that_breaks_is_told_and_does_not_stop_the_others() -> None:
    parts = [Part(verb="no-such-benchmark", minutes=1), Part(verb="ingest --readings-per-message many", minutes=1)]
    first, second = every.run_all(parts)
    assert (first.name, first.met, second.name, second.met) == (parts[0].verb, False, parts[1].verb, False)
    assert first.error
    assert second.error
    assert "1,10,100" in second.error


def test_one_that_takes_far_too_long_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every, "STILL", 0.01)
    (outcome,) = every.run_all([Part(verb="agent", minutes=0)])
    assert (outcome.met, outcome.error) == (False, "not done in 0 minutes")


def test_what_is_known_is_written_after_each_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever stops it half-way keeps what was measured by then."""
    file = tmp_path / "bench.json"
    good = Outcome(name="agent", met=True, figures={"resident_mb": 36.0, "cpu_share": 0.03})

    def run_all(_parts: list[Part]) -> object:
        yield good
        told = json.loads(file.read_bytes())
        assert [one["name"] for one in told["outcomes"]] == ["agent"]
        assert {one["goal"]["figure"]: one["met"] for one in told["goals"]} == {
            "resident_mb": True, "cpu_share": False, "drain_rate": False, "slowest_alert_s": False,
        }  # fmt: skip
        raise KeyboardInterrupt

    monkeypatch.setattr(every, "run_all", run_all)
    done = CliRunner().invoke(bench.app, ["all", "--file", str(file), "--only", "agent"])
    assert done.output.startswith("1 parts, about 3 minutes")
    assert "agent: goal met" in done.output
    assert file.exists()


def test_each_goal_is_of_a_part_that_is_run_and_each_verb_that_needs_nothing_is_run() -> None:
    verbs = {part.verb for part in goals.PARTS}
    assert {goal.verb for goal in goals.GOALS} <= verbs
    commands = {command.callback.__name__ for command in bench.app.registered_commands if command.callback}
    assert commands - {"everything", "trackers"} == {verb.split()[0] for verb in verbs}


def test_a_goal_whose_figure_is_missing_is_missed() -> None:
    outcome = Outcome(name="aggregates", met=False, figures={"ratio_to_plain": 0.9})
    judged = list(goals.judge([outcome]))
    assert [(one.goal.figure, one.value, one.met) for one in judged] == [
        ("ratio_to_plain", 0.9, True),
        ("late_cost_growth", None, False),
    ]
    assert [line.split()[-1] for line in goals.lines(judged)] == ["met", "MISSED"]


@pytest.mark.parametrize(("met", "told"), [(True, "pace: goal met (0 s)"), (False, "pace: goal NOT met (0 s)")])
def test_numbers_stand_in_the_table_and_words_do_not(*, met: bool, told: str) -> None:
    outcome = Outcome(name="pace", met=met, figures={"ratio_to_plain": 1.5, "note": "text", "ok": True})
    assert list(every.lines(outcome)) == [told, f"  {'ratio_to_plain':<34} {'1.5':>14}"]
