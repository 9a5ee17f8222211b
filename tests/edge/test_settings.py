"""A file that is wrong says where, what, and what may stand there."""

from pathlib import Path

import pytest

from edge import city, yamlfile
from edge.settings import Generator, parse_bytes
from edge.yamlfile import BadSettings
from events.config import Config

GOOD = """\
device: camera-a
broker:
  url: mqtt://127.0.0.1:1883
sensors:
  - kind: host
  - kind: generator
    rate: 50
cameras:
  - name: a
    source: clip.avi
    size: [640, 480]
    rate: 5
"""
SENSORS = GOOD[GOOD.index("sensors:") : GOOD.index("cameras:") - 1]


def written(folder: Path, text: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_good_file_gives_frozen_facts(tmp_path: Path) -> None:
    agent = yamlfile.load(written(tmp_path, GOOD))
    assert agent.device == "camera-a"
    assert agent.sensors[1] == Generator(rate=50)
    assert agent.cameras[0].entry() == {"name": "a", "size": (640, 480)}


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("device: camera-a", "", ["line 2", "`device` is missing"]),
        (
            "device: camera-a",
            "devise: camera-a",
            ["line 1", "`devise`", "did you mean `device`", "allowed: device,"],
        ),
        ("url: mqtt", "uri: mqtt", ["line 3", "`uri`", "did you mean `url`"]),
        ("mqtt://127", "http://127", ["line 3", "`broker.url`", "mqtts?"]),
        ("device: camera-a", "device: camera a", ["line 1", "`device`", "camera a"]),
        ("kind: host", "kind: hots", ["line 5", "'hots'", "did you mean `host`", "allowed: host, replay, generator"]),
        ("- kind: host", "- period_s: 1", ["line 5", "`kind` is missing"]),
        ("rate: 50", "rate: fast", ["line 7", "`sensors[1].rate`", "Expected `float`", "'fast'"]),
        ("rate: 50", "rate: -1", ["line 7", "`sensors[1].rate`", "> 0"]),
        ("rate: 50", "rate: 50\n    sead: 2", ["line 8", "`sead`", "did you mean `seed`"]),
        ("size: [640, 480]", "size: [640]", ["line 11", "`cameras[0].size`"]),
        (SENSORS, "sensors: 5", ["line 4", "`sensors` must be a list"]),
        ("  url: mqtt://127.0.0.1:1883", "", ["line 2", "`broker` must hold keys and values"]),
        ("rate: 50", "rate: 50\n    rate: 60", ["line 8", "`rate` stands here twice"]),
        ("device: camera-a", "device: [", ["line", "not YAML"]),
        ("device: camera-a", "1: x", ["line 1", "key 1 is not a word"]),
        ("cameras:", "cameras:\n  - {name: a, source: 0}", ["line 10", "a second camera named 'a'"]),
        ("sensors:", "outbox: {budget: much}\nsensors:", ["line 4", "`outbox.budget`", "units: B, kB"]),
        (
            "sensors:",
            "vision: {runtime: tensorflow}\nsensors:",
            ["line 4", "`vision.runtime`", "allowed: onnxruntime"],
        ),
    ],
)
def test_an_error_names_line_key_and_what_is_allowed(tmp_path: Path, old: str, new: str, said: list[str]) -> None:
    assert old in GOOD
    with pytest.raises(BadSettings) as caught:
        yamlfile.load(written(tmp_path, GOOD.replace(old, new, 1)))
    for words in said:
        assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_missing_or_no_text_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="No such file"):
        yamlfile.load(tmp_path / "absent.yaml")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BadSettings, match="not UTF-8"):
        yamlfile.load(tmp_path / "binary.yaml")
    with pytest.raises(BadSettings, match="keys and values"):
        yamlfile.load(written(tmp_path, "- a list"))


@pytest.mark.parametrize(("text", "size"), [("8MB", 8_000_000), ("1.5 KiB", 1536), (77, 77), ("2GB", 2 * 10**9)])
def test_sizes_are_read(text: str | int, size: int) -> None:
    assert parse_bytes(text) == size


def test_the_city_changes_one_camera_and_the_rest_stays(tmp_path: Path) -> None:
    change = {
        "ward": "00070",
        "cameras": [{"name": "a", "rate": 9, "size": None, "zones": []}, {"name": "b", "source": 1}],
    }
    agent = city.settings(written(tmp_path, GOOD), Config(rev=2, document=change))
    assert [(camera.name, camera.rate, camera.source) for camera in agent.cameras] == [
        ("a", 9, "clip.avi"),
        ("b", None, 1),
    ]
    assert agent.cameras[0].size is None
    assert agent.ward == "00070"
    assert len(agent.sensors) == 2


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"broker": {"url": "mqtt://elsewhere"}}, "can't be set from afar"),
        ({"outbox": {"budget": 1}}, "can't be set from afar"),
        ({"sensors": [{"kind": "sonar"}]}, "config revision 4: `kind` is 'sonar'"),
        ({"cameras": [{"name": "a", "rate": "fast"}]}, "config revision 4: `cameras[0].rate`"),
        ({"cameras": None, "ward": 5}, "config revision 4: `ward`"),
    ],
)
def test_a_wrong_revision_says_so(tmp_path: Path, document: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        city.settings(written(tmp_path, GOOD), Config(rev=4, document=document))
    assert said in str(caught.value)


def test_a_revision_is_kept_in_the_agents_folder(tmp_path: Path) -> None:
    assert city.kept(tmp_path) is None
    city.keep(tmp_path, Config(rev=5, document={"ward": "1"}))
    assert city.kept(tmp_path) == Config(rev=5, document={"ward": "1"})
    city.kept_file(tmp_path).write_text("{")
    assert city.kept(tmp_path) is None
