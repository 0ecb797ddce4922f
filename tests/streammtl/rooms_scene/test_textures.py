"""Textures: bounded, repeatable, and seamless where they are repeated."""

import numpy as np
import pytest

from streammtl.data.rooms.textures import colours, surfaces
from streammtl.data.rooms.textures.bank import MAKERS, REPEAT_M, VARIANTS, covering, texture


@pytest.mark.parametrize("family", sorted(VARIANTS))
def test_a_texture_is_small_repeatable_and_shared(family):
    picture = texture(family, 1)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and max(picture.shape) <= 256
    assert not picture.flags.writeable
    assert texture(family, 1) is picture
    np.testing.assert_array_equal(MAKERS[family](1017), picture)
    assert picture.std() > 0.2


@pytest.mark.parametrize("family", sorted(set(VARIANTS) & set(dir(surfaces))))
def test_a_repeated_surface_has_no_seam(family):
    for variant in range(4):
        picture = texture(family, variant).astype(float)
        for axis in (0, 1):
            steps = np.abs(np.diff(picture, axis=axis)).mean(axis=(1 - axis, 2))
            seam = np.abs(picture.take(0, axis) - picture.take(-1, axis)).mean()
            # Joints fall on the seam in tilings, and are as strong there as at any other joint.
            assert seam <= steps.max() * 1.25 + 1.0


def test_every_repeated_family_has_a_scale():
    assert set(REPEAT_M) == set(VARIANTS) & set(dir(surfaces))


def test_colours_are_linear_and_mostly_pale_or_grey():
    rng = np.random.default_rng(0)
    drawn = np.array([colours.thing(rng) for _ in range(2000)])
    assert drawn.min() >= 0 and drawn.max() <= 1
    spread = drawn.max(axis=1) - drawn.min(axis=1)
    assert 0.4 < (spread < 0.25).mean() < 0.9
    assert colours.to_linear((0.5, 0.5, 0.5)) == pytest.approx((0.214,) * 3, abs=1e-3)


def test_a_covering_keeps_its_colour_and_draws_its_scale():
    finish = covering(np.random.default_rng(3), "tiles", (0.2, 0.4, 0.6))
    assert finish.material.colour == (0.2, 0.4, 0.6)
    assert REPEAT_M["tiles"][0] <= finish.repeat_m <= REPEAT_M["tiles"][1]
