"""Health: a camera or sensor whose data should not be trusted, and since when."""

from typing import Final, Literal

import msgspec

from events.fact import Aware, Fact, Name, Revision, Ulid
from events.incident import Why

Condition = Literal["frozen", "dark", "blurred", "covered", "moved", "no_signal", "wrong_clock", "stuck", "slow"]


class Health(Fact, frozen=True, kw_only=True):
    """Raised, then cleared under the same id with a higher revision. The interval since … until is not trusted."""

    id: Ulid
    rev: Revision
    subject: Literal["camera", "sensor"]
    name: Name
    condition: Condition
    state: Literal["raised", "cleared"]
    since: Aware
    until: Aware | None = None
    why: dict[str, Why] = {}


DECODER: Final = msgspec.json.Decoder(Health)
