"""Clips that show rare classes are drawn more often, by a rule that can be checked by hand."""

import numpy as np
import pytest
from pydantic import ValidationError

from streammtl.data.clip_pool import ClipPool
from streammtl.data.footage import Window
from streammtl.data.rare_classes import repeat_factors
from streammtl.data.sets.settings import DataSetSettings


def showing(*classes):
    """u8 [2,24,32], a band of columns for each of the classes."""
    return np.broadcast_to(np.repeat(classes, 32 // len(classes)).astype(np.uint8), (2, 24, 32))


def test_a_clip_counts_by_its_rarest_class():
    clips = [showing(1)] * 13 + [showing(1, 2)] * 2 + [showing(1, 2, 0, 3)]  # 2 in 3 of 16 clips, 3 in 1
    assert np.allclose(repeat_factors(clips, 0.25), [1] * 13 + [(0.25 * 16 / 3) ** 0.5] * 2 + [2])
    assert np.allclose(repeat_factors(clips, 1 / 16), 1)


def test_a_corner_of_something_and_pixels_without_a_class_do_not_count():
    corner = np.ones((2, 24, 32), np.uint8)
    corner[:, :4, :8] = 9
    unknown = np.zeros((2, 24, 32), np.uint8)
    assert np.allclose(repeat_factors([np.ones_like(corner)] * 6 + [corner, unknown], 0.5), 1)


def test_a_pool_draws_by_these_factors_and_by_the_state_of_the_generator_alone(tmp_path, pool):
    paths = ClipPool(pool).paths
    for number in range(9):
        with np.load(paths[0]) as archive:
            arrays = dict(archive)
        arrays["labels"] = np.full_like(arrays["labels"], 7 if number == 8 else 1)
        np.savez(tmp_path / f"{number}.npz", **arrays)

    def drawn(source, count):
        found = [source.draw(np.random.default_rng(i)).label("semantics", 0, Window(0, 0, 8, 8)) for i in range(count)]
        return [int(values.max()) for values, _ in found]

    often = ClipPool(tmp_path, rare_below=1.0)  # the last counts 3, the others sqrt(9 / 8)
    assert abs(np.mean(np.equal(drawn(often, 600), 6)) - 3 / (3 + 8 * (9 / 8) ** 0.5)) < 0.06
    assert abs(np.mean(np.equal(drawn(ClipPool(tmp_path), 600), 6)) - 1 / 9) < 0.05
    assert drawn(often, 20) == drawn(ClipPool(tmp_path, rare_below=1.0), 20)


def test_only_clips_are_looked_through_for_rare_classes(tmp_path):
    with pytest.raises(ValidationError, match="rare_below is for clips"):
        DataSetSettings(name="scannet", root=tmp_path, rare_below=0.1)
