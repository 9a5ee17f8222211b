"""An agent with a camera: a real clip, a real model, in a process of its own."""

import os
import signal
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml

from edge.cameras import far_sources, scene_of
from edge.settings import Camera
from edge.yamlfile import BadSettings
from events.about import About
from events.config import Command
from events.fact import to_json
from events.health import Health
from events.incident import Incident
from events.traffic import TrafficMinute
from ngatu.home import find_home
from ngatu.prepare import clip_file, make_clip
from tests.edge.acknowledger import Acknowledger
from tests.edge.making import NOW
from tests.edge.test_agent import Process
from tests.servers import Broker, WaitFor

CORNER = [[0, 0], [9, 0], [9, 9]]
FAR_AWAY = [[900, 900], [990, 900], [990, 990]]


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """Three seconds of a grey street with a dark thing that moves."""
    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (320, 240))
    for number in range(30):
        picture = np.full((240, 320, 3), 128, np.uint8)
        cv2.rectangle(picture, (10 * number, 100), (10 * number + 40, 140), (20, 20, 20), -1)
        writer.write(picture)
    writer.release()
    return path


@pytest.mark.slow
def test_a_cameras_facts_reach_the_broker_and_a_snapshot_can_be_asked_for(
    tmp_path: Path, clip: Path, broker: Broker, acknowledger: Acknowledger, wait_for: WaitFor
) -> None:
    file = tmp_path / "agent.yaml"
    zones = [{"name": "road", "kind": "road", "image": [[0, 0], [320, 0], [320, 240], [0, 240]]}]
    document = {
        "device": acknowledger.device,
        "broker": {"url": broker.url},
        "uplink": {"status_s": 0.5},
        "vision": {"models": str(find_home(os.environ) / "models")},
        "cameras": [{"name": "street", "source": clip.name, "size": [320, 240], "rate": 5, "zones": zones}],
    }
    file.write_text(yaml.safe_dump(document))
    agent = Process(file)
    try:
        wait_for(lambda: acknowledger.of_kind("about"), timeout=90)
        about = acknowledger.of_kind("about")[0].body
        assert isinstance(about, About)
        assert about.cameras[0].model is not None
        assert [zone.name for zone in about.cameras[0].zones] == ["road"]
        wait_for(lambda: any(r.series == "camera/street/fps" for r in acknowledger.readings()), timeout=60)
        command = Command(id="01JD0000000000000000000009", action="snapshot", at=NOW, camera="street")
        acknowledger.tell("command", to_json(command))
        wait_for(lambda: acknowledger.of_kind("frame"), timeout=60)
        frame = acknowledger.of_kind("frame")[0]
        assert isinstance(frame.body, bytes)
        assert frame.body.startswith(b"\xff\xd8\xff")
        assert ("command", command.id) in frame.envelope.properties
        assert agent.end(signal.SIGTERM) == 0
    finally:
        agent.popen.kill()
        agent.popen.wait()
    again = Process(file)  # the part minute that was under way is in the outbox
    try:
        wait_for(lambda: acknowledger.of_kind("traffic"), timeout=60)
        minute = acknowledger.of_kind("traffic")[0].body
        assert isinstance(minute, TrafficMinute)
        assert minute.camera == "street"
    finally:
        again.popen.kill()
        again.popen.wait()


def film_of_a_walker(path: Path) -> Path:
    """Eight seconds of a real street with people in it, as a thin camera has them."""
    film = cv2.VideoCapture(str(clip_file(find_home(os.environ))))
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"MJPG"), 10.0, (768, 576))
    for _ in range(80):
        writer.write(film.read()[1])
    writer.release()
    return path


