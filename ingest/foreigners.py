"""The lane of devices that speak something else, as the city file names them: opened, changed and closed with it."""

import logging
from collections.abc import Callable, Sequence
from typing import Any, Final

from ingest.adapters.adapter import Adapter, adapt, open_adapters
from ingest.consumer import Subscription
from ingest.inbox import Limits
from ingest.lane import Lane, Plan

log: Final = logging.getLogger(__name__)

CLIENT_ID: Final = "ngatu-ingest-adapters"


class Foreigners:
    """Follows what the city says; only whoever leads has one, so that what adapters remember stands in one place."""

    def __init__(self, make_lane: Callable[[Plan], Lane]) -> None:
        self._make_lane = make_lane
        self._said: Any = None  # what the city said last
        self._lane: Lane | None = None

    def follow(self, said: Any) -> None:
        """Hear what the city names, as JSON types; what can't be used is logged, and nothing is heard until it can."""
        if said == self._said:
            return
        self.stop()
        self._said = said
        try:
            adapters = open_adapters(said or [])
        except ValueError as error:
            log.error("adapters refused error=%r: mend the city file, then `ngatu city load`", str(error))  # noqa: TRY400 - a wrong setting needs its line, not a traceback
            return
        if adapters:
            log.info("adapters names=%s", ",".join(adapter.name for adapter in adapters))
            self._lane = self._make_lane(plan(adapters))
            self._lane.start()

    def stop(self) -> None:
        """Stop hearing; the broker keeps what comes."""
        if self._lane is not None:
            self._lane.stop()
            self._lane = None


def plan(adapters: Sequence[Adapter]) -> Plan:
    """One durable session for all adapters."""
    topics = sorted({topic for adapter in adapters for topic in adapter.topics})
    return Plan(
        name="adapters",
        subscription=Subscription(
            client_id=CLIENT_ID, filters=topics, receive_maximum=500, durable=True, retained=False
        ),
        limits=Limits(messages=500, payload_bytes=4 * 1024 * 1024, flush_s=0.05),
        durable=True,
        adapt=lambda arrival: adapt(arrival, adapters),
    )
