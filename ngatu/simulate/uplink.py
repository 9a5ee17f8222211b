"""One MQTT 5 connection that speaks for many devices. The broker's user must be allowed to: see docs/adapters.md."""

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event, Lock
from typing import Any, Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from events.envelope import JSON, SENML_JSON, Envelope, user_properties
from events.fact import to_json
from events.status import ACK_DECODER, Status
from events.topic import RETAINED, UP, Topic, parse_topic, subscription
from ingest.consumer import BrokerAddress
from ngatu.simulate.outgoing import Outgoing, Sent

log: Final = logging.getLogger(__name__)

MOST_UNSENT: Final = 5000  # messages in the client that the broker has not taken: it is away, or slow


class Uplink:
    """Sends what is numbered, and hears their acks."""

    def __init__(self, broker: BrokerAddress, outgoing: Outgoing, clock: Callable[[str], float]) -> None:
        """Connect in the background; `clock` gives a device's own time (Unix seconds)."""
        self.lock = Lock()  # around `outgoing`
        self.ready = Event()
        self._outgoing = outgoing
        self._clock = clock
        self._connection = int(time.time())  # grows over restarts
        self._n = 0
        client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        if broker.username:
            client.username_pw_set(broker.username, broker.password)
        if broker.tls:
            client.tls_set_context(broker.tls)
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self.ready.clear()
        client.on_subscribe = lambda *_: self.ready.set()
        client.on_message = self._on_message
        client.max_inflight_messages_set(MOST_UNSENT)
        client.reconnect_delay_set(1, 8)
        client.connect_async(broker.host, broker.port, keepalive=30)
        self._client = client
        client.loop_start()

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def send(self, message: Sent) -> None:
        """Publish; where that can't be done now, it is due again later."""
        with self.lock:
            self._outgoing.mark_sent(message, time.monotonic())
        if not self.ready.is_set():
            return
        envelope = Envelope(id=message.id, sent=datetime.fromtimestamp(message.sent, UTC))
        self._publish(
            Topic(message.device, message.kind), message.payload, envelope, expiry=round(self._outgoing.patience)
        )

    def send_again(self, most: int = 500) -> None:
        """Send what no ack covered in time."""
        with self.lock:
            due = self._outgoing.due(time.monotonic(), most)
        for message in due:
            self.send(message)

    def say_status(self, device: str, state: Any = "online") -> None:
        """Publish what a device has numbered, and what it gave up."""
        self._n += 1
        with self.lock:
            streams, given_up = self._outgoing.streams_of(device, UP), self._outgoing.given_up_of(device)
        status = Status(
            state=state,
            connection=self._connection,
            n=self._n,
            at=datetime.fromtimestamp(self._clock(device), UTC),
            streams=streams,
            given_up=given_up,
        )
        if self.ready.is_set():
            self._publish(Topic(device, "status"), to_json(status), Envelope())

    def _publish(self, topic: Topic, payload: bytes, envelope: Envelope, expiry: int | None = None) -> None:
        properties = Properties(PacketTypes.PUBLISH)
        properties.ContentType = SENML_JSON if topic.kind == "readings" else JSON
        properties.UserProperty = user_properties(envelope)
        retain = topic.kind in RETAINED
        if expiry is not None and not retain:
            properties.MessageExpiryInterval = expiry
        self._client.publish(str(topic), payload, 1, retain, properties)

    def _on_connect(self, client: Any, _userdata: object, _flags: object, reason: Any, _properties: object) -> None:
        if reason.is_failure:
            log.error("refused reason=%r: check user, password and ACL", str(reason))
            return
        client.subscribe(subscription("ack"), qos=1)

    def _on_message(self, _client: object, _userdata: object, message: Any) -> None:
        try:
            device = parse_topic(message.topic).device
            ack = ACK_DECODER.decode(message.payload)
        except (msgspec.DecodeError, ValueError) as error:
            log.warning("ack topic=%s error=%r", message.topic, str(error))
            return
        with self.lock:
            self._outgoing.acknowledged(device, ack, time.monotonic())
