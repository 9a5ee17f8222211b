"""Golden messages: what stands in tests/events/golden is what is on the wire, byte for byte, while v1 lasts."""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import msgspec
import pytest

from events.about import About, Camera, Model, Position, Sensor, Zone
from events.config import Command, Config
from events.envelope import JPEG, JSON, MP4, SENML_JSON, Envelope, MessageId, user_properties
from events.evidence import Evidence, evidence_properties
from events.fact import to_json
from events.health import Health
from events.incident import Incident, Place
from events.message import decode
from events.reading import Reading, encode_senml
from events.status import LAST_WORD, ConfigRefused, Outbox, Range, Status
from events.topic import KINDS
from events.traffic import Flow, TrafficMinute

GOLDEN = Path(__file__).parent / "golden"
ULID = "01JD0000000000000000000000"
AT = datetime(2026, 11, 22, 1, 2, 3, 456789, tzinfo=UTC)
LATER = AT + timedelta(seconds=12.5)
STILL = b"\xff\xd8\xff\xe0" + bytes(range(32)) + b"\xff\xd9"
CLIP = b"\x00\x00\x00\x18ftypisom" + bytes(16)

FACTS: dict[str, object] = {
    "about": About(
        rev=3, at=AT, description="Ngã tư Sở", position=Position(latitude=21.0, longitude=105.8), ward="00070",
        sensors=(Sensor(name="host/load1", unit="1", minimum=0.0, maximum=64.0, period_s=1.0),),
        cameras=(
            Camera(
                name="camera-a", width=1920, height=1080, fps=25.0, calibrated=True, speed_limit_mps=13.9,
                model=Model(name="yolo11n", runtime="openvino", sha256="00" * 32),
                zones=(Zone(name="lane 2".replace(" ", "-"), kind="lane_direction",
                            points=((0.0, 0.0), (100.0, 0.0), (100.0, 50.5)), direction=(1.0, 0.0)),),
            ),
        ),
        versions={"ngatu": "0.1.0"}, config_rev=7,
    ),
    "about-limits": About(
        rev=4, sensors=(Sensor(name="box/temperature", unit="Cel", max_rate=0.5, stuck_after_s=3600.0),),
    ),
    "readings": [
        Reading("host/load1", 1763773323.25, 0.5, "1"),
        Reading("host/cpu", 1763773323.25, 12.0, "%"),
        Reading("door", 1763773324.5, True),
        Reading("sign/text", 1763773324.5, "ĐƯỜNG TRƠN"),
        Reading("raw", 1763773324.5, b"\x00\xff\xfe"),
    ],
    "traffic": TrafficMinute(
        camera="camera-a", zone="gate-north", start=datetime(2026, 11, 22, 1, 2, tzinfo=UTC), occupancy=0.25, pcu=9.5,
        queue=3.0, queue_m=21.5,
        flows=(Flow(klass="motorcycle", direction="in", count=31, speed_mps=8.3, speed_p85_mps=10.1),
               Flow(klass="car", direction="out", count=2)),
    ),
    "incident": Incident(
        id=ULID, rev=2, kind="collision", state="update", severity="critical", camera="camera-a", zone="lane-2",
        started_at=AT, decided_at=AT + timedelta(seconds=2), at=LATER, confidence=0.875,
        place=Place(box=(1.0, 2.0, 30.5, 40.0), x=3.5, y=-2.25, latitude=21.0, longitude=105.8),
        why={"speed_mps": 0.125, "zone": "lane-2"}, tracks=(4, 9), raised_from="stopped_vehicle", model="yolo11n",
    ),
    "health": Health(
        id=ULID, rev=2, subject="camera", name="camera-a", condition="frozen", state="cleared", since=AT, until=LATER,
        why={"frames": 250.0},
    ),
    "status": Status(
        state="online", connection=1763773323456, n=12, at=AT,
        outbox=Outbox(messages=3, bytes=4096, budget_bytes=256_000_000, oldest_at=AT),
        streams={ULID: 4711}, given_up=(Range(stream=ULID, first=5, last=9, reason="evicted"),),
        config_refused=ConfigRefused(rev=8, error="unknown key"),
    ),
    "status-last-will": Status(state="offline", connection=1763773323456, n=LAST_WORD),
    "ack": {ULID: [(1, 4711), (4713, 4800)]},
    "config": Config(rev=7, document={"cameras": [{"name": "camera-a", "rate": 5}], "ward": None}),
    "command": Command(id=ULID, action="snapshot", at=AT, camera="camera-a"),
    "evidence-still": Evidence(incident=ULID, camera="camera-a", at=AT, role="still", data=STILL),
    "evidence-clip": Evidence(incident=ULID, camera="camera-a", at=AT, role="clip", data=CLIP),
    "frame": STILL,
}  # fmt: skip


def kind_of(name: str) -> str:
    return name.partition("-")[0]


