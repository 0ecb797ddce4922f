import numpy as np

from mapping.fusion.depth_windows import LEVELS, depth_windows, least_within


def test_a_window_holds_the_least_of_its_tiles():
    tiles = np.random.default_rng(0).random((23, 41, 2), np.float32)
    windows, overall = depth_windows(tiles)
    np.testing.assert_array_equal(overall, tiles.min((0, 1)))
    for top, bottom, left, right in [(0, 0, 0, 0), (22, 22, 40, 40), (3, 5, 7, 9), (0, 22, 18, 40), (21, 22, 0, 1)]:
        found = least_within(windows.reshape(-1), overall, 23, 41, top, bottom, left, right)
        np.testing.assert_array_equal(found, tiles[top : bottom + 1, left : right + 1].min((0, 1)))


def test_a_window_of_any_shape_is_never_said_to_hold_more_than_its_least():
    rng = np.random.default_rng(1)
    tiles = rng.random((19, 90, 2), np.float32)
    windows, overall = depth_windows(tiles)
    for _ in range(300):
        top, bottom = np.sort(rng.integers(0, 19, 2))
        left, right = np.sort(rng.integers(0, 90, 2))
        found = least_within(windows.reshape(-1), overall, 19, 90, top, bottom, left, right)
        assert (found <= tiles[top : bottom + 1, left : right + 1].min((0, 1))).all()
        if right - left >= 1 << LEVELS:
            np.testing.assert_array_equal(found, overall)
