import numpy as np
from numba import njit

from mapping.fusion.prefetch import prefetch


@njit
def summed(values, ahead):
    total = 0
    for i in range(len(values)):
        prefetch(values, i + ahead)
        total += values[i]
    return total


def test_asking_for_memory_changes_nothing_wherever_it_is():
    values = np.arange(1000)
    for ahead in (0, 8, -5000, 1 << 40):
        assert summed(values, ahead) == 499500
    np.testing.assert_array_equal(values, np.arange(1000))
