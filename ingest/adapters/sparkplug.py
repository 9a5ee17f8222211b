"""Sparkplug B: `spBv1.0/<group>/<NBIRTH|NDATA|NDEATH|DBIRTH|DDATA|DDEATH>/<edge node>[/<device>]`.

Births say what the aliases of later messages mean. They are remembered here, for as long as this process hears every
message of the edge node (`seq` counts them, 0 … 255): after a gap, a death or a restart, data are refused with a
reason, and the node is asked for a rebirth. A value never goes to a series that it may not belong to.
"""

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from events import BadMessage
from events.reading import Reading, Value
from ingest.adapters.sparkplug_payload import VALUES, parse, rebirth
from ingest.adapters.told import AskAgain, Read, Told

MAX_NODES: Final = 5000
NODE_MESSAGES: Final = frozenset({"NBIRTH", "NDATA", "NDEATH"})
DEVICE_MESSAGES: Final = frozenset({"DBIRTH", "DDATA", "DDEATH"})
SIGNED: Final = {1: 8, 2: 16, 3: 32, 4: 64}  # datatype → bits: negative numbers come as two's complement
CONTROL: Final = ("Node Control/", "Device Control/", "bdSeq")
ONLINE: Final = "sparkplug/online"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """None."""


@dataclass(frozen=True, slots=True)
class Metric:
    """What a birth says of a metric."""

    name: str
    datatype: int


@dataclass(slots=True)
class Node:
    """An edge node since its last birth."""

    seq: int
    bd_seq: int | None
    metrics: dict[str, dict[int | str, Metric]] = field(default_factory=dict)  # device ("": the node) → alias, name


@dataclass(frozen=True, slots=True)
class Address:
    """What a topic says."""

    group: str
    message: str
    node: str
    device: str  # "": the node itself

    @property
    def name(self) -> str:
        """Of the device, over all groups."""
        return f"{self.group}/{self.node}/{self.device}".removesuffix("/")


def reader(_options: Options) -> Read:
    """Read with a memory of its own."""
    return Sparkplug().read


class Sparkplug:
    """The births of all edge nodes that are alive."""

    def __init__(self) -> None:
        self._nodes: dict[tuple[str, str], Node] = {}
        self._refused: dict[tuple[str, str], int] = {}  # since the last birth

    def read(self, topic: str, payload: bytes) -> Told | None:
        """Read one message. Commands and host states are passed over.

        Raises:
            BadMessage: `topic`, `protobuf`, `shape`; `no_birth` or `sequence` (AskAgain) where it can't be attributed.
        """
        address = _address(topic)
        if address is None:
            return None
        message = parse(payload)
        if address.message == "NBIRTH":
            return self._born(address, message)
        if address.message == "NDEATH":
            return self._dead(address, message)
        node = self._follow(address, message)
        if address.message == "DDEATH":
            known = node.metrics.pop(address.device, None)
            return None if known is None else Told(address.name, [Reading(ONLINE, _seconds(message), value=False)])
        if address.message == "DBIRTH":
            node.metrics[address.device] = _described(message)
            return self._told(address, message, node, [Reading(ONLINE, _seconds(message), value=True)])
        return self._told(address, message, node, [])

    def _born(self, address: Address, message: Any) -> Told:
        key = (address.group, address.node)
        if key not in self._nodes and len(self._nodes) >= MAX_NODES:
            raise BadMessage("too_many_nodes", f"{MAX_NODES} edge nodes are alive: {address.name!r} is one too many")
        self._nodes.pop(key, None)  # whatever is wrong with this birth, the one before it is over
        node = Node(_seq(message), _bd_seq(message), {"": _described(message)})
        told = self._told(address, message, node, [Reading(ONLINE, _seconds(message), value=True)])
        self._nodes[key] = node
        self._refused.pop(key, None)
        return told

    def _dead(self, address: Address, message: Any) -> Told | None:
        """The will of an earlier session may come after the birth of the next: bdSeq tells."""
        key = (address.group, address.node)
        node, of = self._nodes.get(key), _bd_seq(message)
        if node is not None and of is not None and node.bd_seq is not None and of != node.bd_seq:
            return None
        self._nodes.pop(key, None)
        return Told(address.name, [Reading(ONLINE, None, value=False)])  # its timestamp is when the will was written

    def _follow(self, address: Address, message: Any) -> Node:
        key = (address.group, address.node)
        node = self._nodes.get(key)
        if node is None:
            raise self._ask(address, "no_birth", "no birth of this edge node was heard since ingest began")
        seq = _seq(message)
        if seq != (node.seq + 1) % 256:
            del self._nodes[key]
            raise self._ask(address, "sequence", f"seq {seq} after {node.seq}: a birth may be missing")
        node.seq = seq
        return node

    def _told(self, address: Address, message: Any, node: Node, readings: list[Reading]) -> Told:
        described = node.metrics.get(address.device)
        if described is None:
            raise self._ask(address, "no_birth", f"no DBIRTH of {address.device!r} was heard since its node's birth")
        for metric in message.metrics:
            known = described.get(metric.alias if metric.HasField("alias") else metric.name)
            if known is None:
                raise self._ask(address, "no_birth", f"the birth names no metric {metric.name or metric.alias!r}")
            value = None if known.name.startswith(CONTROL) else _value(metric, known)
            if value is not None:
                readings.append(Reading(known.name, _seconds(message, metric), value))
        return Told(address.name, readings)

    def _ask(self, address: Address, reason: str, detail: str) -> BadMessage:
        """Ask for a rebirth at the 1st, 2nd, 4th, 8th … refusal, so that it costs little where nobody answers."""
        key = (address.group, address.node)
        if len(self._refused) > MAX_NODES:
            self._refused.clear()
        count = self._refused[key] = self._refused.get(key, 0) + 1
        if count & (count - 1):
            return BadMessage(reason, detail)
        topic = f"spBv1.0/{address.group}/NCMD/{address.node}"
        return AskAgain(reason, f"{detail}; asked for a rebirth", topic=topic, payload=rebirth(0))


