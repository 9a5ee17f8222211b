"""What the schedule asks of a sensor."""

from typing import NamedTuple, Protocol

from events.about import Sensor as Described
from events.envelope import MessageId
from events.reading import Reading


class Pack(NamedTuple):
    """Readings that go into one message."""

    readings: list[Reading]
    note: tuple[str, str] | None = None  # key and value to be remembered together with it, over restarts


class Sensor(Protocol):
    """Asked about once a second for what has been measured since."""

    @property
    def needs_clock(self) -> bool:
        """Whether it can say nothing while the clock is not set."""
        ...

    @property
    def wants_kept(self) -> bool:
        """Whether `kept` is to be called: a commit for each pack."""
        ...

    def read(self, now: float) -> list[Pack]:
        """What was measured up to `now` (Unix seconds)."""
        ...

    def kept(self, message_id: MessageId, readings: list[Reading]) -> None:
        """A pack is on disk under this id."""
        ...

    def describe(self) -> tuple[Described, ...]:
        """Its series, for `about`."""
        ...
