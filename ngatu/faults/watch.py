"""When operators could have seen an incident: the moment the database announces it."""

import logging
import threading
import time
from types import TracebackType
from typing import Final, Self

import psycopg

log: Final = logging.getLogger(__name__)

POLL_S: Final = 0.2


class AlertWatch:
    """Listens as the console does, in a thread. After a break it knows nothing of what was announced meanwhile."""

    def __init__(self, dsn: str) -> None:
        self._dsn = dsn
        self._seen: dict[str, float] = {}
        self.since = float("inf")  # Unix seconds since when it has listened without a break
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="alerts", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(10)

    def take(self) -> dict[str, float]:
        """Return when each incident was first announced (Unix seconds), of those since the last call."""
        seen, self._seen = self._seen, {}
        return seen

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                with psycopg.connect(self._dsn, autocommit=True, connect_timeout=2) as conn:
                    conn.execute("LISTEN incident")
                    self.since = time.time()
                    self._listen(conn)
            except psycopg.OperationalError as error:
                self.since = float("inf")
                log.debug("not listening error=%s", error)
                self._stopping.wait(POLL_S)

    def _listen(self, conn: psycopg.Connection) -> None:
        while not self._stopping.is_set():
            for notice in conn.notifies(timeout=POLL_S):
                self._seen.setdefault(notice.payload, time.time())
