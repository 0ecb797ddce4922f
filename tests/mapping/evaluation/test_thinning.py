import cv2
import numpy as np
import pytest

from mapping.evaluation.thinning import thinned


def slow_thinned(mask):
    """The conditions of Lam, Lee and Suen, pixel by pixel."""
    image = np.pad(mask, 1)
    changed = True
    while changed:
        changed = False
        for second in (False, True):
            gone = []
            for r, c in np.argwhere(image):
                x = [None] + [
                    bool(image[r + dr, c + dc])
                    for dr, dc in ((0, 1), (-1, 1), (-1, 0), (-1, -1), (0, -1), (1, -1), (1, 0), (1, 1))
                ]
                x.append(x[1])
                g1 = sum(not x[2 * i - 1] and (x[2 * i] or x[2 * i + 1]) for i in range(1, 5)) == 1
                n1 = sum(x[2 * k - 1] or x[2 * k] for k in range(1, 5))
                n2 = sum(x[2 * k] or x[2 * k + 1] for k in range(1, 5))
                g3 = not ((x[6] or x[7] or not x[4]) and x[5]) if second else not ((x[2] or x[3] or not x[8]) and x[1])
                if g1 and 2 <= min(n1, n2) <= 3 and g3:
                    gone.append((r, c))
            for r, c in gone:
                image[r, c] = False
                changed = True
    return image[1:-1, 1:-1]


@pytest.mark.parametrize("density", [0.2, 0.5, 0.8])
def test_thinning_agrees_with_the_definition(density):
    rng = np.random.default_rng(0)
    noise = rng.random((30, 33)) < density
    strokes = cv2.blur(noise.astype(np.float32), (3, 3)) > 0.5
    for mask in (noise, strokes):
        np.testing.assert_array_equal(thinned(mask), slow_thinned(mask))


def test_a_thick_line_becomes_its_centre_line():
    mask = np.zeros((40, 50), bool)
    mask[18:23, 5:45] = True
    rows, columns = np.nonzero(thinned(mask))
    assert set(rows[(columns > 8) & (columns < 41)]) == {20}
    assert np.bincount(columns).max() == 1


def test_loops_and_pieces_stay_as_many_as_they_were():
    mask = np.zeros((80, 90), np.uint8)
    cv2.circle(mask, (30, 40), 20, 1, 5)
    cv2.circle(mask, (65, 20), 8, 1, -1)
    cv2.line(mask, (55, 45), (85, 75), 1, 4)
    lines = thinned(mask.astype(bool)).astype(np.uint8)
    for connectivity, image in ((8, (mask, lines)), (4, (1 - mask, 1 - lines))):
        counts = [cv2.connectedComponents(one, connectivity=connectivity)[0] for one in image]
        assert counts[0] == counts[1]
    assert lines.sum() < mask.sum() / 4


def test_nothing_stays_nothing_and_thin_lines_stay():
    empty = np.zeros((5, 6), bool)
    assert not thinned(empty).any()
    line = empty.copy()
    line[2] = True
    np.testing.assert_array_equal(thinned(line), line)
    assert line.all(1).any()
