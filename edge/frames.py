"""Pictures over MQTT, both ways: out from a thin camera, in to a worker that detects for others.

They travel outside the outbox, at most once: what counts is the newest. A worker hears them over a connection of its
own, so that no picture stands in an incident's way.
"""

import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import paho.mqtt.client as mqtt

from edge.link import Address
from events.errors import BadMessage
from events.message import decode
from events.topic import Topic

log = logging.getLogger(__name__)

SCHEME: Final = "mqtt:"  # of a camera's source: mqtt:DEVICE/CAMERA
RETRY_S: Final = (1, 30)  # between two tries to connect, from, to
ASKED_FOR: Final = "command"  # the property of a snapshot, which is no part of the film
Properties = tuple[tuple[str, str], ...]


class Taker(Protocol):
    """Takes a camera's pictures."""

    def push(self, jpeg: bytes, at: float) -> None:
        """A picture captured at `at` (POSIX seconds); ValueError where it is of no use."""


def whose(source: str | int) -> tuple[str, str] | None:
    """Device and camera whose frames `source` names; None: it is no such source.

    >>> whose("mqtt:thin-a/north"), whose("rtsp://10.0.0.7/live"), whose("mqtt:thin-a")
    (('thin-a', 'north'), None, None)
    """
    device, _, camera = str(source).removeprefix(SCHEME).partition("/")
    return (device, camera) if str(source).startswith(SCHEME) and device and camera else None


class Frames:
    """What an agent needs to send its pictures, and to hear those of others."""

    def __init__(self, address: Address, device: str, send: Callable[[bytes, Properties], None]) -> None:
        self._address, self._device, self._send = address, device, send

    def send(self, camera: str, jpeg: bytes, at: float) -> None:
        """Publish a picture, once; while there is no connection it is dropped."""
        self._send(jpeg, (("camera", camera), ("at", datetime.fromtimestamp(at, UTC).isoformat())))

    @contextmanager
    def heard(self, takers: Mapping[tuple[str, str], Taker]) -> Iterator[None]:
        """While inside, give each (device, camera)'s pictures to its taker."""
        client = _client(self._address, self._device)
        client.on_connect = lambda _client, _data, _flags, reason, _properties: self._subscribe(client, reason, takers)
        client.on_subscribe = lambda _client, _data, _mid, reasons, _properties: self._check(reasons)
        client.on_message = lambda _client, _data, message: _take(message, takers)
        client.connect_async(self._address.host, self._address.port, self._address.keepalive_s, clean_start=True)
        client.loop_start()
        try:
            yield
        finally:
            client.disconnect()
            client.loop_stop()

    def _subscribe(self, client: mqtt.Client, reason: Any, takers: Mapping[tuple[str, str], Taker]) -> None:
        if reason.is_failure:
            log.error("frames broker=%s refused=%s", self._address, reason)
            return
        client.subscribe([(str(Topic(device, "frame")), 0) for device in sorted({device for device, _ in takers})])

    def _check(self, reasons: list[Any]) -> None:
        if any(reason.is_failure for reason in reasons):
            log.error("frames broker=%s does not let us hear others' frames: check its access list", self._address)


def _client(address: Address, device: str) -> mqtt.Client:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=f"ngatu-{device}-frames", protocol=mqtt.MQTTv5)
    client.reconnect_delay_set(*RETRY_S)
    if address.password is not None:
        client.username_pw_set(address.user or device, address.password)
    if address.tls:
        context = ssl.create_default_context(cafile=address.ca_file)
        if address.cert_file:
            context.load_cert_chain(address.cert_file, address.key_file)
        client.tls_set_context(context)
    return client


def _take(message: mqtt.MQTTMessage, takers: Mapping[tuple[str, str], Taker]) -> None:
    pairs = [(str(name), str(value)) for name, value in getattr(message.properties, "UserProperty", [])]
    try:
        decoded = decode(message.topic, message.payload, getattr(message.properties, "ContentType", None), pairs)
        about = dict(decoded.envelope.properties)
        taker = takers.get((decoded.topic.device, about.get("camera", "")))
        if taker is None or ASKED_FOR in about or not isinstance(decoded.body, bytes):
            return
        taker.push(decoded.body, datetime.fromisoformat(about.get("at", "")).timestamp())
    except (BadMessage, ValueError) as error:
        log.warning("frame topic=%s error=%s", message.topic, error)