def written(name: str, fact: object) -> dict[str, Any]:
    """A message as it goes on the wire, readable."""
    content_type, payload = JSON, b""
    own: tuple[tuple[str, str], ...] = ()
    if isinstance(fact, Evidence):
        content_type, own, payload = (JPEG if fact.role == "still" else MP4), evidence_properties(fact), fact.data
    elif name == "frame":
        content_type, payload = JPEG, STILL
    elif isinstance(fact, list):
        content_type, payload = SENML_JSON, encode_senml(fact, "cam-12")
    else:
        payload = to_json(fact)
    envelope = Envelope(content_type, MessageId(ULID, 42), AT, own)
    text = content_type in {JSON, SENML_JSON}
    return {
        "topic": f"ngatu/v1/cam-12/{kind_of(name)}",
        "content_type": content_type,
        "user_properties": user_properties(envelope),
        **({"payload": payload.decode()} if text else {"payload_hex": payload.hex()}),
    }


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_is_written_as_it_always_was(name: str) -> None:
    path = GOLDEN / f"{name}.json"
    made = json.loads(json.dumps(written(name, FACTS[name])))
    assert made == json.loads(path.read_text())


@pytest.mark.parametrize("name", FACTS)
def test_a_golden_message_is_read_as_the_fact_it_was(name: str) -> None:
    golden = json.loads((GOLDEN / f"{name}.json").read_text())
    payload = golden["payload"].encode() if "payload" in golden else bytes.fromhex(golden["payload_hex"])
    properties = [(key, value) for key, value in golden["user_properties"]]
    message = decode(golden["topic"], payload, golden["content_type"], properties)
    assert message.body == FACTS[name]
    assert message.topic.device == "cam-12"
    assert message.envelope.id == MessageId(ULID, 42)
    assert message.envelope.sent == AT


def test_every_kind_has_a_golden_message() -> None:
    assert {kind_of(name) for name in FACTS} == set(KINDS)
    assert {path.stem for path in GOLDEN.glob("*.json")} == set(FACTS)


def test_a_message_of_a_later_minor_version_is_read_without_its_new_fields() -> None:
    golden = json.loads((GOLDEN / "incident.json").read_text())
    later = {**json.loads(golden["payload"]), "weather": {"rain_mm": 3}}
    assert decode(golden["topic"], msgspec.json.encode(later)).body == FACTS["incident"]


def test_times_come_in_any_zone_and_mean_the_same() -> None:
    golden = json.loads((GOLDEN / "traffic.json").read_text())
    hanoi = {**json.loads(golden["payload"]), "start": "2026-11-22T08:02:00+07:00"}
    body = decode(golden["topic"], msgspec.json.encode(hanoi)).body
    assert isinstance(body, TrafficMinute)
    assert body.start == datetime(2026, 11, 22, 8, 2, tzinfo=timezone(timedelta(hours=7)))


# RFC 8428, sections 5.1.1 to 5.1.3 and 5.1.8: the standard's own examples.
EXAMPLES: list[tuple[str, list[Reading]]] = [
    (
        '[{"n":"urn:dev:ow:10e2073a01080063","u":"Cel","v":23.1}]',
        [Reading("urn:dev:ow:10e2073a01080063", None, 23.1, "Cel")],
    ),
    (
        '[{"bn":"urn:dev:ow:10e2073a01080063:","n":"voltage","u":"V","v":120.1},{"n":"current","u":"A","v":1.2}]',
        [
            Reading("urn:dev:ow:10e2073a01080063:voltage", None, 120.1, "V"),
            Reading("urn:dev:ow:10e2073a01080063:current", None, 1.2, "A"),
        ],
    ),
    (
        (
            '[{"bn":"urn:dev:ow:10e2073a0108006:","bt":1.276020076001e+09,"bu":"A","bver":5},'
            '{"n":"voltage","u":"V","v":120.1},{"n":"current","t":-5,"v":1.2},{"n":"current","t":-4,"v":1.3}]'
        ),
        [
            Reading("urn:dev:ow:10e2073a0108006:voltage", 1276020076.001, 120.1, "V"),
            Reading("urn:dev:ow:10e2073a0108006:current", 1276020071.001, 1.2, "A"),
            Reading("urn:dev:ow:10e2073a0108006:current", 1276020072.001, 1.3, "A"),
        ],
    ),
    (
        (
            '[{"bn":"2001:db8:1234:5678::1/","n":"temperature","v":25.2},{"n":"humidity","v":30},'
            '{"n":"label","vs":"Machine Room"},{"n":"open","vb":false},{"n":"nfc-reader","vd":"aGkgCg"}]'
        ),
        [
            Reading("2001:db8:1234:5678::1/temperature", None, 25.2),
            Reading("2001:db8:1234:5678::1/humidity", None, 30.0),
            Reading("2001:db8:1234:5678::1/label", None, "Machine Room"),
            Reading("2001:db8:1234:5678::1/open", None, False),
            Reading("2001:db8:1234:5678::1/nfc-reader", None, b"hi \n"),
        ],
    ),
]


@pytest.mark.parametrize(("pack", "readings"), EXAMPLES)
def test_the_standards_own_examples_are_read(pack: str, readings: list[Reading]) -> None:
    assert decode("ngatu/v1/box/readings", pack.encode()).body == readings
