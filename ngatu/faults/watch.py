"""When operators could have seen an incident: the moment the database announces it."""

import logging
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Final, Self

import psycopg

from ngatu.faults.truth import INCIDENT, Made

log: Final = logging.getLogger(__name__)

POLL_S: Final = 0.2
OPENED: Final = "1"  # the revision that is an alert
SLOW_S: Final = 1.0  # an alert should take less
MARGIN_S: Final = 1.0  # an alert decided so shortly before a fault may be caught in it


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


class AlertTimes:
    """How long incidents took from their decision to their announcement, apart for calm and for broken times."""

    def __init__(self, watch: AlertWatch) -> None:
        self._watch = watch
        self._decided: dict[str, float] = {}  # incident → Unix seconds
        self._announced: dict[str, float] = {}
        self._calm: deque[tuple[float, float]] = deque(maxlen=3)  # the last times without a fault, Unix seconds

    def calm_begins(self) -> None:
        """Everything works, from now on."""
        self._calm.append((time.time(), float("inf")))

    def calm_ends(self) -> None:
        """Something is about to break."""
        self._calm[-1] = (self._calm[-1][0], time.time() - MARGIN_S)

    def made(self, things: Iterable[Made]) -> None:
        """Take over when incidents were decided; of each, its first revision tells."""
        for thing in things:
            incident, _, rev = thing.value.partition(" ")
            if thing.series == INCIDENT and rev == OPENED:
                self._decided[incident] = thing.at

    def delays(self) -> Iterator[tuple[float, bool]]:
        """Yield the delay, in seconds, of each incident that was announced since, and whether it came in calm times.

        One that a fault caught on its way counts in both: as calm for the time until the fault, which was too long
        already. Those that came while nobody listened are left out.
        """
        self._announced = self._watch.take() | self._announced  # the first time counts
        for incident in self._announced.keys() & self._decided.keys():
            decided, delay = self._decided[incident], self._announced[incident] - self._decided[incident]
            if decided >= self._watch.since:
                calm = self._calm_after(decided)
                if 0 < calm < delay:
                    yield delay, False
                if calm and delay > SLOW_S:
                    log.warning(
                        "slow incident=%s delay_s=%.2f calm_s=%.2f decided=%.2f", incident, delay, calm, decided
                    )
                yield min(delay, calm) if calm else delay, calm > 0
        self._forget()

    def _calm_after(self, decided: float) -> float:
        """How many seconds nothing broke after `decided`; 0: something was broken then, or was just about to."""
        return next((ends + MARGIN_S - decided for begins, ends in self._calm if begins <= decided <= ends), 0.0)

    def _forget(self) -> None:
        """Drop what was timed, and what never will be."""
        done = self._announced.keys() & self._decided.keys()
        old = time.time() - 600
        self._decided = {k: at for k, at in self._decided.items() if k not in done and at > old}
        self._announced = {k: at for k, at in self._announced.items() if k not in done and at > old}
