"""The scorer and the evaluation: what counts as found, false, second, excused."""

import gzip
import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from ngatu.commands.vision import app
from tests.vision.street import Actor, drive_and_stop, flow, frames, road_scene
from vision.errors import VisionError
from vision.recorded.score import AlertRecord, Truth, TruthIncident, read_alerts, read_truth, score
from vision.tracking.boxes import CAR

STOPPED = TruthIncident(type="stopped_vehicle", start=100, end=160, x=50, y=-3)


def truth(
    *incidents: TruthIncident, negatives: Sequence[TruthIncident] = (), ignore: Sequence[TruthIncident] = ()
) -> Truth:
    return Truth(duration=3600, incidents=list(incidents), negatives=list(negatives), ignore=list(ignore))


def alert(at: float, kind: str = "stopped_vehicle", x: float | None = 50, y: float | None = -3) -> AlertRecord:
    return AlertRecord(type=kind, t_alert=at, t_start=at - 10, x=x, y=y)


def test_an_alert_in_time_and_place_finds() -> None:
    one = score([(truth(STOPPED), [alert(110)])]).summary()
    assert (one["detection_rate"], one["false_alarms"], one["mean_time_to_detect_s"]) == (1.0, 0, 10.0)


@pytest.mark.parametrize("wrong", [alert(97), alert(171), alert(110, x=80), alert(110, kind="wrong_way")])
def test_an_alert_out_of_time_place_or_kind_is_false(wrong: AlertRecord) -> None:
    one = score([(truth(STOPPED), [wrong])])
    assert (one.found, one.false.total()) == (0, 1)


def test_a_second_alarm_for_one_event_is_no_false_one() -> None:
    one = score([(truth(STOPPED), [alert(110), alert(130)])])
    assert (one.found, one.second_alarms, one.false.total()) == (1, 1, 0)


def test_what_could_not_be_judged_is_excused() -> None:
    unseen = TruthIncident(type="stopped_vehicle", start=100, end=160, x=50, y=-3, evaluable=False)
    touch = TruthIncident(type="collision_unplanned", start=300, end=301)
    told = [alert(110), alert(302, "near_miss"), alert(190, "congestion")]
    one = score([(truth(unseen, ignore=[touch]), told)])
    assert (one.judged, one.false.total()) == (0, 0)
    assert one.summary()["detection_rate"] is None


def test_an_alarm_at_a_legal_stop_is_told_apart() -> None:
    stop = TruthIncident(type="short_stop", start=100, end=108)
    assert score([(truth(negatives=[stop]), [alert(109)])]).distractor_alarms == 1


@given(st.lists(st.floats(0, 400), max_size=12))
def test_every_alert_is_one_thing(times: list[float]) -> None:
    one = score([(truth(STOPPED), [alert(at) for at in times])])
    assert one.found + one.second_alarms + one.false.total() == len(times)


def test_files_that_are_no_truth_or_alerts_are_told(tmp_path: Path) -> None:
    bad = tmp_path / "a.json"
    with pytest.raises(VisionError, match="No such file"):
        read_truth(bad)
    bad.write_text("[1]")
    with pytest.raises(VisionError, match=r"a\.json"):
        read_alerts(bad)
    bad.write_text('[{"type": "party", "t_alert": 1}]')
    with pytest.raises(VisionError, match="unknown type 'party'"):
        read_alerts(bad)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run of a minute and a half in which a car stops."""
    folder = tmp_path / "runs" / "one"
    folder.mkdir(parents=True)
    scene = road_scene()
    assert scene.ground is not None
    zones = [
        {"name": z.name, "kind": z.kind, "image": z.image.tolist(), "world": z.shape.tolist()}
        | ({"dir": z.direction.tolist()} if z.direction is not None else {})
        for z in scene.zones
    ]
    camera = {
        "name": "street",
        "size": [1280, 720],
        "fps": 10,
        "H_image_to_world": scene.ground.matrix.tolist(),
        "zones": zones,
    }
    (folder / "camera.json").write_text(json.dumps(camera))
    actors = [Actor(klass=CAR, way=drive_and_stop(12, -5, 10, start=5, at=45, seconds=60)), *flow(60, y=-1.8)]
    with gzip.open(folder / "dets.jsonl.gz", "wt") as lines:
        for n, (t, boxes) in enumerate(frames(actors, 60)):
            lines.write(json.dumps({"frame": n + 1, "t": t, "boxes": boxes.round(2).tolist()}) + "\n")
    event = {
        "id": "s",
        "type": "stopped_vehicle",
        "start": 10.0,
        "end": 70.0,
        "x": 45.0,
        "y": -5.0,
        "evaluable": True,
        "visible_from": 10.0,
    }
    whole = {"camera": "street", "profile": "day", "duration": 60, "incidents": [event], "negatives": [], "ignore": []}
    (folder / "incidents.json").write_text(json.dumps(whole))
    return folder


def test_evaluate_replays_and_scores_every_run_below_a_folder(run: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["evaluate", str(run.parent), "--json", "--out", str(tmp_path / "out")])
    assert told.exit_code == 0, told.output
    figures = json.loads(told.output)
    assert figures["all"]["detection_rate"] == 1.0
    assert figures["profiles"]["day"]["false_alarms"] == 0
    table = CliRunner().invoke(app, ["score", str(run / "incidents.json"), str(tmp_path / "out" / "one.json")])
    assert table.exit_code == 0, table.output
    assert "stopped_vehicle" in table.output


def test_replay_writes_the_same_alerts_each_time(run: Path, tmp_path: Path) -> None:
    files = [tmp_path / "a.json", tmp_path / "b.json"]
    for file in files:
        arguments = ["--camera", str(run / "camera.json"), "--boxes", str(run / "dets.jsonl.gz"), "--out", str(file)]
        told = CliRunner().invoke(app, ["replay", *arguments, "--traffic", str(tmp_path / "traffic.json")])
        assert told.exit_code == 0, told.output
    assert files[0].read_bytes() == files[1].read_bytes()
    alerts = json.loads(files[0].read_text())
    assert [one["type"] for one in alerts] == ["stopped_vehicle"]
    assert {"t_alert", "t_start", "x", "y", "revisions"} <= set(alerts[0])
    assert json.loads((tmp_path / "traffic.json").read_text())


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["evaluate", str(tmp_path)])
    assert told.exit_code != 0
    assert isinstance(told.exception, VisionError)
