"""Sets of whole numbers as sorted, disjoint ranges with both ends included: what an ack says, what was given up."""

from bisect import bisect_left
from collections.abc import Iterable

Ranges = list[tuple[int, int]]


def normal(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """Sort, and join what overlaps or touches; ranges that end before they begin are empty.

    >>> normal([(5, 6), (1, 2), (3, 3)])
    [(1, 3), (5, 6)]
    """
    merged: Ranges = []
    for first, last in sorted(ranges):
        if last < first:
            continue
        if merged and first <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(last, merged[-1][1]))
        else:
            merged.append((first, last))
    return merged


def of_numbers(numbers: Iterable[int]) -> Ranges:
    """The ranges that hold exactly `numbers`."""
    return normal((number, number) for number in numbers)


def subtract(ranges: Ranges, taken: Ranges) -> Ranges:
    """What of `ranges` is not in `taken`; both normal.

    >>> subtract([(1, 10)], [(3, 4), (9, 12)])
    [(1, 2), (5, 8)]
    """
    left: Ranges = []
    index = 0
    for first, last in ranges:
        while index < len(taken) and taken[index][1] < first:
            index += 1
        begin, probe = first, index
        while probe < len(taken) and taken[probe][0] <= last:
            if begin < taken[probe][0]:
                left.append((begin, taken[probe][0] - 1))
            begin = taken[probe][1] + 1
            probe += 1
        if begin <= last:
            left.append((begin, last))
    return left


def holds(ranges: Ranges, number: int) -> bool:
    """Whether `number` is in `ranges` (normal)."""
    index = bisect_left(ranges, (number + 1,)) - 1
    return index >= 0 and ranges[index][0] <= number <= ranges[index][1]
