"""What the schedule asks of a sensor."""

from typing import NamedTuple, Protocol

from events.about import Sensor as Described
from events.envelope import MessageId
from events.evidence import Evidence
from events.incident import Incident
from events.reading import Reading

Content = list[Reading] | Incident | Evidence


class Made(NamedTuple):
    """What goes into one message."""

    content: Content
    note: tuple[str, str] | None = None  # key and value to be remembered together with it, over restarts


class Sensor(Protocol):
    """Asked again and again for what has been measured since."""

    @property
    def needs_clock(self) -> bool:
        """Whether it can say nothing while the clock is not set."""
        ...

    @property
    def wants_kept(self) -> bool:
        """Whether `kept` is to be called: a commit for each message."""
        ...

    def read(self, now: float) -> list[Made]:
        """What was measured up to `now` (Unix seconds)."""
        ...

    def kept(self, message_id: MessageId, content: Content) -> None:
        """A message is on disk under this id."""
        ...

    def describe(self) -> tuple[Described, ...]:
        """Its series, for `about`."""
        ...
