"""One message on its way into the database: as it arrived, and as it is understood."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from events import BadMessage
from events.envelope import Envelope, MessageId, parse_envelope, parse_id
from events.message import Body, decode_body, decode_columns
from events.pack import Pack
from events.topic import UP, Topic, parse_topic


class Arrival(msgspec.Struct, frozen=True, kw_only=True):
    """What MQTT delivered."""

    topic: str
    payload: bytes
    content_type: str | None = None
    properties: Sequence[tuple[str, str]] = ()
    at: float  # Unix seconds, our clock
    token: tuple[int, int] | None = None  # the consumer's: connection, packet id


class Item(msgspec.Struct, kw_only=True):
    """An arrival and what it says: either `body`, or `bad` and why."""

    arrival: Arrival
    device: str  # empty where the topic names none
    kind: str
    id: MessageId | None  # None: not one of our agents
    sent: float | None = None  # Unix seconds, the device's clock at publish
    body: Body | Pack | None = None  # readings end as a Pack, see `lay_out`
    bad: BadMessage | None = None
    ledgered: bool = True  # False for a replay: its number counts as received since it was rejected
    disowned: bool = False  # its stream is another device's
    adapted: bool = False  # an adapter read it: its device speaks on no topic of ours


_topic = lru_cache(maxsize=65_536)(parse_topic)


def understand(arrival: Arrival) -> Item:
    """Decode `arrival`; whatever is wrong with it becomes `bad`."""
    device = kind = ""
    try:
        topic = _topic(arrival.topic)
        device, kind = topic.device, topic.kind
        envelope = parse_envelope(arrival.content_type, arrival.properties)
        return _item(arrival, topic, envelope)
    except BadMessage as bad:
        return Item(arrival=arrival, device=device, kind=kind, id=_salvage_id(arrival.properties), bad=bad)


def _item(arrival: Arrival, topic: Topic, envelope: Envelope) -> Item:
    if topic.kind not in UP:
        raise BadMessage("topic", f"{topic.kind} is nothing that a device sends to be stored")
    decode = decode_columns if topic.kind == "readings" else decode_body
    body = decode(topic, envelope, arrival.payload)
    sent = envelope.sent.timestamp() if envelope.sent else None
    return Item(arrival=arrival, device=topic.device, kind=topic.kind, id=envelope.id, sent=sent, body=body)


def _salvage_id(properties: Sequence[tuple[str, str]]) -> MessageId | None:
    """The number of a message that is otherwise wrong: its sender must learn that it need not come again."""
    for name, value in properties:
        if name == "id":
            try:
                return parse_id(value)
            except BadMessage:
                return None
    return None


UNNUMBERED_KINDS: Final = frozenset({"status"})
"""Idempotent by themselves: our agents send them without an id."""


def is_foreign(item: Item) -> bool:
    """Whether its device numbers nothing, so that contents alone must tell a copy."""
    return item.id is None and item.kind not in UNNUMBERED_KINDS


def lay_out(items: Sequence[Item]) -> None:
    """Put readings that came one by one, from an adapter, into columns."""
    for item in items:
        if isinstance(item.body, list):
            item.body = Pack.of(item.body)
