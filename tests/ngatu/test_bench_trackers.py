import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
from typer.testing import CliRunner

from ngatu.bench.candidates import TRACKERS
from ngatu.bench.mot import Numbered, compare, together
from ngatu.bench.trackers import beaten_by, follow, report
from ngatu.cli import build
from tests.vision.synthetic.run import write_run
from vision.recorded.recording import BoxWriter

FRAMES = 60
DROPPED = (10, 11, 40)
ROAD = [[0, 0], [1280, 0], [1280, 720], [0, 720]]


def two_cars(frame: int, *, swapped: bool = False) -> Numbered:
    """One drives right at 10 m/s, one left, 20 m apart; a pixel is 0.1 m."""
    x = 10.0 * frame
    numbers = (2, 1) if swapped else (1, 2)
    return np.array([[numbers[0], 200 + x, 100, 245 + x, 120], [numbers[1], 900 - x, 300, 945 - x, 320]])


TRUTH = {frame: two_cars(frame) for frame in range(FRAMES)}
HALVES = {frame: two_cars(frame, swapped=frame >= FRAMES / 2) for frame in range(FRAMES)}


class ByLane:
    """Knows who is who by the lane, until it mistakes each for the other."""

    def __init__(self, mistaken_from: float = 1e9) -> None:
        self.mistaken_from = mistaken_from

    def update(self, detections: sv.Detections, *, timestamp: float) -> sv.Detections:
        first = detections.xyxy[:, 1] < 200
        detections.tracker_id = np.where(first ^ (timestamp >= self.mistaken_from), 1, 2)
        return detections


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    """A run of the two cars, of which some frames were dropped on the way."""
    folder = tmp_path / "drawn"
    folder.mkdir()
    zone = {"name": "road", "kind": "road", "image": ROAD}
    metres = [[0.1, 0, 0], [0, 0.1, 0], [0, 0, 1]]
    camera = {"name": "c", "size": [1280, 720], "fps": 10, "H_image_to_world": metres, "zones": [zone]}
    (folder / "camera.json").write_text(json.dumps(camera))
    (folder / "incidents.json").write_text(json.dumps({"duration": FRAMES / 10, "incidents": []}))
    with BoxWriter(folder / "dets.jsonl.gz") as boxes, gzip.open(folder / "gt_mot.txt.gz", "wt") as mot:
        for frame, cars in TRUTH.items():
            for number, x1, y1, x2, y2 in cars:
                mot.write(f"{frame},{number:.0f},{x1},{y1},{x2 - x1},{y2 - y1},1,2,1.00\n")
            if frame not in DROPPED:
                boxes.write(frame / 10, np.column_stack((cars[:, 1:], [[0.9, 2]] * 2)), frame=frame)
    return folder


