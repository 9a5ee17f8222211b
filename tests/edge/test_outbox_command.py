"""`ngatu outbox`, as a command of its own."""

import json
import subprocess
import sys
from pathlib import Path

from edge.outbox import Outbox
from ngatu.home import CHECKOUT
from tests.edge.making import message


def ngatu_outbox(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ngatu", "outbox", *map(str, arguments)]
    return subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True, check=False)


def test_it_tells_depth_by_kind_while_the_agent_runs(outbox: Outbox, outbox_path: Path) -> None:
    for _ in range(3):
        outbox.put(message(5))
    stream = outbox.put(message(0)).stream
    outbox.commit()
    done = ngatu_outbox(outbox_path, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert {kind["kind"]: kind["messages"] for kind in found["kinds"]} == {"incident": 1, "readings": 3}
    assert found["agent_running"] is True
    assert found["messages"] == 4
    assert {"stream": stream, "kind": "incident", "last": 1, "done": 0, "waiting": 1} in found["streams"]
    assert "its agent runs" in ngatu_outbox(outbox_path).stdout
    assert outbox.put(message(5)).seq == 4


def test_it_finds_the_outbox_of_an_agents_file_and_tells_what_was_given_up(tmp_path: Path) -> None:
    file = tmp_path / "camera-a.yaml"
    file.write_text("device: camera-a\nbroker: {url: mqtt://127.0.0.1:1}\noutbox: {budget: 100kB}\n")
    outbox = Outbox(tmp_path / "camera-a" / "outbox.db", 100_000)
    for _ in range(60):
        outbox.put(message(5, bytes(3000)))
    outbox.close()
    done = ngatu_outbox(file)
    assert done.returncode == 1
    assert "evicted" in done.stdout
    assert "of 100,000" in done.stdout
    assert "no agent runs on it" in done.stdout
    assert json.loads(ngatu_outbox(tmp_path / "camera-a", "--json").stdout)["given_up"][0]["reason"] == "evicted"


def test_what_is_no_outbox_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "outbox.db").write_bytes(b"not a database" * 100)
    for where in (tmp_path / "absent", tmp_path / "outbox.db"):
        done = ngatu_outbox(where)
        assert done.returncode == 1
        assert done.stderr.count("\n") == 1
        assert str(where) in done.stderr
