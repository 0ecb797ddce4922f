import numpy as np

from mapping.fusion.on_disk import on_disk
from tests.mapping.store.tiny_maps import blocks


def test_blocks_on_disk_are_the_same_and_leave_no_file(tmp_path):
    kept = blocks(5, 3.0)
    moved = on_disk(kept, tmp_path)
    for name, array in vars(kept).items():
        assert getattr(moved, name).dtype == array.dtype
        np.testing.assert_array_equal(getattr(moved, name), array)
    assert list(tmp_path.iterdir()) == []
    assert len(on_disk(blocks(0, 1.0), tmp_path)) == 0
