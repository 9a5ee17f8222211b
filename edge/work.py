"""What the outbox's next transaction is to write."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from edge import ranges
from edge.boxfile import Row
from edge.ranges import Ranges


@dataclass(slots=True)
class Work:
    """Gathered in memory until it is committed."""

    rows: list[Row] = field(default_factory=list)
    last: dict[str, int] = field(default_factory=dict)  # stream → the highest number given out
    drops: dict[str, Ranges] = field(default_factory=dict)  # stream → what need not be kept any longer
    given_up: set[str] = field(default_factory=set)  # streams of which what was given up has changed
    notes: dict[str, str | None] = field(default_factory=dict)  # None: forget it
    bytes: int = 0

    def __bool__(self) -> bool:
        return bool(self.rows or self.last or self.drops or self.given_up or self.notes)

    def add(self, row: Row) -> None:
        """Insert `row`."""
        self.rows.append(row)
        self.bytes += row.size

    def drop(self, stream: str, spans: Ranges) -> None:
        """Delete what is on disk of `spans`."""
        self.drops[stream] = ranges.normal([*self.drops.get(stream, []), *spans])

    def touched(self) -> set[str]:
        """The streams whose row is to be written."""
        return {*self.last, *self.drops, *self.given_up}

    def shed(self, limit: int) -> Iterator[Row]:
        """Take out the least valuable rows, oldest first, while they take more than `limit` bytes; yield them."""
        if self.bytes <= limit:
            return
        by_worth = sorted(self.rows, key=lambda row: (-row.rank, row.id))
        gone = set()
        for row in by_worth:
            if self.bytes <= limit * 3 // 4:
                break
            gone.add(row.id)
            self.bytes -= row.size
            yield row
        self.rows = [row for row in self.rows if row.id not in gone]

    def then(self, later: "Work") -> "Work":
        """This and what has come since, as one."""
        both = Work(
            rows=self.rows + later.rows,
            last=self.last | later.last,
            drops=dict(self.drops),
            given_up=self.given_up | later.given_up,
            notes=self.notes | later.notes,
            bytes=self.bytes + later.bytes,
        )
        for stream, spans in later.drops.items():
            both.drop(stream, spans)
        return both

    def renumber(self, first: int) -> None:
        """Give the rows new places in the file, from `first` on."""
        self.rows = [row._replace(id=number) for number, row in enumerate(self.rows, start=first)]
