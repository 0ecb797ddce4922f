from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from recordings.timestamps import StrictTimestamps


def test_increasing_times_pass_unchanged():
    strict = StrictTimestamps(0.04)
    assert [strict.next(t) for t in (0.0, 0.04, 0.5)] == [0.0, 0.04, 0.5]
    assert strict.repaired == 0


def test_after_a_clock_reset_time_goes_on():
    strict = StrictTimestamps(0.04)
    times = [strict.next(t) for t in (10.0, 10.04, 0.0, 0.04, 0.08)]
    np.testing.assert_allclose(times, [10.0, 10.04, 10.08, 10.12, 10.16])
    assert strict.repaired == 1


@given(st.lists(st.floats(-1e5, 1e5), max_size=50))
def test_any_times_come_out_strictly_increasing(times):
    strict = StrictTimestamps(0.04)
    assert (np.diff([strict.next(t) for t in times]) > 0).all()
