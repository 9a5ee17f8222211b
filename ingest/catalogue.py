"""What one connection knows of devices, series and streams, so that a batch need not ask."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

import psycopg

from ingest.item import Item, is_foreign
from ingest.series_book import SeriesBook
from storage import ledger, registry

MAX_KNOWN: Final = 500_000  # streams remembered; more than that, and all is asked again


class Catalogue:
    """Everything in it can be asked again: drop it with its connection."""

    def __init__(self, conn: psycopg.Connection) -> None:
        self._conn = conn
        conn.execute(f"LISTEN {registry.ABOUT_CHANNEL}".encode())
        self._devices: dict[str, int] = {}
        self._streams: set[str] = set()
        # devices without numbers: since when the durable session hears them
        self._heard: dict[int, datetime | None] = {}
        self.series = SeriesBook(conn)

    def device_id(self, name: str) -> int:
        """Id of a device that `learn` has met."""
        return self._devices[name]

    def heard_since(self, name: str) -> datetime | None:
        """Since when the durable session hears a device that numbers nothing, as far as is known here."""
        return self._heard.get(self._devices.get(name, 0))

    def learn(self, items: Sequence[Item]) -> None:
        """Enter what is new of `items`, in short transactions of its own; a message of too many series becomes bad."""
        self._hear_of_abouts()
        self._learn_devices({item.device for item in items if item.device} - self._devices.keys())
        streams = {item.id.stream: self._devices[item.device] for item in items if item.id and item.device}
        if new := {stream: device for stream, device in streams.items() if stream not in self._streams}:
            ledger.begin_streams(self._conn, new)
            self._streams = {*self._streams, *new} if len(self._streams) < MAX_KNOWN else set(new)
        unnumbered = [item for item in items if is_foreign(item) and not item.adapted and not item.bad]
        foreign = {self._devices[item.device] for item in unnumbered if item.device}
        if new_foreign := foreign - self._heard.keys():
            self._heard |= registry.mark_unnumbered(self._conn, sorted(new_foreign))
        self.series.learn(items, self._devices)

    def forget_streams(self, streams: Iterable[str]) -> None:
        """They may have been folded away."""
        self._streams -= set(streams)

    def _hear_of_abouts(self) -> None:
        """A device that described itself anew has new limits and units."""
        for notice in self._conn.notifies(timeout=0):
            self.series.forget(int(notice.payload))
            self._heard.pop(int(notice.payload), None)

    def _learn_devices(self, names: set[str]) -> None:
        if names:
            self._devices |= registry.ensure_devices(self._conn, sorted(names))
