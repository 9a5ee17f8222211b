"""The short filter for boxes' corners says what the library's says."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from trackers.core.bytetrack.tracklet import ByteTrackTracklet
from trackers.utils.predict_timing import PredictTiming

from vision.tracking.corners import Corners

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
