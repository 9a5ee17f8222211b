"""Facts on their way out; clips are filmed by a thread of low priority and follow when they are ready."""

import logging
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from types import TracebackType
from typing import Self

from vision.evidence import Wanted, encode
from vision.live.facts import Fact

log = logging.getLogger(__name__)

NICE = 10


class Filmer:
    """Gives facts to a sink, one at a time; a context manager: at its end all clips are out."""

    def __init__(self, sink: Callable[[Fact], None]) -> None:
        self._sink = sink
        self._turn = threading.Lock()
        self._pool = ThreadPoolExecutor(1, "film", initializer=_step_back)
        self._clips: list[Future[None]] = []

    def give(self, facts: Iterable[Fact]) -> None:
        """Hand each fact to the sink, in order."""
        for fact in facts:
            with self._turn:
                self._sink(fact)

    def film(self, clips: Iterable[Wanted]) -> None:
        """Film `clips` when there is time. What an earlier one raised is raised here."""
        for done in [clip for clip in self._clips if clip.done()]:
            self._clips.remove(done)
            done.result()
        self._clips.extend(self._pool.submit(self._encode, clip) for clip in clips)

    def _encode(self, clip: Wanted) -> None:
        made = encode(clip)
        if made is not None:
            self.give([made])
            log.info("clip incident=%s camera=%s bytes=%d", clip.incident, clip.camera, len(made.data))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown(wait=True, cancel_futures=error is not None)
        if error is None:
            for clip in self._clips:
                clip.result()


def _step_back() -> None:
    """Give way to detection; Linux knows priorities of threads, others need not."""
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
