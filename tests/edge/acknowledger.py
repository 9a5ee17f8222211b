"""A real MQTT client that keeps what agents send and says that it is stored: the other end, without a database."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from threading import RLock
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt

from edge import ranges
from events.envelope import MessageId
from events.message import Message, decode
from events.reading import Reading
from events.status import Status


@dataclass
class Acknowledger:
    """Publishes a retained ack for each message that comes, unless told to be `silent`."""

    host: str
    port: int
    device: str
    silent: bool = False
    messages: list[Message] = field(default_factory=list)
    statuses: list[Status] = field(default_factory=list)
    raw: list[mqtt.MQTTMessage] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stored: dict[str, ranges.Ranges] = defaultdict(list)
        self.times: dict[MessageId, int] = defaultdict(int)
        self._subscribed = False
        self._lock = RLock()
        self._client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = self._on_subscribe
        self._client.on_message = self._on_message

    def __enter__(self) -> Self:
        self._client.connect(self.host, self.port)
        self._client.loop_start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def ready(self) -> bool:
        return self._subscribed

    def _on_connect(self, client: mqtt.Client, *_: object) -> None:
        client.subscribe(f"ngatu/v1/{self.device}/#", qos=1)

    def _on_subscribe(self, *_: object) -> None:
        self._subscribed = True

    def _on_message(self, _client: mqtt.Client, _data: object, raw: Any) -> None:
        if raw.topic.rsplit("/", 1)[1] in {"ack", "config", "command"}:
            return
        properties = raw.properties
        pairs = getattr(properties, "UserProperty", [])
        message = decode(raw.topic, raw.payload, getattr(properties, "ContentType", None), pairs)
        with self._lock:
            self.raw.append(raw)
            if isinstance(message.body, Status):
                self.statuses.append(message.body)
                for span in message.body.given_up:
                    self.stored[span.stream].append((span.first, span.last))
            elif message.envelope.id is not None:
                self.times[message.envelope.id] += 1
                if self.times[message.envelope.id] == 1:
                    self.messages.append(message)
                if not self.silent:
                    stream, seq = message.envelope.id
                    self.stored[stream].append((seq, seq))
            else:
                self.messages.append(message)
            if not self.silent:
                self.say()

    def say(self) -> None:
        """Publish what is stored."""
        with self._lock:
            self.stored.update({stream: ranges.normal(spans) for stream, spans in self.stored.items()})
            self._client.publish(f"ngatu/v1/{self.device}/ack", json.dumps(self.stored), qos=1, retain=True)

    def speak(self) -> None:
        """Begin to acknowledge, beginning with all that has come."""
        with self._lock:
            self.silent = False
            for stream, seq in self.times:
                self.stored[stream].append((seq, seq))
            self.say()

    def tell(self, kind: str, payload: bytes, *, retain: bool = False) -> None:
        """Publish to the device."""
        self._client.publish(f"ngatu/v1/{self.device}/{kind}", payload, qos=1, retain=retain).wait_for_publish(5)

    def of_kind(self, kind: str) -> list[Message]:
        with self._lock:
            return [message for message in self.messages if message.topic.kind == kind]

    def readings(self) -> list[Reading]:
        found: list[Reading] = []
        for message in self.of_kind("readings"):
            assert isinstance(message.body, list)
            found += message.body
        return found

    def ids(self) -> set[MessageId]:
        with self._lock:
            return set(self.times)
