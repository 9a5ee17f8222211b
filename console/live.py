"""From the database's NOTIFY to every open page: one connection, one thread, any number of listeners."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import psycopg

from console import metrics
from console.database import first_line
from console.doors import ensure_admin
from console.models import AlertOut, DeviceOut
from console.settings import Settings
from storage import alerts, explore
from storage.city import city_value
from storage.connect import connect

log: Final = logging.getLogger(__name__)

PULSE_S: Final = 2.0
FLEET_S: Final = 10.0
HOME: Final = "Asia/Ho_Chi_Minh"  # where the database names no city
Listener = Callable[[str, dict[str, Any]], None]
"""Is given what happened (alerts, pulse, fleet, resync) and its JSON-ready facts, on the event loop."""


class Live:
    """Follows the database in a thread of its own and tells listeners on the event loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._listeners: set[Listener] = set()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self.pulse: dict[str, Any] = {"database": False, "problem": "starting"}
        self.fleet: dict[str, Any] = {"devices": []}
        self.timezone = HOME

    @property
    def stopping(self) -> bool:
        """Whether the process is about to end."""
        return self._stop.is_set()

    def start(self) -> None:
        """Begin to follow; called on the event loop that listeners live on."""
        self._loop = asyncio.get_running_loop()
        self._thread.start()

    def stop(self) -> None:
        """Ask the thread to end; it does within a pulse."""
        self._stop.set()

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Tell `listener` everything from now on; return how to stop that."""
        self._listeners.add(listener)
        metrics.LISTENERS.set(len(self._listeners))

        def leave() -> None:
            self._listeners.discard(listener)
            metrics.LISTENERS.set(len(self._listeners))

        return leave

    def _run(self) -> None:
        said = ""
        while not self._stop.is_set():
            try:
                with connect(self._settings.dsn, application="ngatu-console-live", timeout=3) as conn:
                    self._greet(conn)
                    said = ""
                    while not self._stop.is_set():
                        self._follow_once(conn)
            except Exception as error:  # the thread's outermost loop: one bad row must not end all alerts
                line = first_line(error)
                if line != said:
                    away = isinstance(error, psycopg.Error)
                    log.warning("database=away reason=%s next=trying every second", line, exc_info=not away)
                    said = line
                metrics.LISTENING.set(0)
                self._tell("pulse", {"database": False, "problem": line, "now": datetime.now(UTC).isoformat()})
                self._stop.wait(1)

    def _greet(self, conn: psycopg.Connection) -> None:
        alerts.listen(conn)
        if not ensure_admin(conn, self._settings.admin_password):
            log.warning("users=none: nobody can log in; set NGATU_ADMIN_PASSWORD and start again")
        self.timezone = city_value(conn, "time_zone") or HOME
        log.info("database=connected listening=%s", alerts.CHANNEL)
        metrics.LISTENING.set(1)
        self._next_pulse = self._next_fleet = 0.0  # both now
        self._waiting = 0
        self._tell("resync", {})

    def _follow_once(self, conn: psycopg.Connection) -> None:
        now = time.monotonic()
        if now >= self._next_fleet:
            self._next_fleet = now + FLEET_S
            self._waiting = alerts.count_waiting(conn)
            devices = [DeviceOut.of(device) for device in explore.list_devices(conn, 200)]
            self._tell("fleet", {"devices": [device.model_dump(mode="json") for device in devices]})
        if now >= self._next_pulse:
            self._next_pulse = now + PULSE_S
            self._tell("pulse", self._take_pulse(conn))
        told = conn.notifies(timeout=max(self._next_pulse - time.monotonic(), 0.001), stop_after=1)
        changed = list(dict.fromkeys(notify.payload for notify in told))
        for first in range(0, len(changed), 200):
            self._tell_alerts(conn, changed[first : first + 200])

    def _take_pulse(self, conn: psycopg.Connection) -> dict[str, Any]:
        feed = explore.feed(conn)
        return {
            "database": True,
            "problem": None,
            "now": feed.now.isoformat(),
            "last_message": feed.last_seen.isoformat() if feed.last_seen else None,
            "devices": feed.devices,
            "online": feed.online,
            "waiting": self._waiting,
        }

    def _tell_alerts(self, conn: psycopg.Connection, ids: list[str]) -> None:
        found = alerts.alerts_by_id(conn, ids)
        for alert in found:
            if alert.rev == 1 and not alert.actions and not alert.still:
                metrics.DELAY.observe(max((datetime.now(UTC) - alert.decided_at).total_seconds(), 0))
        if found:
            self._tell("alerts", {"alerts": [AlertOut.of(alert).model_dump(mode="json") for alert in found]})

    def _tell(self, event: str, facts: dict[str, Any]) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._deliver, event, facts)

    def _deliver(self, event: str, facts: dict[str, Any]) -> None:
        if event == "pulse":
            self.pulse = facts
        elif event == "fleet":
            self.fleet = facts
        metrics.TOLD.labels(event).inc()
        for listener in tuple(self._listeners):
            listener(event, facts)
