import json
from pathlib import Path

import pytest

from ngatu.bench import every


def test_a_benchmark_that_breaks_is_told_and_does_not_stop_the_others(tmp_path: Path) -> None:
    file = tmp_path / "bench.json"
    outcomes = every.run_all(["no-such-benchmark"], file)
    assert [(outcome.name, outcome.met) for outcome in outcomes] == [("no-such-benchmark", False)]
    assert outcomes[0].error
    assert json.loads(file.read_bytes())["outcomes"][0]["name"] == "no-such-benchmark"


@pytest.mark.parametrize(("met", "told"), [(True, "pace: goal met"), (False, "pace: goal NOT met")])
def test_numbers_stand_in_the_table_and_words_do_not(*, met: bool, told: str) -> None:
    outcome = every.Outcome(name="pace", met=met, figures={"ratio_to_plain": 1.5, "note": "text", "ok": True})
    assert list(every.lines(outcome)) == [told, f"  {'ratio_to_plain':<34} {'1.5':>14}"]


def test_a_verb_is_run_with_its_options(tmp_path: Path) -> None:
    (outcome,) = every.run_all(["ingest --readings-per-message many"], tmp_path / "bench.json")
    assert outcome.name == "ingest --readings-per-message many"
    assert outcome.error
    assert "1,10,100" in outcome.error