@pytest.fixture(scope="module")
def made_up(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    write_run(folder / "busy", seed=5, profile="rain", seconds=8)
    return folder


def bench(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(build(), ["bench", "trackers", *map(str, words)])
    return done.exit_code, f"{done.output}{done.exception or ''}"


def test_the_true_numbers_score_one() -> None:
    perfect = compare(TRUTH, TRUTH).figures
    assert perfect == pytest.approx({"hota": 1, "det_a": 1, "ass_a": 1, "idf1": 1, "switches": 0})


def test_numbers_that_change_places_half_way_cost_what_the_definitions_say() -> None:
    figures = compare(TRUTH, HALVES).figures
    # of each true car's 60 boxes 30 share its number, which has 30 elsewhere: 30 / (60 + 60 - 30)
    expected = {"hota": (1 / 3) ** 0.5, "det_a": 1, "ass_a": 1 / 3, "idf1": 0.5, "switches": 2}
    assert figures == pytest.approx(expected)


def test_a_car_that_is_never_seen_costs_detection_and_no_association() -> None:
    figures = compare(TRUTH, {frame: cars[:1] for frame, cars in TRUTH.items()}).figures
    assert figures == pytest.approx({"hota": 0.5**0.5, "det_a": 0.5, "ass_a": 1, "idf1": 2 / 3, "switches": 0})


def test_recordings_count_together_by_their_boxes() -> None:
    short = {frame: HALVES[frame] for frame in range(28, 32)}
    both = together([compare(TRUTH, TRUTH), compare(TRUTH, short)]).figures
    assert both["switches"] == 2
    assert both["idf1"] == pytest.approx((120 + 4) / (120 + 8))


def test_frames_are_compared_by_their_number_and_dropped_ones_are_not_judged(
    drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ngatu.bench.trackers.TRACKERS", {"by lane": lambda _: ByLane()})
    (row,) = report([follow(drawn, ("by lane", False))])
    assert row["hota"] == pytest.approx(1, abs=0.01)
    assert (row["switches"], row["idf1"]) == (0, 1)


@pytest.mark.parametrize(("by_road", "switches", "idf1"), [(False, 2, 0.5), (True, 0, 1)])
def test_the_road_takes_back_numbers_that_jump(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, *, by_road: bool, switches: int, idf1: float
) -> None:
    monkeypatch.setattr("ngatu.bench.trackers.TRACKERS", {"by lane": lambda _: ByLane(mistaken_from=3)})
    (row,) = report([follow(drawn, ("by lane", by_road))])
    assert row["switches"] == switches
    assert row["idf1"] == pytest.approx(idf1, abs=0.03)


@pytest.mark.parametrize("make", TRACKERS.values(), ids=TRACKERS)
def test_every_tracker_follows_two_cars_far_apart(
    drawn: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[float], Any]
) -> None:
    monkeypatch.setattr("ngatu.bench.trackers.TRACKERS", {"this": make})
    (row,) = report([follow(drawn, ("this", False))])
    assert row["idf1"] > 0.9
    assert row["switches"] == 0


def test_the_command_tells_each_tracker_on_each_run_and_over_all(made_up: Path, drawn: Path) -> None:
    words = ("--tracker", "ByteTrack", "--tracker", "SORT", "--frames", "60", "--json")
    code, said = bench(made_up, drawn, *words)
    told = json.loads(said)
    assert code == (1 if told["better"] else 0)
    assert [(row["run"], row["tracker"], row["road"]) for row in told["rows"]] == [
        (run, tracker, road)
        for run in ("busy", "drawn", "all")
        for tracker in ("ByteTrack", "SORT")
        for road in (False, True)
    ]
    for row in told["rows"]:
        assert 0 < row["hota"] < 1
        assert row["found"] <= row["incidents"]
        assert row["ms"] > 0


def test_without_incidents_the_table_has_none(drawn: Path) -> None:
    code, said = bench(drawn, "--tracker", "SORT", "--no-incidents", "--frames", "20")
    assert code == 0
    head, *rows = said.splitlines()
    assert head.split()[:4] == ["run", "tracker", "HOTA", "IDF1"]
    assert [row.split()[-4:] for row in rows] == [["-"] * 4] * 2


def test_a_run_without_true_boxes_is_named(drawn: Path) -> None:
    (drawn / "gt_mot.txt.gz").unlink()
    code, said = bench(drawn)
    assert code != 0
    assert f"{drawn}: no gt_mot.txt.gz" in said


def test_a_file_of_other_boxes_is_named(drawn: Path) -> None:
    (drawn / "gt_mot.txt.gz").write_bytes(gzip.compress(b"1,2,3\n"))
    code, said = bench(drawn, "--tracker", "SORT")
    assert code != 0
    assert "gt_mot.txt.gz: " in said
    assert "frame,id,x,y,w,h,1,class,visible" in said


def test_an_unknown_tracker_is_told_which_there_are(drawn: Path) -> None:
    code, said = bench(drawn, "--tracker", "DeepSORT")
    assert code == 2
    assert "OC-SORT" in said


USUAL = {"run": "all", "hota": 0.6, "idf1": 0.7, "found": 8, "incidents": 10, "false": 2}


@pytest.mark.parametrize(
    ("other", "better"),
    [
        ({"hota": 0.7, "idf1": 0.8, "found": 9}, True),
        ({"hota": 0.7, "idf1": 0.8, "false": 1}, True),
        ({"hota": 0.7, "idf1": 0.8}, False),
        ({"hota": 0.7, "idf1": 0.8, "found": 9, "false": 3}, False),
        ({"hota": 0.5, "idf1": 0.8, "found": 10, "false": 0}, False),
    ],
)
def test_a_tracker_beats_ours_where_nothing_speaks_against_it(other: dict[str, float], *, better: bool) -> None:
    ours, theirs = USUAL | {"tracker": "ByteTrack", "road": True}, USUAL | other | {"tracker": "SORT", "road": False}
    assert beaten_by([ours, theirs]) == (["SORT"] if better else [])
    assert beaten_by([theirs]) == []
