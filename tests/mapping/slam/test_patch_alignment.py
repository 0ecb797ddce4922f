import cv2
import numpy as np
import pytest

from mapping.slam import features, patches
from mapping.slam.sensor_depth import depth_at


def waves(dx=0.0, dy=0.0, gain=1.0, bias=0.0):
    """A sum of 200 cosines, exactly shifted by (dx, dy): what was at uv is then at uv + (dx, dy)."""
    rng = np.random.default_rng(0)
    wave, phase = rng.normal(scale=0.25, size=(200, 2)), rng.uniform(0, 2 * np.pi, 200)
    x, y = np.arange(320) - dx, np.arange(240)[:, None] - dy
    total = sum(np.cos(a * x + b * y + p) for (a, b), p in zip(wave, phase, strict=True))
    return np.clip(gain * (128 + 4 * total) + bias, 0, 255).round().astype(np.uint8)


@pytest.fixture
def image():
    return waves()


def grid(step=30):
    x, y = np.meshgrid(np.arange(40, 290, step), np.arange(40, 210, step))
    return np.stack([x.ravel(), y.ravel()], axis=1) + 0.37


@pytest.mark.parametrize(("gain", "bias"), [(1.0, 0.0), (0.7, 30.0)])
def test_alignment_finds_a_sub_pixel_shift_whatever_the_exposure(image, gain, bias):
    uv = grid()
    patch, offset = patches.cut(image, uv)
    moved = waves(0.75, -0.5, gain, bias)
    warps = np.tile(np.eye(2), (len(uv), 1, 1))
    found, correlation = patches.match(moved, patch, offset, warps, uv, 0, 2.0)
    good = correlation > 0.9
    assert good.mean() > 0.95
    error = np.abs(found[good] - uv[good] - [0.75, -0.5])
    assert error.max() < 0.1 and error.mean() < 0.03


def test_search_reaches_what_alignment_alone_does_not(image):
    uv = grid()
    patch, offset = patches.cut(image, uv)
    moved = waves(5.3, -4.2)
    warps = np.tile(np.eye(2), (len(uv), 1, 1))
    found, correlation = patches.match(moved, patch, offset, warps, uv, 6, 2.0)
    good = correlation > 0.9
    assert good.mean() > 0.95
    assert np.abs(found[good] - uv[good] - [5.3, -4.2]).max() < 0.1
    assert (patches.match(moved, patch, offset, warps, uv, 0, 2.0)[1] > 0.9).mean() < 0.2


def test_a_patch_is_recognised_when_turned_and_scaled(image):
    uv = np.array([[160.0, 120.0]])
    patch, offset = patches.cut(image, uv)
    matrix = cv2.getRotationMatrix2D((160, 120), 20, 1.25)
    turned = cv2.warpAffine(image, matrix, image.shape[::-1], flags=cv2.INTER_CUBIC)
    warp = np.linalg.inv(matrix[:, :2])[None]
    found, correlation = patches.match(turned, patch, offset, warp, uv, 0, 2.0)
    assert correlation[0] > 0.9 and np.abs(found - uv).max() < 0.15
    assert patches.match(turned, patch, offset, np.eye(2)[None], uv, 0, 2.0)[1][0] < correlation[0] - 0.05


def test_the_correlation_is_that_of_the_pixels(image):
    other = cv2.GaussianBlur(image, None, 1.0)
    uv = grid()
    patch, offset = patches.cut(image, uv)
    warps = np.tile(np.eye(2), (len(uv), 1, 1))
    found, correlation = patches.match(other, patch, offset, warps, uv, 0, 2.0)
    for i in np.flatnonzero(correlation > -1)[:10]:
        window = cv2.getRectSubPix(other.astype(np.float32), (9, 9), found[i].astype(np.float32).tolist())
        template = cv2.getRectSubPix(image.astype(np.float32), (9, 9), uv[i].astype(np.float32).tolist())
        assert correlation[i] == pytest.approx(np.corrcoef(window.ravel(), template.ravel())[0, 1], abs=0.01)


def test_flat_patches_and_the_border_give_no_match(image):
    uv = np.array([[100.0, 100.0]])
    patch, offset = patches.cut(image, uv)
    flat = np.full_like(image, 90)
    warp = np.eye(2)[None]
    assert patches.match(flat, patch, offset, warp, uv, 4, 2.0)[1][0] == -1
    assert patches.match(image, patch, offset, warp, np.array([[1.0, 1.0]]), 0, 2.0)[1][0] == -1
    assert patches.match(image, patch, offset, np.full((1, 2, 2), np.nan), uv, 0, 2.0)[1][0] == -1


def test_corners_keep_away_from_tracks_and_spread_over_the_image(image):
    image[:, :160] = 128 + (image[:, :160].astype(int) - 128) // 4  # faint on the left, strong on the right
    taken = np.array([[200.0, 100.0], [260.0, 180.0]])
    corners = features.detect(image, 60, taken)
    assert len(corners) == 60
    assert features.inside(corners, 240, 320).all()
    distance = np.linalg.norm(corners[:, None] - taken[None], axis=-1)
    assert distance.min() >= 9
    assert 20 <= (corners[:, 0] < 160).sum() <= 40


def test_following_gives_the_shift_and_drops_what_does_not_come_back(image):
    uv = grid()
    moved = waves(7.4, 3.1)
    moved[115:155, 115:155] = np.random.default_rng(1).integers(0, 255, (40, 40))
    found_uv, found = features.follow(image, moved, uv, uv, np.ones(len(uv), bool))
    arrived = uv + np.array([7.4, 3.1])
    covered = np.all((arrived > 123) & (arrived < 147), axis=1)
    clear = ~np.all((arrived > 100) & (arrived < 170), axis=1)
    assert covered.any() and not found[covered].any()
    assert found[clear].mean() > 0.9
    assert np.abs(found_uv - arrived)[found & clear].max() < 0.2


def test_depth_is_read_only_where_it_is_sure():
    depth = np.full((60, 80), 2.0, np.float32)
    depth[:, 40:] = 3.0
    depth[30:, :] = np.nan
    depth[:, 70:] = 20.0
    uv = np.array([[20.0, 15.0], [40.0, 15.0], [20.0, 50.0], [60.0, 15.0], [76.0, 15.0]])
    assert depth_at(depth, uv, 8.0).tolist() == [2.0, 0.0, 0.0, 3.0, 0.0]
    assert depth_at(None, uv, 8.0).tolist() == [0.0] * 5
