"""`ngatu vision replay --video` and `preview`, and `ngatu bench vision`, as a user runs them."""

import json
from pathlib import Path

import av
import cv2
import msgspec
import pytest
import yaml
from typer.testing import CliRunner

from events.incident import Incident
from ngatu.bench.camera import Begun, compared
from ngatu.bench.vision import measure
from ngatu.cli import build
from tests.vision.pictures import car, street, write_film
from vision.detection.detect import NetworkDetector, open_detector
from vision.detection.models import ModelFile

WHOLE = [[0, 0], [768, 0], [768, 576], [0, 576]]


@pytest.fixture(scope="module")
def camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("camera") / "camera.yaml"
    zones = [
        {"name": "walk", "kind": "no_pedestrian", "image": WHOLE},
        {"name": "road", "kind": "road", "image": WHOLE},
    ]
    path.write_text(yaml.safe_dump({"name": "cam", "size": [768, 576], "zones": zones}))
    return path


@pytest.fixture(scope="module")
def short(vtest: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first four seconds of the real clip, as a folder of pictures."""
    folder = tmp_path_factory.mktemp("pictures")
    film = cv2.VideoCapture(str(vtest))
    for number in range(40):
        cv2.imwrite(str(folder / f"{number:03}.jpg"), film.read()[1])
    return folder


def run(*words: str | Path) -> tuple[int, str]:
    done = CliRunner().invoke(build(), [str(word) for word in words])
    return done.exit_code, done.output if done.exception is None else f"{done.output}{done.exception}"


def test_a_video_gives_alerts_counts_evidence_and_boxes_that_give_them_again(
    camera: Path, short: Path, tiny: ModelFile, tmp_path: Path
) -> None:
    alerts, evidence, boxes = tmp_path / "alerts.json", tmp_path / "evidence", tmp_path / "boxes.jsonl.gz"
    code, said = run(
        *("vision", "replay", "--camera", camera, "--video", short, "--model", tiny.path, "--out", alerts),
        *("--evidence", evidence, "--record", boxes, "--traffic", tmp_path / "traffic.json"),
    )
    assert code == 0, said
    assert "never tells near_miss, congestion (not calibrated); speeding (not calibrated, no speed_limit_mps);" in said
    found = json.loads(alerts.read_text())
    assert {alert["type"] for alert in found} == {"pedestrian_on_road"}
    assert all(0 <= alert["t_start"] <= alert["t_alert"] <= 4 for alert in found)
    incident = msgspec.convert(found[0]["revisions"][0], Incident)
    still = cv2.imread(str(evidence / f"{incident.id}.jpg"))
    assert still is not None
    assert still.shape == (576, 768, 3)
    assert (evidence / f"{incident.id}.mp4").read_bytes()[4:8] == b"ftyp"
    assert json.loads((tmp_path / "traffic.json").read_text())
    again = tmp_path / "again.json"
    code, said = run("vision", "replay", "--camera", camera, "--boxes", boxes, "--out", again)
    assert code == 0, said
    assert [alert["t_alert"] for alert in json.loads(again.read_text())] == [alert["t_alert"] for alert in found]


def test_cutting_a_video_short_changes_no_earlier_alert(
    camera: Path, short: Path, tiny: ModelFile, tmp_path: Path
) -> None:
    (tmp_path / "half").mkdir()
    for picture in sorted(short.iterdir())[:20]:
        (tmp_path / "half" / picture.name).symlink_to(picture)
    told = []
    for video in (short, tmp_path / "half"):
        out = tmp_path / "alerts.json"
        run("vision", "replay", "--camera", camera, "--video", video, "--model", tiny.path, "--out", out)
        told.append([(a["type"], a["t_alert"], a["t_start"]) for a in json.loads(out.read_text()) if a["t_alert"] < 2])
    assert told[0] == told[1]
    assert told[0]


@pytest.mark.parametrize(
    ("video", "model", "said"),
    [("none.mp4", None, "No such file"), ("text.mp4", None, "Invalid data"), ("text.mp4", "text.mp4", "ultralytics")],
)
def test_bad_input_is_one_clear_line_and_no_success(
    camera: Path, tiny: ModelFile, tmp_path: Path, video: str, model: str | None, said: str
) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    chosen = tmp_path / model if model else tiny.path
    code, output = run(
        *("vision", "replay", "--camera", camera, "--video", tmp_path / video),
        *("--model", chosen, "--out", tmp_path / "alerts.json"),
    )
    assert code == 1
    assert said in output
    assert video in output


def test_a_preview_is_a_film_or_a_picture(camera: Path, short: Path, tiny: ModelFile, tmp_path: Path) -> None:
    words = ("vision", "preview", "--video", short, "--model", tiny.path)
    assert run(*words, "--camera", camera, "--seconds", "1", "--out", tmp_path / "film.mp4")[0] == 0
    with av.open(str(tmp_path / "film.mp4")) as film:
        assert len(list(film.decode(video=0))) == 11
    assert run(*words, "--at", "1", "--out", tmp_path / "still.png")[0] == 0
    drawn, plain = (cv2.imread(str(path)) for path in (tmp_path / "still.png", sorted(short.iterdir())[10]))
    assert drawn is not None
    assert plain is not None
    assert 0.001 < (drawn != plain).any(axis=2).mean() < 0.2  # boxes are drawn, the street is the street
    code, said = run(*words, "--at", "90", "--seconds", "1", "--out", tmp_path / "late.mp4")
    assert code == 1
    assert "nothing lies 90 s into it" in said


def test_alerts_that_have_no_counterpart_are_counted_once_each() -> None:
    some = [Begun("speeding", 1.0, 2.0), Begun("speeding", 9.0, 9.5), Begun("debris", 5.0, 15.0)]
    others = [Begun("speeding", 2.0, 2.5), Begun("speeding", 30.0, 31.0), Begun("debris", 5.5, 11.0)]
    assert compared(some, others) == (2, 4.0)
    assert compared(others, some) == (2, 0.5)
    assert compared(some, some) == (0, 0.0)


@pytest.mark.timeout(400)
def test_the_bench_measures_what_it_says(tiny: ModelFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"camera.SOAK": 300, "camera.HELD": 20, "vision.ROUNDS": 2}.items():
        monkeypatch.setattr(f"ngatu.bench.{name}", value)
    film = write_film(tmp_path / "street.mp4", [car(street(), 8 * n) for n in range(30)])
    detector = open_detector(tiny.path)
    assert isinstance(detector, NetworkDetector)
    figures = measure(detector, film, scene=None, threads=1, frames=20, python=None)
    assert figures.ratio_to_ultralytics is None
    assert 0.2 < figures.ratio_to_model < 2
    assert set(figures.ms_by_stage) >= {"decode", "gate", "letterbox", "detect", "boxes", "line", "ring"}
    assert sum(figures.ms_by_stage.values()) > 1000 / figures.fps_model / 3
    assert figures.cameras_at_5fps == int(figures.fps / 5)
    assert 0 < figures.quiet_share < 1
    assert figures.gate_lost <= 0.05
    assert figures.gate_alerts_differ == 0
    assert 0.2 < figures.ratio_to_network < 2
    assert figures.fps / figures.fps_network == pytest.approx(figures.ratio_to_network, rel=0.5)
    assert 0.2 < figures.ratio_to_streams < 2
    assert 0 < figures.ms_beside_network < 2 * sum(figures.ms_by_stage.values())
