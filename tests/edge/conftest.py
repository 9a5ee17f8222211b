from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.outbox import Outbox
from tests.edge.acknowledger import Acknowledger
from tests.servers import Broker, WaitFor


@pytest.fixture
def outbox_path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(outbox_path: Path) -> Iterator[Outbox]:
    made = Outbox(outbox_path, 10_000_000)
    yield made
    made.close()


@pytest.fixture
def acknowledger(broker: Broker, request: pytest.FixtureRequest, wait_for: WaitFor) -> Iterator[Acknowledger]:
    """The other end for a device that is named after the test, on the shared broker."""
    device = "".join(letter if letter.isalnum() else "-" for letter in request.node.name)[:60].rstrip("-")
    with Acknowledger(broker.host, broker.port, device) as other_end:
        wait_for(lambda: other_end.ready)
        yield other_end
