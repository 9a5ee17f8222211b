"""How long it takes from the decision that makes an incident until the database holds it, heard on the broker."""

import time
from typing import TYPE_CHECKING, Any, Self

import paho.mqtt.client as mqtt

from events.errors import BadMessage
from events.incident import Incident
from events.message import decode
from events.topic import subscription

if TYPE_CHECKING:
    from events.envelope import MessageId


class AlertWatch:
    """Listens to one device's incidents and acks; `slowest` is in seconds, of those that are stored."""

    def __init__(self, port: int, device: str) -> None:
        """`port`: the broker's, on loopback, open to anyone."""
        self.slowest = 0.0
        self.stored = 0
        self._waiting: dict[MessageId, float] = {}
        self._port = port
        self._topics = [(subscription("incident", device), 0), (subscription("ack", device), 0)]
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(self._topics)
        self._client.on_message = self._heard

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _heard(self, _client: object, _data: object, raw: Any) -> None:
        properties = getattr(raw.properties, "UserProperty", [])
        try:
            message = decode(raw.topic, raw.payload, getattr(raw.properties, "ContentType", None), properties)
        except BadMessage:
            return
        if isinstance(message.body, Incident) and message.envelope.id is not None and message.body.rev == 1:
            self._waiting.setdefault(message.envelope.id, message.body.decided_at.timestamp())
        elif isinstance(message.body, dict):
            self._settle(message.body)

    def _settle(self, ack: dict[str, list[tuple[int, int]]]) -> None:
        now = time.time()
        for ident in list(self._waiting):
            if any(first <= ident.seq <= last for first, last in ack.get(ident.stream, ())):
                self.slowest = max(self.slowest, now - self._waiting.pop(ident))
                self.stored += 1
