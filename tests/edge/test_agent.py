"""`python -m edge`, as a process of its own, on a real broker; killed, reconfigured, commanded."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from events.about import About
from events.config import Command, Config
from events.envelope import MessageId
from events.fact import to_json
from ngatu.home import CHECKOUT
from tests.edge.acknowledger import Acknowledger
from tests.edge.making import NOW
from tests.servers import Broker, WaitFor

Document = dict[str, object]


class Process:
    """An agent; `.log` is what it said."""

    def __init__(self, file: Path, *more: str) -> None:
        self.output = file.with_suffix(".log")
        with self.output.open("ab") as out:
            command = [sys.executable, "-W", "error", "-m", "edge", str(file), *more]
            environ = {"PATH": os.defpath}
            self.popen = subprocess.Popen(command, cwd=CHECKOUT, stderr=out, stdout=out, env=environ)

    @property
    def log(self) -> str:
        return self.output.read_text()

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        self.popen.send_signal(how)
        return self.popen.wait(20)


Start = Callable[..., Process]


@pytest.fixture
def start() -> Iterator[Start]:
    running: list[Process] = []

    def begin(file: Path, *more: str) -> Process:
        running.append(Process(file, *more))
        return running[-1]

    yield begin
    for process in running:
        process.popen.kill()
        process.popen.wait()


@pytest.fixture
def document(broker: Broker, acknowledger: Acknowledger) -> Document:
    return {
        "device": acknowledger.device,
        "broker": {"url": broker.url},
        "uplink": {"status_s": 0.5, "resend_s": 0.5},
        "sensors_s": 0.1,
        "sensors": [{"kind": "generator", "rate": 200, "series": 5, "incidents_per_s": 4, "log": "made.csv"}],
    }


def written(folder: Path, document: Document) -> Path:
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def made(folder: Path) -> dict[MessageId, int]:
    """How many readings of each message the generator has noted."""
    found: dict[MessageId, int] = {}
    for line in (folder / "made.csv").read_text().splitlines():
        stream, _, seq = line.split(",")[0].partition(":")
        ident = MessageId(stream, int(seq))
        found[ident] = found.get(ident, 0) + 1
    return found


def test_it_sends_describes_itself_and_ends_with_0(
    tmp_path: Path, document: Document, acknowledger: Acknowledger, start: Start, wait_for: WaitFor
) -> None:
    document["sensors"] = [{"kind": "host"}]
    agent = start(written(tmp_path, document))
    wait_for(lambda: len(acknowledger.of_kind("readings")) >= 3, timeout=20)
    assert agent.end() == 0
    about = acknowledger.of_kind("about")[0].body
    assert isinstance(about, About)
    assert "host/cpu" in {sensor.name for sensor in about.sensors}
    wait_for(lambda: acknowledger.statuses[-1].state == "offline")
    assert not agent.log.count("ERROR")


def test_an_agent_without_cameras_imports_no_vision() -> None:
    heavy = "{'vision', 'numpy', 'cv2', 'psycopg'}"
    code = f"import sys, edge.__main__; print({heavy} & {{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_killed_at_random_moments_it_loses_nothing_that_it_noted_and_repeats_no_id(
    tmp_path: Path, document: Document, acknowledger: Acknowledger, start: Start, wait_for: WaitFor
) -> None:
    file = written(tmp_path, document)
    chance = random.Random(7)
    for _ in range(6):
        agent = start(file)
        seen = len(acknowledger.messages)
        wait_for(lambda seen=seen: len(acknowledger.messages) > seen, timeout=20)  # type: ignore[misc] # bound now
        time.sleep(chance.uniform(0, 0.6))  # the moment is what is random
        agent.end(signal.SIGKILL)
    connection = acknowledger.statuses[-1].connection
    agent = start(file)
    wait_for(lambda: acknowledger.statuses[-1].connection > connection, timeout=20)
    wait_for(lambda: made(tmp_path).keys() <= acknowledger.ids(), timeout=30)
    assert agent.end() == 0
    bodies: dict[MessageId, bytes] = {}
    for raw in acknowledger.raw:
        ident = dict(getattr(raw.properties, "UserProperty", [])).get("id", "")
        if ident:
            stream, _, seq = ident.partition(":")
            assert bodies.setdefault(MessageId(stream, int(seq)), raw.payload) == raw.payload
    counted = {m.envelope.id: len(m.body) for m in acknowledger.of_kind("readings") if isinstance(m.body, list)}
    assert {ident: counted[ident] for ident in made(tmp_path) if ident in counted}.items() <= made(tmp_path).items()
    keys = [(reading.series, reading.at) for reading in acknowledger.readings()]
    assert len(keys) == len(set(keys))
    connections = [status.connection for status in acknowledger.statuses]
    assert connections == sorted(connections)


def test_a_revision_of_config_is_put_in_force_kept_and_echoed_and_the_outbox_is_not_touched(
    tmp_path: Path, document: Document, acknowledger: Acknowledger, start: Start, wait_for: WaitFor
) -> None:
    acknowledger.silent = True
    file = written(tmp_path, document)
    agent = start(file)
    wait_for(lambda: acknowledger.of_kind("readings"), timeout=20)
    before = acknowledger.ids()
    streams = {message.envelope.id.stream for message in acknowledger.messages if message.envelope.id}
    sensors = [{"kind": "generator", "rate": 10, "series": 2, "prefix": "new"}]
    acknowledger.tell("config", to_json(Config(rev=7, document={"sensors": sensors})), retain=True)
    wait_for(lambda: any(reading.series.startswith("new/") for reading in acknowledger.readings()))
    wait_for(lambda: abouts(acknowledger)[-1].config_rev == 7)
    assert {sensor.name for sensor in abouts(acknowledger)[-1].sensors} == {"new/0000", "new/0001"}
    after = {message.envelope.id.stream for message in acknowledger.messages if message.envelope.id}
    assert after <= streams | set(acknowledger.statuses[-1].streams)
    assert acknowledger.statuses[-1].outbox is not None
    assert acknowledger.statuses[-1].outbox.messages >= len(before)
    acknowledger.tell("config", to_json(Config(rev=6, document={"sensors": []})))
    acknowledger.tell("config", to_json(Config(rev=8, document={"sensors": [{"kind": "sonar"}]})))
    wait_for(lambda: acknowledger.statuses[-1].config_refused is not None)
    refused = acknowledger.statuses[-1].config_refused
    assert refused is not None
    assert (refused.rev, "sonar" in refused.error) == (8, True)
    assert "config rev=8 refused=" in agent.log
    assert agent.end() == 0
    assert json.loads((tmp_path / "agent" / "config.json").read_bytes())["rev"] == 7
    acknowledger.speak()
    acknowledger.tell("config", b"", retain=True)
    restarted = start(file)
    wait_for(lambda: abouts(acknowledger)[-1].config_rev == 7 and len(abouts(acknowledger)) >= 3)
    assert abouts(acknowledger)[-1].rev == abouts(acknowledger)[-2].rev  # nothing has changed
    assert restarted.end() == 0


def abouts(other_end: Acknowledger) -> list[About]:
    return [message.body for message in other_end.of_kind("about") if isinstance(message.body, About)]


def test_it_obeys_a_command_once(
    tmp_path: Path, document: Document, acknowledger: Acknowledger, start: Start, wait_for: WaitFor
) -> None:
    agent = start(written(tmp_path, document))
    wait_for(lambda: acknowledger.statuses, timeout=20)
    first = acknowledger.statuses[-1].connection
    acknowledger.tell("command", to_json(Command(id="01JD0000000000000000000001", action="update", at=NOW)))
    acknowledger.tell("command", to_json(Command(id="01JD0000000000000000000002", action="snapshot", at=NOW)))
    wait_for(lambda: "not managed here" in agent.log and "no picture of it" in agent.log)
    for _ in range(2):
        acknowledger.tell("command", to_json(Command(id="01JD0000000000000000000003", action="restart", at=NOW)))
    wait_for(lambda: acknowledger.statuses[-1].connection > first and acknowledger.statuses[-1].state == "online")
    assert agent.end() == 0
    assert len({status.connection for status in acknowledger.statuses}) == 2


def test_a_wrong_file_ends_it_with_2_and_one_line(tmp_path: Path, document: Document, start: Start) -> None:
    document["sensors"] = [{"kind": "hots"}]
    agent = start(written(tmp_path, document), "--check")
    assert agent.popen.wait(20) == 2
    assert agent.log.count("\n") == 1
    assert "did you mean `host`" in agent.log


def test_check_reads_and_ends(tmp_path: Path, document: Document, start: Start) -> None:
    agent = start(written(tmp_path, document), "--check")
    assert agent.popen.wait(20) == 0
    assert "good" in agent.log
    assert not (tmp_path / "agent").exists()
