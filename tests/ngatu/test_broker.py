from collections.abc import Iterator
from contextlib import contextmanager

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from tests.servers import Broker, WaitFor

Message = tuple[str, bytes]


@contextmanager
def connected(broker: Broker, user: str | None = None) -> Iterator[tuple[mqtt.Client, list[Message]]]:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
    got: list[Message] = []
    client.on_message = lambda _client, _data, message: got.append((message.topic, message.payload))
    if user:
        client.username_pw_set(user, broker.site.users[user])
    client.connect(broker.host, broker.port)
    client.loop_start()
    try:
        yield client, got
    finally:
        client.disconnect()
        client.loop_stop()


def subscribed(client: mqtt.Client, topic: str, wait_for: WaitFor) -> None:
    done: list[int] = []
    client.on_subscribe = lambda *_: done.append(1)
    wait_for(client.is_connected)
    client.subscribe(topic, qos=1)
    wait_for(lambda: done)


def published(client: mqtt.Client, topic: str, payload: bytes, *, retain: bool = False) -> None:
    client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(5)


def test_a_message_of_five_megabytes_passes(broker: Broker, wait_for: WaitFor) -> None:
    with connected(broker) as (client, got):
        subscribed(client, "ngatu/v1/five-megabytes/readings", wait_for)
        published(client, "ngatu/v1/five-megabytes/readings", bytes(5_000_000))
        wait_for(lambda: got)


def test_a_retained_message_outlives_a_restart_and_not_a_wipe(private_broker: Broker, wait_for: WaitFor) -> None:
    with connected(private_broker) as (client, _):
        wait_for(client.is_connected)
        published(client, "ngatu/v1/a/about", b"{}", retain=True)
    private_broker.stop()
    private_broker.start()
    with connected(private_broker) as (client, got):
        subscribed(client, "ngatu/v1/a/about", wait_for)
        wait_for(lambda: got)
    private_broker.stop()
    private_broker.wipe()
    private_broker.start()
    with connected(private_broker) as (client, got):
        subscribed(client, "ngatu/v1/a/about", wait_for)
        published(client, "ngatu/v1/a/about", b"new")
        wait_for(lambda: got)
    assert got == [("ngatu/v1/a/about", b"new")]


def test_a_wrong_password_is_refused(guarded_broker: Broker, wait_for: WaitFor) -> None:
    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5, client_id="stranger")
    answers: list[str] = []
    client.on_connect = lambda _client, _data, _flags, reason, _properties: answers.append(str(reason))
    client.username_pw_set("ingest", "guessed")
    client.connect(guarded_broker.host, guarded_broker.port)
    client.loop_start()
    wait_for(lambda: answers)
    client.loop_stop()
    assert answers == ["Not authorized"]


@pytest.mark.parametrize("topic", ["ngatu/v1/camera-b/readings", "ngatu/v1/camera-a/ack", "elsewhere"])
def test_a_device_cannot_speak_in_anothers_name(guarded_broker: Broker, wait_for: WaitFor, topic: str) -> None:
    with connected(guarded_broker, "ingest") as (ingest, got), connected(guarded_broker, "camera-a") as (device, _):
        subscribed(ingest, "#", wait_for)
        wait_for(device.is_connected)
        published(device, topic, b"forged")
        published(device, "ngatu/v1/camera-a/readings", b"true")
        wait_for(lambda: got)
    assert got == [("ngatu/v1/camera-a/readings", b"true")]


def test_a_device_hears_its_own_ack_and_nobody_elses(guarded_broker: Broker, wait_for: WaitFor) -> None:
    with connected(guarded_broker, "ingest") as (ingest, _), connected(guarded_broker, "camera-a") as (device, got):
        subscribed(device, "ngatu/v1/#", wait_for)
        wait_for(ingest.is_connected)
        published(ingest, "ngatu/v1/camera-b/ack", b"not yours")
        published(ingest, "ngatu/v1/camera-a/ack", b"yours")
        wait_for(lambda: got)
    assert got == [("ngatu/v1/camera-a/ack", b"yours")]


def test_ingest_may_share_its_subscription(guarded_broker: Broker, wait_for: WaitFor) -> None:
    with connected(guarded_broker, "ingest") as (ingest, got), connected(guarded_broker, "camera-a") as (device, _):
        subscribed(ingest, "$share/ingest/ngatu/v1/+/readings", wait_for)
        wait_for(device.is_connected)
        properties = Properties(PacketTypes.PUBLISH)
        properties.UserProperty = ("id", "01J:1")
        device.publish("ngatu/v1/camera-a/readings", b"[]", qos=1, properties=properties).wait_for_publish(5)
        wait_for(lambda: got)
