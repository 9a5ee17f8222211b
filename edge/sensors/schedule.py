"""Asks every sensor again and again, and puts what it says into the outbox."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Event

from msgspec.structs import replace

from edge import clock
from edge.outbox import Outbox
from edge.outgoing import Outgoing, of_fact, of_readings
from edge.sensors.generator import GeneratorSensor
from edge.sensors.host import HostSensor
from edge.sensors.replay import ReplaySensor, note_key
from edge.sensors.sensor import Content, Sensor
from edge.settings import Generator, Host, Replay, SensorSettings

log = logging.getLogger(__name__)


def make(settings: SensorSettings, folder: Path, outbox: Outbox) -> Sensor:
    """The sensor that `settings` describe; relative paths begin in `folder`."""
    match settings:
        case Host():
            return HostSensor(settings)
        case Generator():
            return GeneratorSensor(settings, folder)
        case Replay():
            return ReplaySensor(settings, folder, outbox.note(note_key(settings)))


def run(sensors: Sequence[Sensor], device: str, outbox: Outbox, stop: Event, period_s: float) -> None:
    """Ask `sensors` every `period_s` seconds until `stop` is set."""
    due = time.monotonic()
    while not stop.wait(max(0.0, due - time.monotonic())):
        due = max(due + period_s, time.monotonic())
        for sensor in sensors:
            _ask(sensor, device, outbox)


def _ask(sensor: Sensor, device: str, outbox: Outbox) -> None:
    now = clock.wall()
    if now is None and sensor.needs_clock:
        return
    for content, note in sensor.read(time.time() if now is None else now):
        message_id = outbox.put(_outgoing(content, device, timeless=now is None), note)
        if sensor.wants_kept and outbox.commit():
            sensor.kept(message_id, content)


def _outgoing(content: Content, device: str, *, timeless: bool) -> Outgoing:
    if not isinstance(content, list):
        return of_fact(content)
    if timeless:
        return of_readings([replace(reading, at=None) for reading in content], device, clock.moment())
    return of_readings(content, device)
