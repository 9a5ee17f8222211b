"""Sparkplug B: `spBv1.0/<group>/<NBIRTH|NDATA|NDEATH|DBIRTH|DDATA|DDEATH>/<edge node>[/<device>]`.

Births say what the aliases of later messages mean. They are remembered here, for as long as this process hears every
message of the edge node (`seq` counts them, 0 … 255): after a gap, a death or a restart, data are refused with a
reason, and the node is asked for a rebirth. A value never goes to a series that it may not belong to.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from time import time
from typing import Any, Final

import msgspec

from events import BadMessage
from events.reading import Reading
from ingest.adapters.sparkplug_metric import Described, described, reading, seconds
from ingest.adapters.sparkplug_payload import parse, rebirth
from ingest.adapters.told import AskAgain, Read, Told

MAX_NODES: Final = 5000
NODE_MESSAGES: Final = frozenset({"NBIRTH", "NDATA", "NDEATH"})
DEVICE_MESSAGES: Final = frozenset({"DBIRTH", "DDATA", "DDEATH"})
ONLINE: Final = "sparkplug/online"


class Options(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`units`: what the plant's own words for units (property `engUnit`) mean, UCUM; null: none."""

    units: dict[str, str | None] = {}


@dataclass(slots=True)
class Node:
    """An edge node since its last birth."""

    seq: int
    bd_seq: int | None
    metrics: dict[str, Described] = field(default_factory=dict)  # device ("": the node) → alias, name


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


def reader(options: Options) -> Read:
    """Read with a memory of its own."""
    return Sparkplug(options.units).read


class Sparkplug:
    """The births of all edge nodes that are alive."""

    def __init__(self, units: Mapping[str, str | None]) -> None:
        self._units = units
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
            return None if known is None else Told(address.name, [Reading(ONLINE, seconds(message), value=False)])
        if address.message == "DBIRTH":
            node.metrics[address.device] = described(message)
            return self._told(address, message, node, [Reading(ONLINE, seconds(message), value=True)])
        return self._told(address, message, node, [])

    def _born(self, address: Address, message: Any) -> Told:
        key = (address.group, address.node)
        if key not in self._nodes and len(self._nodes) >= MAX_NODES:
            raise BadMessage("too_many_nodes", f"{MAX_NODES} edge nodes are alive: {address.name!r} is one too many")
        self._nodes.pop(key, None)  # whatever is wrong with this birth, the one before it is over
        node = Node(_seq(message), _bd_seq(message), {"": described(message)})
        told = self._told(address, message, node, [Reading(ONLINE, seconds(message), value=True)])
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
        born = node.metrics.get(address.device)
        if born is None:
            raise self._ask(address, "no_birth", f"no DBIRTH of {address.device!r} was heard since its node's birth")
        for metric in message.metrics:
            known = born.get(metric.alias if metric.HasField("alias") else metric.name)
            if known is None:
                raise self._ask(address, "no_birth", f"the birth names no metric {metric.name or metric.alias!r}")
            said = reading(message, metric, known, self._units)
            if said is not None:
                readings.append(said)
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
        return AskAgain(reason, f"{detail}; asked for a rebirth", topic=topic, payload=rebirth(round(time() * 1000)))


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


def _seq(message: Any) -> int:
    if not message.HasField("seq") or message.seq > 255:
        raise BadMessage("shape", "no seq of 0 … 255")
    return int(message.seq)


def _bd_seq(message: Any) -> int | None:
    return next(
        (int(metric.long_value or metric.int_value) for metric in message.metrics if metric.name == "bdSeq"), None
    )
