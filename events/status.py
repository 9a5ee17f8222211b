"""Status and ack: the two halves of the conversation about what is stored.

Up, an agent says what it has numbered and what it gave up; down, ingest says what the database accounts for.
"""

from typing import Annotated, Final, Literal

import msgspec

from events.fact import Aware, Count, Fact, Revision, Ulid

LAST_WORD: Final = 2**31 - 1  # `n` of a last will: after every other status of its connection

Reason = Literal["evicted", "refused", "too_large", "torn", "expired"]


class Range(Fact, frozen=True, kw_only=True):
    """Numbers `first` … `last` (both included) of a stream, given up by the agent."""

    stream: Ulid
    first: Revision
    last: Revision
    reason: Reason


class Outbox(Fact, frozen=True, kw_only=True):
    """What waits on the agent's disk."""

    messages: Count
    bytes: Count
    budget_bytes: Count
    oldest_at: Aware | None = None


class ConfigRefused(Fact, frozen=True, kw_only=True):
    """A revision of `config` that the agent could not use; the one before stays in force."""

    rev: Revision
    error: str


class Status(Fact, frozen=True, kw_only=True):
    """Online or offline. Applied only if (connection, n) is higher than what is known; the last will has LAST_WORD.

    `streams` is the last `seq` of each stream of this run, and of earlier ones with unfinished business.
    """

    state: Literal["online", "offline"]
    connection: Count  # grows with every connection of the device, over restarts
    n: Annotated[int, msgspec.Meta(ge=0, le=LAST_WORD)]  # grows within one connection
    at: Aware | None = None
    outbox: Outbox | None = None
    streams: dict[Ulid, Count] = {}
    given_up: tuple[Range, ...] = ()
    config_refused: ConfigRefused | None = None


Ack = dict[Ulid, list[tuple[int, int]]]
"""Per stream the ranges (both ends included) that the database accounts for: stored, rejected or given up."""

DECODER: Final = msgspec.json.Decoder(Status)
ACK_DECODER: Final = msgspec.json.Decoder(Ack)
