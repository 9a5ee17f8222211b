"""A JSON object as readings: a path is a series, what stands at its end the value."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from events import BadMessage
from events.reading import Reading

DEEPEST: Final = 16


def readings_of(
    found: Mapping[str, Any], at: float | None, *, units: Mapping[str, str] | None = None, above: str = ""
) -> list[Reading]:
    """All numbers, booleans and texts in `found`, in its order; null is no value.

    Args:
        found: decoded JSON.
        at: Unix seconds; None: when it arrived.
        units: by the last part of a path that is no place in a list, UCUM.
        above: what the paths begin with.

    >>> [(r.series, r.value) for r in readings_of({"a": {"b": 1, "c": [True, None]}}, None)]
    [('a/b', 1.0), ('a/c/0', True)]

    Raises:
        BadMessage: `shape`, where it is too deep.
    """
    known = units or {}
    readings = []
    for path, value in _leaves(found, above, DEEPEST):
        unit = known.get(_quantity(path)) if isinstance(value, float) else None
        readings.append(Reading(path, at, value, unit))
    return readings


def _quantity(path: str) -> str:
    """What is measured: of `ENERGY/Power/0`, the first of several phases, `Power`."""
    parts = path.split("/")
    while len(parts) > 1 and parts[-1].isdecimal():
        parts.pop()
    return parts[-1]


def _leaves(found: Any, path: str, depth: int) -> Iterator[tuple[str, float | bool | str]]:
    if depth < 0:
        raise BadMessage("shape", f"{path[:80]}: nested more than {DEEPEST} deep")
    if isinstance(found, Mapping | list):
        inner = found.items() if isinstance(found, Mapping) else enumerate(found)
        for key, value in inner:
            yield from _leaves(value, f"{path}/{key}" if path else str(key), depth - 1)
    elif isinstance(found, bool | str):
        yield path, found
    elif isinstance(found, int | float):
        yield path, _float(found, path)


def _float(number: float, path: str) -> float:
    try:
        return float(number)
    except OverflowError as error:
        raise BadMessage("shape", f"{path[:80]}: the number is too large") from error
