"""The agent: settings → sensors and cameras → outbox → uplink, until it is told to end."""

import logging
from datetime import UTC, datetime
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Final, Literal

from edge import about, city, ongoing
from edge.frames import Frames
from edge.link import Address, parse_url
from edge.outbox import Outbox
from edge.outgoing import of_about
from edge.settings import Agent as Settings
from edge.settings import parse_bytes
from edge.uplink import Pace, Uplink
from edge.works import Works
from edge.yamlfile import BadSettings
from events.config import Command, Config
from events.status import ConfigRefused

log = logging.getLogger(__name__)

ENDING_S: Final = 15.0  # for the last word to the broker
LOOK_S: Final = 1.0  # a signal that comes just before a wait without end would never be looked at
REMEMBERED: Final = 100  # commands: a second copy of one is not obeyed

Call = Literal["stop", "restart", "opened"]


class Agent:
    """One run. `stop` may be called from a signal handler."""

    def __init__(self, file: Path, password: str | None) -> None:
        """Read the settings, open the outbox.

        Args:
            file: the agent's YAML file.
            password: for the broker; None: the file may name one.

        Raises:
            BadSettings: the file can't be used.
            OutboxBusy: another agent uses the same folder.
            OSError: the folder can't be used.
        """
        self._file = file
        self._calls: SimpleQueue[Call | Config | Command | BaseException] = SimpleQueue()
        alone = city.settings(file, None)
        self._data = data_folder(file, alone)
        self._config = city.kept(self._data)
        settings, refused = _first_settings(file, alone, self._config)
        self._obeyed: list[str] = []
        self._stopping = Event()
        address = address_of(settings, file.parent, password)
        self._outbox = Outbox(self._data / "outbox.db", parse_bytes(settings.outbox.budget))
        try:
            self._works = Works(settings, file.parent, self._data, self._outbox)
        except BaseException:
            self._outbox.close()
            raise
        self._uplink = Uplink(
            settings.device,
            address,
            self._outbox,
            _pace(settings),
            on_config=self._calls.put,
            on_command=self._calls.put,
        )
        self._uplink.config_refused = refused
        self._frames = Frames(address, settings.device, self._uplink.send_frame)

    def stop(self) -> None:
        """End soon."""
        self._calls.put("stop")

    def run(self) -> bool:
        """Work until told to end; return whether to begin anew.

        Raises:
            BaseException: what ended one of the threads.
        """
        uplink = Thread(target=self._guarded_uplink, name="uplink", daemon=True)
        uplink.start()
        ongoing.end_of_earlier_run(self._outbox, "the agent was cut off")
        self._start_works()
        try:
            return self._obey() == "restart"
        finally:
            self._stop_works()
            self._outbox.commit()
            self._stopping.set()
            self._uplink.wake()
            uplink.join(ENDING_S)
            self._outbox.close()
            self._uplink.close()
            log.info("ended device=%s", self._works.settings.device)

    def _guarded_uplink(self) -> None:
        try:
            self._uplink.run(self._stopping)
        except BaseException as error:  # noqa: BLE001 - handed over, and raised by `run`
            self._calls.put(error)

    def _start_works(self) -> None:
        self._works.start(self._calls.put, lambda: self._calls.put("opened"), self._frames)
        if not self._works.has_cameras:
            self._say_about()

    def _stop_works(self) -> None:
        self._works.stop()
        ongoing.end(self._outbox, "the agent stopped watching")

    def _say_about(self) -> None:
        told = about.describe(
            self._works.settings,
            self._works.sensors(),
            self._works.cameras(),
            self._config.rev if self._config else None,
            self._outbox,
        )
        self._outbox.put(of_about(told))

    def _obey(self) -> Call:
        while True:
            try:
                call = self._calls.get(timeout=LOOK_S)
            except Empty:
                continue
            match call:
                case "stop":
                    return "stop"
                case "restart":
                    return "restart"
                case "opened":
                    self._say_about()
                case Config() as config:
                    self._take_config(config)
                case Command() as command:
                    self._take_command(command)
                case BaseException() as error:
                    raise error

    def _take_config(self, config: Config) -> None:
        """Put a higher revision in force, or say why not."""
        if self._config is not None and config.rev <= self._config.rev:
            return
        try:
            settings = city.settings(self._file, config)
            works = Works(settings, self._file.parent, self._data, self._outbox)
            city.keep(self._data, config)
        except (BadSettings, OSError) as error:
            log.error("config rev=%d refused=%s", config.rev, error)  # noqa: TRY400 - a line, not a trace
            self._uplink.config_refused = ConfigRefused(rev=config.rev, error=str(error)[:500])
            self._uplink.say_status_soon()
            return
        self._stop_works()
        self._works, self._config = works, config
        self._uplink.config_refused = None
        self._start_works()
        self._uplink.say_status_soon()
        log.info("config rev=%d in_force", config.rev)

    def _take_command(self, command: Command) -> None:
        if command.id in self._obeyed:
            return
        self._obeyed = [*self._obeyed[-REMEMBERED:], command.id]
        log.info("command id=%s action=%s camera=%s", command.id, command.action, command.camera)
        match command.action:
            case "restart":
                self._calls.put("restart")
            case "update":
                log.error("command id=%s action=update: not managed here; update its package", command.id)
            case "snapshot":
                self._snapshot(command)

    def _snapshot(self, command: Command) -> None:
        camera = command.camera or next((camera.name for camera in self._works.settings.cameras), "")
        taken = self._works.snapshot(camera)
        if taken is None:
            log.error("command id=%s camera=%s: no picture of it", command.id, camera)
            return
        jpeg, at = taken
        when = datetime.fromtimestamp(at, UTC).isoformat()
        self._uplink.send_frame(jpeg, (("camera", camera), ("at", when), ("command", command.id)))


def _first_settings(file: Path, alone: Settings, config: Config | None) -> tuple[Settings, ConfigRefused | None]:
    """The file with the kept revision; where that no longer fits, the file alone."""
    if config is None:
        return alone, None
    try:
        return city.settings(file, config), None
    except BadSettings as error:
        log.error("config rev=%d refused=%s", config.rev, error)  # noqa: TRY400 - a line, not a trace
        return alone, ConfigRefused(rev=config.rev, error=str(error)[:500])


def data_folder(file: Path, settings: Settings) -> Path:
    """Where the agent keeps what it must not forget."""
    return file.parent / (settings.folder or file.stem)


def address_of(settings: Settings, folder: Path, password: str | None) -> Address:
    """The broker, with the password of the environment, or of the file that the settings name.

    Raises:
        BadSettings: a file can't be read, or the address is none.
    """
    broker = settings.broker
    try:
        host, port, tls = parse_url(broker.url)
        if password is None and broker.password_file is not None:
            password = (folder / broker.password_file).read_text(encoding="utf-8").strip()
    except (ValueError, OSError) as error:
        raise BadSettings(f"broker: {error}") from error
    ca_file, cert_file, key_file = (
        folder / name if name else None for name in (broker.ca_file, broker.cert_file, broker.key_file)
    )
    return Address(
        host=host, port=port, tls=tls, user=broker.user, password=password, ca_file=ca_file, cert_file=cert_file,
        key_file=key_file, keepalive_s=broker.keepalive_s,
    )  # fmt: skip


def _pace(settings: Settings) -> Pace:
    uplink = settings.uplink
    return Pace(
        window_messages=uplink.window_messages,
        window_bytes=parse_bytes(uplink.window_bytes),
        resend_s=uplink.resend_s,
        resend_max_s=uplink.resend_max_s,
        status_s=uplink.status_s,
    )
