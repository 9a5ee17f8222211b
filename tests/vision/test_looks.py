"""The median of a street's last looks."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vision.rules.looks import Looks

LOOKS = st.lists(st.lists(st.floats(0, 255, width=32), min_size=6, max_size=6), min_size=1, max_size=12)


@given(looks=LOOKS, most=st.integers(1, 6), fewer=st.integers(1, 4))
def test_it_is_the_median_of_those_that_count(looks: list[list[float]], most: int, fewer: int) -> None:
    pictures = [np.array(look, np.float32) for look in looks]
    remembered = Looks(most)
    for count, picture in enumerate(pictures, start=1):
        remembered.add(picture)
        np.testing.assert_array_equal(remembered.median(), np.median(pictures[max(0, count - most) : count], axis=0))
    remembered.keep(min(fewer, most))
    kept = pictures[-most:][-min(fewer, most) :]
    np.testing.assert_array_equal(remembered.median(), np.median(kept, axis=0))


def test_a_median_stays_as_it_is_when_another_look_comes() -> None:
    remembered = Looks(3)
    remembered.add(np.full((2, 2), 5, np.float32))
    before = remembered.median()
    remembered.add(np.full((2, 2), 1, np.float32))
    assert (before == 5).all()
