"""`ngatu/v1/<device>/<kind>`: who speaks, and what about. No place in it: wards get redrawn, devices move."""

import re
from dataclasses import dataclass
from typing import Final, Literal, get_args

from events.errors import BadMessage

Kind = Literal[
    "about", "readings", "traffic", "incident", "evidence", "health", "frame", "status", "ack", "config", "command"
]
KINDS: Final = get_args(Kind)
UP: Final = ("about", "readings", "traffic", "incident", "evidence", "health", "status")  # what ingest stores
DOWN: Final = ("ack", "config", "command")
RETAINED: Final = ("about", "status", "ack", "config")

_KIND: Final[dict[str, Kind]] = {kind: kind for kind in KINDS}

ROOT: Final = "ngatu/v1"
DEVICE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:-]{0,63}")


@dataclass(frozen=True, slots=True)
class Topic:
    """A device and a kind of message; `str()` gives the MQTT topic."""

    device: str
    kind: Kind

    def __str__(self) -> str:
        return f"{ROOT}/{self.device}/{self.kind}"


def parse_topic(topic: str) -> Topic:
    """Read an MQTT topic.

    >>> parse_topic("ngatu/v1/cam-12/incident")
    Topic(device='cam-12', kind='incident')

    Raises:
        BadMessage: `topic`.
    """
    parts = topic.split("/")
    if len(parts) != 4 or parts[0] != "ngatu" or parts[1] != "v1":
        raise BadMessage("topic", f"{topic!r} is not {ROOT}/<device>/<kind>")
    device = parts[2]
    kind = _KIND.get(parts[3])
    if not DEVICE.fullmatch(device):
        raise BadMessage("topic", f"device {device!r} does not match {DEVICE.pattern}")
    if kind is None:
        raise BadMessage("topic", f"kind {parts[3]!r} is not one of {', '.join(KINDS)}")
    return Topic(device, kind)


def subscription(kind: Kind, device: str = "+", *, group: str | None = None) -> str:
    """The topic filter for one kind; with `group`, a shared subscription.

    >>> subscription("readings", group="ingest")
    '$share/ingest/ngatu/v1/+/readings'
    """
    share = f"$share/{group}/" if group else ""
    return f"{share}{ROOT}/{device}/{kind}"
