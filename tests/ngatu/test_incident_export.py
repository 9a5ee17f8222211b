"""`ngatu incident export` on a real database, with pictures that the edge's own code made."""

import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import av
import cv2
import numpy as np
import psycopg
import pytest
from typer.testing import CliRunner

from events.about import About, Camera, Model
from events.incident import Incident, Place
from ngatu.cli import build
from ngatu.incident_bundle import BadEvidenceError, write_bundle
from storage.evidence import ReceivedEvidence, copy_evidence
from storage.incidents import ReceivedIncident, store_incidents
from storage.registry import ReceivedAbout, apply_abouts, ensure_devices
from tests.vision.pictures import frames, noisy, street
from vision.blur import regions
from vision.evidence import Ring, encode, still

SHA = "ab" * 32
BOXES = np.array([[150, 100, 200, 250, 0.9, 0], [220, 160, 300, 200, 0.9, 2]], np.float32)  # a walker and a car
NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def made(db: psycopg.Connection) -> Incident:
    """An incident with its still and clip, a reading and a minute of traffic beside it."""
    device = ensure_devices(db, ["camera-a"])["camera-a"]
    camera = Camera(name="north", model=Model(name="tiny", runtime="openvino", sha256=SHA))
    about = About(rev=3, at=NOW - timedelta(days=1), cameras=(camera,), versions={"ngatu": "0.1"})
    apply_abouts(db, [ReceivedAbout(device, NOW, about)])
    incident = Incident(
        id="01JD0000000000000000000001", rev=1, kind="pedestrian_on_road", state="open", severity="major",
        camera="north", started_at=NOW, decided_at=NOW, at=NOW, confidence=0.9, place=Place(box=(1, 2, 3, 4)),
        model="tiny",
    )  # fmt: skip
    rng = np.random.default_rng(5)
    film = list(frames((noisy(walker(), rng) for _ in range(100)), start=NOW.timestamp()))
    ring = Ring(camera="north")
    ring.film(incident, film[0].at)
    clips = [clip for frame in film for clip in ring.add(frame, BOXES)]
    clip = encode(clips[0])
    assert clip is not None
    pieces = [still(incident, film[0], BOXES, blur=True), clip]
    with db.transaction():
        store_incidents(db, [ReceivedIncident(device, NOW, incident)])
        copy_evidence(db, [ReceivedEvidence(device, NOW, piece) for piece in pieces])
    db.execute("INSERT INTO series (device_id, name, unit, period_s) VALUES (%s, 'cpu/load1', '1', 1)", [device])
    db.execute(
        "INSERT INTO reading (at, received, value, series_id, quality) SELECT %s, %s, 1.5, id, 0 FROM series",
        [NOW, NOW],
    )
    db.execute(
        "INSERT INTO traffic (at, received, device_id, count, seconds, trusted, camera, zone, class, direction)"
        " VALUES (%s, %s, %s, 7, 60, true, 'north', 'gate', 'car', 'in')",
        [NOW, NOW, device],
    )
    return incident


def walker() -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    """A street with a checked region wherever BOXES have a head or a plate: what can be recognised there."""
    image = street()
    for x1, y1, x2, y2 in regions(BOXES, image.shape[1], image.shape[0]):
        rows, columns = np.mgrid[y1:y2, x1:x2]
        image[y1:y2, x1:x2] = (255 * ((rows // 2 + columns // 2) % 2))[..., None]
    return image


def test_the_bundle_opens_and_every_checksum_in_it_is_right(dsn: str, made: Incident, tmp_path: Path) -> None:
    out = tmp_path / "bundle.zip"
    done = CliRunner().invoke(build(), ["incident", "export", made.id, "--dsn", dsn, "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(out) as bundle:
        assert bundle.testzip() is None
        manifest = json.loads(bundle.read("manifest.json"))
        files = {name: bundle.read(name) for name in bundle.namelist() if name != "manifest.json"}
    told = {file["name"]: (file["bytes"], file["sha256"]) for file in manifest["files"]}
    assert told == {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in files.items()}
    assert {"still.jpg", "clip.mp4", "incident.json", "camera.json", "readings.csv", "traffic.csv"} <= set(files)
    assert manifest["model"] == {"name": "tiny", "sha256": SHA}
    assert manifest["configuration"]["changed_since"] is False
    assert json.loads(files["incident.json"])["kind"] == "pedestrian_on_road"
    assert files["readings.csv"].decode().splitlines()[1] == f"{NOW.isoformat()},cpu/load1,1.5,1,0"
    assert ",gate,car,in,7," in files["traffic.csv"].decode()


def test_no_picture_in_the_bundle_shows_a_head_or_a_plate(dsn: str, made: Incident, tmp_path: Path) -> None:
    with psycopg.connect(dsn, autocommit=True) as conn:
        write_bundle(conn, made.id, tmp_path / "b.zip")
    with zipfile.ZipFile(tmp_path / "b.zip") as bundle:
        pictures = [np.asarray(cv2.imdecode(np.frombuffer(bundle.read("still.jpg"), np.uint8), cv2.IMREAD_COLOR))]
        with av.open(io.BytesIO(bundle.read("clip.mp4")), "r") as film:
            pictures += [frame.to_ndarray(format="bgr24") for frame in film.decode(video=0)]
    assert len(pictures) > 10
    clear = walker().astype(float)
    for picture in pictures:
        for x1, y1, x2, y2 in regions(BOXES, 384, 288):
            inner = np.s_[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
            seen = np.corrcoef(picture[inner].astype(float).ravel(), clear[inner].ravel())[0, 1]
            assert abs(np.nan_to_num(seen)) < 0.2
            assert picture[inner].std() < 0.2 * clear[inner].std()


def test_what_changed_since_it_was_received_is_not_handed_on(
    db: psycopg.Connection, made: Incident, tmp_path: Path
) -> None:
    db.execute("UPDATE evidence SET data = data || '\\x00' WHERE role = 'still'")
    with pytest.raises(BadEvidenceError, match="still"):
        write_bundle(db, made.id, tmp_path / "b.zip")
    assert list(tmp_path.iterdir()) == []


def test_an_incident_that_is_not_there_is_one_clear_line(dsn: str, tmp_path: Path) -> None:
    out = tmp_path / "none.zip"
    done = CliRunner().invoke(
        build(), ["incident", "export", "01JD0000000000000000000009", "--dsn", dsn, "--out", str(out)]
    )
    assert done.exit_code == 2
    assert "no incident 01JD0000000000000000000009" in done.output.replace("\n", " ")
    assert not out.exists()
