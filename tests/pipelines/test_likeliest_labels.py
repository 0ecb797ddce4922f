"""The few most probable labels of every pixel."""

import numpy as np
import pytest
import torch

from pipelines.likeliest_labels import KEPT, likeliest_labels


@pytest.mark.parametrize("channels", [KEPT, 19, 40, 255])
def test_they_are_those_of_a_full_sort(channels):
    rng = np.random.default_rng(channels)
    probabilities = rng.permuted(np.linspace(0, 1, channels * 7 * 11, dtype=np.float32)).reshape(channels, 7, 11)
    ids, kept = likeliest_labels(probabilities)
    expected, places = torch.from_numpy(probabilities).topk(KEPT, dim=0)
    np.testing.assert_array_equal(kept, expected.permute(1, 2, 0))
    np.testing.assert_array_equal(ids, places.permute(1, 2, 0) + 1)
    assert ids.dtype == np.uint8 and kept.dtype == np.float32


def test_of_equal_probabilities_the_earlier_label_comes_first():
    ids, kept = likeliest_labels(np.full((5, 2, 2), 0.2, np.float32))
    assert (ids == [1, 2, 3]).all() and (kept == np.float32(0.2)).all()
