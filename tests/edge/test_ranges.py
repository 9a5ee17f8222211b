from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from edge import ranges

SPANS = st.lists(st.tuples(st.integers(-3, 40), st.integers(-3, 40)), max_size=12)


def numbers(spans: ranges.Ranges) -> set[int]:
    return {number for first, last in spans for number in range(first, last + 1)}


def is_normal(spans: ranges.Ranges) -> bool:
    return all(a <= b for a, b in spans) and all(x[1] + 1 < y[0] for x, y in pairwise(spans))


@given(SPANS)
def test_normal_ranges_hold_the_same_numbers_and_touch_nowhere(spans: ranges.Ranges) -> None:
    assert numbers(ranges.normal(spans)) == numbers(spans)
    assert is_normal(ranges.normal(spans))


@given(SPANS, SPANS)
def test_subtracting_ranges_is_subtracting_sets(left: ranges.Ranges, right: ranges.Ranges) -> None:
    found = ranges.subtract(ranges.normal(left), ranges.normal(right))
    assert numbers(found) == numbers(left) - numbers(right)
    assert is_normal(found)


@given(SPANS, st.integers(-5, 45))
def test_a_number_is_held_where_a_range_has_it(spans: ranges.Ranges, number: int) -> None:
    assert ranges.holds(ranges.normal(spans), number) == (number in numbers(spans))


@given(st.sets(st.integers(0, 50)))
def test_numbers_become_the_ranges_that_hold_them(given_numbers: set[int]) -> None:
    assert numbers(ranges.of_numbers(given_numbers)) == given_numbers