@pytest.mark.slow
def test_a_worker_raises_what_it_sees_in_a_thin_cameras_frames(
    tmp_path: Path, broker: Broker, acknowledger: Acknowledger, wait_for: WaitFor
) -> None:
    make_clip()
    film = film_of_a_walker(tmp_path / "walk.avi")
    worker, thin = acknowledger.device, f"{acknowledger.device[:50]}-thin"
    whole = [[0, 0], [768, 0], [768, 576], [0, 576]]
    zones = [{"name": "walk", "kind": "no_pedestrian", "image": whole}, {"name": "r", "kind": "road", "image": whole}]
    far = {"name": "north", "source": f"mqtt:{thin}/north", "size": [768, 576], "zones": zones}
    agents: dict[str, dict[str, object]] = {
        worker: {"vision": {"models": str(find_home(os.environ) / "models")}, "cameras": [far]},
        thin: {"cameras": [{"name": "north", "source": film.name, "rate": 5, "detect": "elsewhere"}]},
    }
    running = []
    try:
        for device, document in agents.items():
            file = tmp_path / f"{device}.yaml"
            common: dict[str, object] = {"device": device, "broker": {"url": broker.url}, "uplink": {"status_s": 0.5}}
            file.write_text(yaml.safe_dump(common | document))
            running.append(Process(file))
        wait_for(lambda: acknowledger.of_kind("incident"), timeout=120)
        incident = acknowledger.of_kind("incident")[0].body
        assert isinstance(incident, Incident)
        assert (incident.kind, incident.camera, incident.zone) == ("pedestrian_on_road", "north", "walk")
        wait_for(lambda: acknowledger.of_kind("evidence"), timeout=60)
        wait_for(lambda: any(r.series == "camera/north/delay" for r in acknowledger.readings()), timeout=60)
        delays = [r.value for r in acknowledger.readings() if r.series == "camera/north/delay"]
        assert all(isinstance(delay, float) and delay < 2 for delay in delays), delays  # from capture, two agents away
        running.pop().end()  # the thin one
        wait_for(lambda: acknowledger.of_kind("health"), timeout=60)
        health = acknowledger.of_kind("health")[0].body
        assert isinstance(health, Health)
        assert (health.name, health.condition) == ("north", "no_signal")
    finally:
        for agent in running:
            agent.popen.kill()
            agent.popen.wait()
    assert "model=" not in (tmp_path / f"{thin}.log").read_text()  # nothing detects there


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"zones": [{"name": "z", "kind": "lawn", "image": [[0, 0], [9, 0], [9, 9]]}], "size": (64, 48)}, "lawn"),
        (
            {"zones": [{"name": "z", "kind": "road", "image": [[900, 900], [990, 900], [990, 990]]}], "size": (64, 48)},
            "outside",
        ),
        ({"zones": [{"name": "z", "kind": "road", "image": [[0, 0], [9, 0], [9, 9]]}]}, "size"),
        ({"scene": "absent.json"}, "absent.json"),
    ],
)
def test_a_scene_that_cannot_be_is_one_clear_line(tmp_path: Path, keys: dict[str, object], said: str) -> None:
    with pytest.raises(BadSettings) as caught:
        scene_of(Camera(name="street", source=0, **keys), tmp_path)  # type: ignore[arg-type] # as YAML gives it
    assert "camera street" in str(caught.value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_frames_from_elsewhere_are_named_by_device_and_camera_and_taken_once() -> None:
    far = Camera(name="north", source="mqtt:thin-a/north")
    assert far_sources([far, Camera(name="own", source=0)]) == [("thin-a", "north")]
    with pytest.raises(BadSettings, match="camera bad: source mqtt:thin-a: write mqtt:DEVICE/CAMERA"):
        far_sources([Camera(name="bad", source="mqtt:thin-a")])
    with pytest.raises(BadSettings, match="another camera's already"):
        far_sources([far, Camera(name="again", source="mqtt:thin-a/north")])


def test_keys_in_the_agents_file_win_over_the_scene_file(tmp_path: Path) -> None:
    (tmp_path / "scene.json").write_text('{"name": "other", "size": [64, 48], "speed_limit_kmh": 50}')
    scene = scene_of(Camera(name="street", source=0, scene="scene.json", size=(640, 480)), tmp_path)
    assert (scene.name, scene.width, scene.height) == ("street", 640, 480)
    assert scene.speed_limit_mps == pytest.approx(50 / 3.6)