def _address(topic: str) -> Address | None:
    levels = topic.split("/")
    match levels:
        case [_, group, message, node] if message in NODE_MESSAGES and group and node:
            return Address(group, message, node, "")
        case [_, group, message, node, device] if message in DEVICE_MESSAGES and group and node and device:
            return Address(group, message, node, device)
        case [_, "STATE", _] | [_, _, "NCMD", _] | [_, _, "DCMD", _, _]:
            return None
    raise BadMessage("topic", f"{topic!r} is no Sparkplug topic")


def _described(message: Any) -> dict[int | str, Metric]:
    described: dict[int | str, Metric] = {}
    for metric in message.metrics:
        if not metric.name or not metric.HasField("datatype"):
            raise BadMessage("shape", f"a birth's metric {metric.name!r} needs a name and a datatype")
        known = Metric(metric.name, metric.datatype)
        keys: list[int | str] = [metric.name, *([metric.alias] if metric.HasField("alias") else [])]
        for key in keys:
            if described.setdefault(key, known) != known:
                raise BadMessage("shape", f"{key!r} stands for two metrics of one birth")
    return described


def _value(metric: Any, known: Metric) -> Value | None:
    if metric.is_null:
        return None
    given = next((name for name in VALUES if metric.HasField(name)), None)
    if given is None:
        raise BadMessage("shape", f"{known.name[:80]!r} has no value and is not null")
    value = getattr(metric, given)
    if given in {"int_value", "long_value"}:
        return float(_signed(value, SIGNED.get(known.datatype)))
    return value if isinstance(value, bool | str | bytes) else float(value)


def _signed(number: int, bits: int | None) -> int:
    if bits is None:
        return number
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


def _seconds(message: Any, metric: Any = None) -> float | None:
    """Unix seconds; a historical value without a time of its own would be taken for one of now."""
    if metric is not None and metric.HasField("timestamp"):
        return float(metric.timestamp) / 1000
    if metric is not None and metric.is_historical:
        raise BadMessage("shape", f"{metric.name or metric.alias!r} is historical and has no timestamp")
    return float(message.timestamp) / 1000 if message.HasField("timestamp") else None


def _seq(message: Any) -> int:
    if not message.HasField("seq") or message.seq > 255:
        raise BadMessage("shape", "no seq of 0 … 255")
    return int(message.seq)


def _bd_seq(message: Any) -> int | None:
    return next(
        (int(metric.long_value or metric.int_value) for metric in message.metrics if metric.name == "bdSeq"), None
    )
