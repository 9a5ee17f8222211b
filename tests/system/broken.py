"""Runs a program of ours with one promise broken: `broken.py VARIANT MODULE ARGUMENTS…`. The campaign must notice."""

import runpy
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import psycopg

COMPANY_S = 0.2  # as others batch who acknowledge what they have received


def acknowledge_before_commit() -> None:
    """Ingest says that it has stored what it has only received, and then waits for more company before it stores it."""
    from ingest.item import Item
    from ingest.lane import Lane

    honest = Lane._store_until_done

    def _store_until_done(self: Lane, items: Sequence[Item]) -> Any:
        acks: dict[str, dict[str, list[tuple[int, int]]]] = {}
        for item in items:
            if item.id is not None and item.device:
                acks.setdefault(item.device, {}).setdefault(item.id.stream, []).append((item.id.seq, item.id.seq))
        self._consumer.acknowledge(item.arrival.token for item in items)
        self._publish(acks)
        time.sleep(COMPANY_S)
        return honest(self, items)

    Lane._store_until_done = _store_until_done  # type: ignore[method-assign]


def no_ledger() -> None:
    """Ingest stores whatever comes, and asks nobody whether it came before."""
    from storage import ledger

    honest = ledger.extend

    def forgetful(conn: psycopg.Connection, entries: Sequence[ledger.Entry]) -> Any:
        accounted = honest(conn, entries)
        if accounted is not None:
            return accounted
        return {entry.stream: entry.received for entry in entries}

    ledger.extend = forgetful


def delete_on_puback() -> None:
    """The agent believes the broker."""
    from edge.uplink import Uplink

    honest = Uplink._taken

    def _taken(self: Uplink, mid: int, reason: int) -> None:
        row = self._unanswered.get(mid)
        honest(self, mid, reason)
        if row is not None and reason < 0x80:
            self._window.drop(row)
            self._outbox.acknowledge({row.stream: [(row.seq, row.seq)]})

    Uplink._taken = _taken  # type: ignore[method-assign]


VARIANTS: dict[str, Callable[[], None]] = {
    break_it.__name__: break_it for break_it in (acknowledge_before_commit, no_ledger, delete_on_puback)
}


if __name__ == "__main__":
    variant, module, *arguments = sys.argv[1:]
    sys.path[0] = ""  # the programs start in the checkout
    VARIANTS[variant]()
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)
