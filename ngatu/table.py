"""Rows for a terminal."""

from collections.abc import Iterable, Sequence


def table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Lay out rows under headers, each column as wide as its widest cell; None is a dash.

    >>> print(table(["device", "n"], [["a", 1], ["camera-b", None]]))
    device    n
    a         1
    camera-b  -
    """
    cells = [list(headers), *([_cell(value) for value in row] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)


def _cell(value: object) -> str:
    return "-" if value is None or value == "" else str(value)
