"""A process with a paho consumer that does nothing but acknowledge: what paho's receive path allows at most.

Once in a while it confirms to the publisher how many have come, so that the broker's queue stays bounded.
"""

import os
import sys
import threading
import time
from typing import Final

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from ngatu.bench.ingest.load import Load

CONFIRM_EVERY: Final = 500  # messages


class Duty(msgspec.Struct, frozen=True, kw_only=True):
    """What to expect, on standard input as JSON."""

    load: Load
    port: int


def main() -> None:
    """Say `ready`, then acknowledge until all have come."""
    duty = msgspec.json.decode(sys.stdin.buffer.read(), type=Duty)
    load, done, came = duty.load, threading.Event(), 0
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5, manual_ack=True)

    def on_message(_client: paho.Client, _userdata: object, message: paho.MQTTMessage) -> None:
        nonlocal came
        client.ack(message.mid, message.qos)
        came += 1
        if came % CONFIRM_EVERY == 0 or came == load.messages:
            confirm()

    def confirm() -> None:
        whole, rest = divmod(came, load.devices)
        counts = {load.stream(number): [[1, whole + (number < rest)]] for number in range(load.devices)}
        client.publish("ngatu/v1/bench/ack", msgspec.json.encode(counts))
        if came == load.messages:
            done.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: os.write(1, b"ready\n")
    client.connect("127.0.0.1", duty.port)
    client.subscribe("$share/null/ngatu/v1/+/readings", qos=1)
    client.loop_start()
    done.wait(600)
    time.sleep(0.5)  # the last confirmation is on its way
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
