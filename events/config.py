"""Config and command: what the city tells a device."""

from typing import Any, Final, Literal

import msgspec

from events.fact import Aware, Fact, Revision, Ulid


class Config(Fact, frozen=True, kw_only=True):
    """A revision of the device's configuration, kept on the edge beside its file; a higher `rev` replaces it."""

    rev: Revision
    document: dict[str, Any]  # keys of the agent's YAML file that it overrides: cameras, sensors, rates


class Command(Fact, frozen=True, kw_only=True):
    """Do this now, once."""

    id: Ulid
    action: Literal["snapshot", "restart", "update"]
    at: Aware
    camera: str | None = None


DECODER: Final = msgspec.json.Decoder(Config)
COMMAND_DECODER: Final = msgspec.json.Decoder(Command)
