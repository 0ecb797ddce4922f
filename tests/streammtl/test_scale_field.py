"""A network's depth taken to matched depth by a smooth field."""

import numpy as np
import pytest
import torch

from streammtl.crossview.scale_field import CELL, corrected_by_matches, solve_on_grid

HEIGHT, WIDTH = 96, 128
PLAIN = torch.full((HEIGHT, WIDTH), 0.5)


def sure(value=0.8):
    return torch.full((HEIGHT, WIDTH), value)


@pytest.fixture
def slope():
    """Depth that grows from 1 to 3 m across the image."""
    return torch.linspace(1.0, 3.0, WIDTH).expand(HEIGHT, WIDTH).clone()


def off(depth, truth):
    return float((depth / truth - 1).abs().max())


def test_depth_that_is_off_by_one_factor_becomes_the_matched_depth(slope):
    depth, confidence = corrected_by_matches(slope, sure(0.3), 1.4 * slope, sure(), PLAIN)
    assert off(depth, 1.4 * slope) < 1e-4
    assert float(confidence.min()) > 0.9


def test_matches_in_one_corner_tell_the_factor_of_all_the_rest(slope):
    trust = torch.zeros_like(slope)
    trust[:24, :32] = 0.6
    matched = torch.where(trust > 0, 0.8 * slope, 7.0)
    depth, _ = corrected_by_matches(slope, sure(0.3), matched, trust, PLAIN)
    assert off(depth, 0.8 * slope) < 0.02


def test_two_surfaces_get_each_their_own_factor(slope):
    network, truth = slope.clone(), 1.2 * slope
    network[:, 64:] *= 2.0
    truth[:, 64:] *= 0.75 * 2.0
    trust = torch.zeros_like(slope)
    trust[:, 16:32], trust[:, 96:112] = 0.7, 0.7
    depth, _ = corrected_by_matches(network, sure(0.3), truth, trust, PLAIN)
    away = torch.ones_like(slope, dtype=torch.bool)
    away[:, 64 - CELL : 64 + CELL] = False  # cells are as wide as that
    assert off(depth[away], truth[away]) < 0.03


def test_wild_matches_among_many_do_not_count(slope):
    rng = np.random.default_rng(3)
    wild = torch.from_numpy(rng.random((HEIGHT, WIDTH)) < 0.2)
    matched = torch.where(wild, 5.0 * slope, 1.1 * slope)
    depth, _ = corrected_by_matches(slope, sure(0.3), matched, sure(), PLAIN)
    assert off(depth, 1.1 * slope) < 0.02


def test_without_any_match_depth_stays_and_little_is_promised(slope):
    depth, confidence = corrected_by_matches(slope, sure(0.5), 2.0 * slope, torch.zeros_like(slope), PLAIN)
    assert off(depth, slope) < 1e-5
    assert float(confidence.max()) < 0.5


def test_confidence_falls_as_matches_scatter_about_the_corrected_depth(slope):
    rng = np.random.default_rng(4)
    noise = torch.from_numpy(rng.standard_normal((HEIGHT, WIDTH)).astype(np.float32))
    means = [
        float(corrected_by_matches(slope, sure(0.3), slope * torch.exp(s * noise), sure(), PLAIN)[1].mean())
        for s in (0.01, 0.05, 0.15)
    ]
    assert means[0] > means[1] + 0.1 > means[2] + 0.2


def test_the_field_is_that_of_a_densesolve_on_gridr():
    generator = torch.Generator().manual_seed(5)
    h, w = 12, 16
    diagonal, right = torch.rand(h, w, generator=generator) + 0.01, torch.randn(h, w, generator=generator)
    down, across = torch.rand(h - 1, w, generator=generator), torch.rand(h, w - 1, generator=generator)
    matrix = torch.diag(diagonal.flatten())
    cell = torch.arange(h * w).reshape(h, w)
    for first, second, weight in ((cell[:-1], cell[1:], down), (cell[:, :-1], cell[:, 1:], across)):
        for i, j, c in zip(first.flatten(), second.flatten(), weight.flatten(), strict=True):
            matrix[i, i] += c
            matrix[j, j] += c
            matrix[i, j] -= c
            matrix[j, i] -= c
    expected = torch.linalg.solve(matrix, right.flatten()).reshape(h, w)
    found = solve_on_grid(diagonal, down, across, right, torch.zeros(h, w), steps=100)
    torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)
