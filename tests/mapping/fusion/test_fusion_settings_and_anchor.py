import numpy as np
import pytest
from pydantic import ValidationError

from mapping.fusion.anchor import new_anchor, whole_blocks
from mapping.fusion.precision import STORED_TYPES, from_stored, to_stored
from mapping.fusion.settings import FusionSettings
from mapping.records import Blocks
from tests.mapping.fusion.fusion_scenes import pose


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"voxel_size_m": -0.02}, "voxel_size_m"),
        ({"truncation_m": 0.03}, "at least two voxels"),
        ({"near_m": 7.0}, "near_m must be the smaller"),
        ({"voxelsize": 0.02}, "voxelsize"),
        ({"labels_per_voxel": 0}, "labels_per_voxel"),
    ],
)
def test_wrong_settings_stop_at_once_and_are_named(values, words):
    with pytest.raises(ValidationError, match=words):
        FusionSettings(**values)


def test_every_setting_says_what_it_is():
    assert all(field.description for field in FusionSettings.model_fields.values())


def test_an_anchor_is_a_translation_by_whole_blocks_next_to_the_camera():
    settings = FusionSettings(voxel_size_m=0.03, truncation_m=0.09)
    camera_pose = pose((-1.234, 7.7, 0.5), (1, 2, 3), 1.0)
    anchor = new_anchor(camera_pose, settings)
    np.testing.assert_array_equal(anchor[:3, :3], np.eye(3))
    assert np.abs(anchor[:3, 3] - camera_pose[:3, 3]).max() <= 0.5 * 0.24 + 1e-12
    np.testing.assert_array_equal(whole_blocks(anchor, 0.03), [-5, 32, 2])


def test_a_moved_anchor_is_off_the_grid():
    anchor = new_anchor(np.eye(4), FusionSettings())
    assert whole_blocks(anchor, 0.02) is not None
    assert whole_blocks(pose((0.01, 0, 0)) @ anchor, 0.02) is None
    assert whole_blocks(pose((0, 0, 0), (0, 0, 1), 1e-4) @ anchor, 0.02) is None


def test_stored_arrays_have_the_stored_types_and_come_back_unchanged():
    rng = np.random.default_rng(0)
    cube = (5, 8, 8, 8)
    blocks = Blocks(
        index=rng.integers(-9, 9, (5, 3)).astype(np.int32),
        tsdf=rng.uniform(-1, 1, cube).astype(np.float32),
        weight=rng.uniform(0, 64, cube).astype(np.float32),
        colour=rng.integers(0, 256, (*cube, 3)).astype(np.uint8),
        label_ids=rng.integers(0, 40, (*cube, 4)).astype(np.uint8),
        label_weights=rng.uniform(0, 64, (*cube, 4)).astype(np.float32),
    )
    stored = to_stored(blocks)
    assert {name: array.dtype for name, array in stored.items()} == STORED_TYPES
    again = to_stored(from_stored(stored))
    for name, array in stored.items():
        np.testing.assert_array_equal(again[name], array)
    assert np.abs(from_stored(stored).tsdf - blocks.tsdf).max() < 3e-4
