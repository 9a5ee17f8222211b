"""What stands in for parts of the library's tracker says what they say."""

import numpy as np
import supervision as sv
from hypothesis import given, settings
from hypothesis import strategies as st
from trackers import BIoU
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.predict_timing import PredictTiming

from vision.tracking.lean import Admitted, Buffered, Corners

Step = tuple[float, tuple[float, float, float, float] | None]
CORNER = st.floats(0, 2000)
# At the usual rate within its tolerance, and frames that are late or missing.
FRAMES = st.one_of(st.floats(0.97, 1.03), st.floats(0.05, 8.0))
STEPS = st.lists(st.tuples(FRAMES, st.none() | st.tuples(CORNER, CORNER, CORNER, CORNER)), min_size=1, max_size=30)


@settings(deadline=None)
@given(first=st.tuples(CORNER, CORNER, CORNER, CORNER), steps=STEPS, rate=st.sampled_from([5.0, 10.0, 25.0]))
def test_it_follows_a_box_as_the_librarys_own_does(
    first: tuple[float, float, float, float], steps: list[Step], rate: float
) -> None:
    ours, theirs = ByteTrackTracklet(np.array(first), Corners), ByteTrackTracklet(np.array(first))
    for frames, seen in steps:
        timing = PredictTiming(frame_step=frames, elapsed_seconds=frames / rate, frame_rate=rate)
        np.testing.assert_allclose(ours.predict(timing), theirs.predict(timing), rtol=1e-9, atol=1e-6)
        if seen is not None:
            ours.update(np.array(seen))
            theirs.update(np.array(seen))
            np.testing.assert_allclose(ours.get_state_bbox(), theirs.get_state_bbox(), rtol=1e-9, atol=1e-6)


@settings(deadline=None)
@given(seed=st.integers(0, 2**32 - 1), first=st.integers(1, 9), second=st.integers(1, 9))
def test_boxes_overlap_as_much(seed: int, first: int, second: int) -> None:
    random = np.random.default_rng(seed)
    some, others = (
        np.hstack((corners, corners + random.uniform(0, 60, (n, 2))))
        for n, corners in ((n, random.uniform(0, 80, (n, 2))) for n in (first, second))
    )
    np.testing.assert_array_equal(Buffered(0.3).compute(some, others), BIoU(0.3).compute(some, others))


def test_some_of_the_boxes_are_the_same_ones() -> None:
    random = np.random.default_rng(2)
    given = {"xyxy": random.uniform(0, 9, (5, 4)), "confidence": random.random(5), "data": {"row": np.arange(5)}}
    ours, theirs = Admitted(**given), sv.Detections(**given)
    for index in ([3, 1], np.array([4]), slice(2)):
        np.testing.assert_array_equal(ours[index].xyxy, theirs[index].xyxy)
        np.testing.assert_array_equal(ours[index].confidence, theirs[index].confidence)
        np.testing.assert_array_equal(ours[index]["row"], theirs[index]["row"])
