"""Nothing goes on for ever on an operator's page because its agent has gone."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from threading import Thread

import yaml
from msgspec.structs import replace

from edge import ongoing
from edge.agent import Agent
from edge.cameras import Cameras
from edge.outbox import Outbox
from edge.outgoing import HEALTH, INCIDENT
from edge.settings import Agent as Settings
from edge.settings import Broker as BrokerSettings
from edge.settings import Camera
from events import health
from events.health import Health
from events.incident import DECODER, Incident, Place
from ngatu.home import CHECKOUT
from tests.edge.acknowledger import Acknowledger
from tests.edge.making import NOW
from tests.servers import Broker, WaitFor

OPEN = Incident(
    id="01JD0000000000000000000000", rev=1, kind="stopped_vehicle", state="open", severity="minor", camera="street",
    started_at=NOW, decided_at=NOW, at=NOW, confidence=0.5, place=Place(), why={"seconds": 12.0},
)  # fmt: skip
CUT_OFF = """
import os, signal, sys
from pathlib import Path
from edge import ongoing
from edge.outbox import Outbox
from tests.edge.test_ongoing import OPEN
ongoing.put(Outbox(Path(sys.argv[1]), 10_000_000), OPEN)
os.kill(os.getpid(), signal.SIGKILL)
"""


def revisions(outbox: Outbox) -> list[Incident]:
    """What waits, in the order in which it was made."""
    return [DECODER.decode(row.payload) for row in reversed(outbox.fetch_newest(INCIDENT, (), 99))]


def heard(acknowledger: Acknowledger) -> list[Incident]:
    return [message.body for message in acknowledger.of_kind("incident") if isinstance(message.body, Incident)]


def agent_file(folder: Path, broker: Broker, device: str) -> Path:
    path = folder / "agent.yaml"
    path.write_text(yaml.safe_dump({"device": device, "broker": {"url": broker.url}, "uplink": {"status_s": 0.5}}))
    return path


def test_what_is_open_is_ended_once_with_its_last_revisions_words(outbox: Outbox) -> None:
    ongoing.put(outbox, OPEN)
    update = replace(OPEN, rev=2, state="update", why={"seconds": 60.0})
    ongoing.put(outbox, update)
    ongoing.end(outbox, "told to")
    ongoing.end(outbox, "told to again")
    first, second, last = revisions(outbox)
    assert (first, second) == (OPEN, update)
    assert (last.id, last.rev, last.state) == (OPEN.id, 3, "end")
    assert last.why == {"seconds": 60.0, "ended": "told to"}
    assert last.ended_at == last.at > NOW


def test_what_has_ended_by_itself_is_left_alone(outbox: Outbox) -> None:
    ongoing.put(outbox, OPEN)
    over = replace(OPEN, rev=2, state="end", ended_at=NOW + timedelta(seconds=5))
    ongoing.put(outbox, over)
    ongoing.end(outbox, "told to")
    ongoing.end_of_earlier_run(outbox, "told to")
    assert revisions(outbox) == [OPEN, over]
    assert not outbox.notes(ongoing.INCIDENTS)


def test_a_complaint_about_a_camera_is_cleared_with_who_made_it(outbox: Outbox) -> None:
    dark = Health(
        id="01JD0000000000000000000009", rev=1, subject="camera", name="street", condition="dark", state="raised",
        since=NOW,
    )  # fmt: skip
    ongoing.put(outbox, dark)
    ongoing.end_of_earlier_run(outbox, "cut off")
    ongoing.end(outbox, "told to")
    outbox.commit()
    first, last = (health.DECODER.decode(row.payload) for row in outbox.fetch(HEALTH, 0, 9))
    assert first == dark
    assert (last.id, last.rev, last.state, last.why) == (dark.id, 2, "cleared", {"ended": "cut off"})
    assert last.until is not None
    assert last.until > NOW


def test_what_was_forgotten_is_forgotten_over_restarts(outbox_path: Path) -> None:
    first = Outbox(outbox_path, 10_000_000)
    ongoing.put(first, OPEN)
    ongoing.put(first, replace(OPEN, rev=2, state="end", ended_at=NOW))
    first.set_note("other", "stays")
    first.close()
    second = Outbox(outbox_path, 10_000_000)
    assert second.notes("") == {"other": "stays"}
    second.close()


def test_an_agent_that_was_killed_ends_at_its_next_start_what_it_had_open(
    tmp_path: Path, broker: Broker, acknowledger: Acknowledger, wait_for: WaitFor
) -> None:
    file = agent_file(tmp_path, broker, acknowledger.device)
    cut = subprocess.run([sys.executable, "-c", CUT_OFF, tmp_path / "agent" / "outbox.db"], cwd=CHECKOUT, check=False)
    assert cut.returncode == -9
    agent = Agent(file, None)
    running = Thread(target=agent.run)
    running.start()
    wait_for(lambda: len(heard(acknowledger)) == 2)
    agent.stop()
    running.join()
    last = max(heard(acknowledger), key=lambda incident: incident.rev)
    assert (last.id, last.rev, last.state, last.ended_at) == (OPEN.id, 2, "end", NOW)
    assert last.why["ended"] == "the agent was cut off"


def test_an_agent_that_is_told_to_stop_ends_what_is_open_before_it_goes(
    tmp_path: Path, broker: Broker, acknowledger: Acknowledger, wait_for: WaitFor
) -> None:
    agent = Agent(agent_file(tmp_path, broker, acknowledger.device), None)
    running = Thread(target=agent.run)
    running.start()
    wait_for(lambda: acknowledger.of_kind("about"))  # it is at work
    ongoing.put(agent._outbox, OPEN)
    wait_for(lambda: heard(acknowledger))
    agent.stop()
    running.join()
    last = max(heard(acknowledger), key=lambda incident: incident.rev)
    assert (last.rev, last.state, last.why["ended"]) == (2, "end", "the agent stopped watching")
    outbox = Outbox(tmp_path / "agent" / "outbox.db", 10_000_000)
    assert not revisions(outbox), "it waited until the database had it"
    outbox.close()


def test_cameras_remember_what_they_have_open(tmp_path: Path, outbox: Outbox) -> None:
    settings = Settings(
        device="d", broker=BrokerSettings(url="mqtt://127.0.0.1"), cameras=(Camera(name="street", source=0),)
    )
    cameras = Cameras(settings, tmp_path, tmp_path, outbox)
    cameras._take(OPEN)
    assert list(outbox.notes(ongoing.INCIDENTS)) == [ongoing.INCIDENTS + OPEN.id]
