"""What the settings bring to life: sensors and cameras. A revision of `config` replaces it; the outbox stays."""

import logging
from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from edge.frames import Frames
from edge.outbox import Outbox
from edge.sensors import replay, schedule
from edge.settings import Agent
from edge.yamlfile import BadSettings
from events import about

if TYPE_CHECKING:
    from edge.cameras import Cameras

log = logging.getLogger(__name__)


class Works:
    """Sensors and cameras, each in a thread of its own, from `start` to `stop`."""

    def __init__(self, settings: Agent, folder: Path, data: Path, outbox: Outbox) -> None:
        """Make them; a replay file is read, a scene checked.

        Args:
            settings: what there is.
            folder: where relative paths begin.
            data: the agent's own folder.
            outbox: where all goes.

        Raises:
            BadSettings: something can't be.
        """
        self.settings = settings
        self._outbox = outbox
        self._stop = Event()
        self._threads: list[Thread] = []
        try:
            self._sensors = [schedule.make(sensor, folder, outbox) for sensor in settings.sensors]
        except (replay.BadReplay, OSError) as error:
            raise BadSettings(str(error)) from error
        self._cameras = _cameras(settings, folder, data, outbox) if settings.cameras else None

    def start(self, failed: Callable[[BaseException], None], opened: Callable[[], None], frames: Frames) -> None:
        """Begin. `failed` gets what ended a thread; `opened` is called when cameras have their model, or can't."""

        def guarded(name: str, work: Callable[[], None]) -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001 - handed over, and raised by the agent
                log.error("thread=%s error=%r", name, error)  # noqa: TRY400 - raised again with its trace
                failed(error)

        jobs: dict[str, Callable[[], None]] = {}
        if self._sensors:
            jobs["sensors"] = lambda: schedule.run(
                self._sensors, self.settings.device, self._outbox, self._stop, self.settings.sensors_s
            )
        cameras = self._cameras
        if cameras is not None:
            jobs["cameras"] = lambda: cameras.run(self._stop, opened, frames)
        self._threads = [Thread(target=guarded, args=job, name=job[0], daemon=True) for job in jobs.items()]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End them; what they still had to say is in the outbox."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    @property
    def has_cameras(self) -> bool:
        """Whether `about` had better wait for a model."""
        return self._cameras is not None

    def sensors(self) -> list[about.Sensor]:
        """All series, for `about`."""
        return [described for sensor in self._sensors for described in sensor.describe()]

    def cameras(self) -> tuple[about.Camera, ...]:
        """All cameras, for `about`."""
        return self._cameras.describe() if self._cameras else ()

    def snapshot(self, camera: str) -> tuple[bytes, float] | None:
        """A camera's last picture, JPEG, and when it was captured; None: there is none."""
        return self._cameras.snapshot(camera) if self._cameras else None


def _cameras(settings: Agent, folder: Path, data: Path, outbox: Outbox) -> "Cameras":
    try:
        from edge.cameras import Cameras  # noqa: PLC0415 - an agent without cameras stays small
    except ImportError as error:
        raise BadSettings(f"cameras need the extra `vision` (pip install 'ngatu[edge,vision]'): {error}") from error
    return Cameras(settings, folder, data, outbox)
