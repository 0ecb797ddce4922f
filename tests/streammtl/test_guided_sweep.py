"""A photometric sweep that a network's depth leads: images decide where they show something, else the network."""

import math

import numpy as np
import pytest
import torch

from streammtl.crossview.photometric_sweep import (
    NUM_PLANES,
    PRIOR_REACH,
    PRIOR_WEIGHT,
    DepthPrior,
    photometric_sweep,
    prior_cost,
)
from streammtl.models.cvm import laplace_confidence
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings


def prior_at(depth, confidence):
    """The same confidence everywhere, in a depth map [H,W]."""
    depth = torch.as_tensor(depth, dtype=torch.float32)[None, None]
    return DepthPrior(depth, torch.full_like(depth, confidence))


def median_error(depth, truth):
    return float(np.median(np.abs(depth[0, 0].numpy() - truth) / truth))


@pytest.fixture
def three_poses(scenes):
    return [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15)]


def test_a_depth_costs_as_many_units_as_it_is_spreads_off_and_no_more_than_the_reach():
    spread, log_depth = 0.1, torch.tensor([[math.log(2.0)]])
    confidence = laplace_confidence(torch.tensor([[math.log(spread)]]))
    planes = torch.tensor([2.0, 2.0 * math.exp(0.1), 2.0 * math.exp(-0.25), 20.0])
    cost = prior_cost(log_depth, confidence, planes)[:, 0, 0] / PRIOR_WEIGHT
    torch.testing.assert_close(cost, torch.tensor([0.0, 1.0, 2.5, PRIOR_REACH]), rtol=1e-4, atol=1e-4)


def test_where_images_show_nothing_depth_is_that_of_the_prior(scenes, three_poses):
    batch, truth = scenes.batch(scenes.scene(contrast=0.0), three_poses)
    depth, confidence = photometric_sweep(batch, NUM_PLANES, prior_at(truth, 0.6))
    alone, _ = photometric_sweep(batch, NUM_PLANES)
    assert median_error(depth, truth) < 0.02 < median_error(alone, truth)
    assert float(confidence.median()) > 0.5


def test_texture_overrules_a_prior_that_is_off(scenes, three_poses):
    batch, truth = scenes.batch(scenes.scene(), three_poses)
    depth, _ = photometric_sweep(batch, NUM_PLANES, prior_at(1.2 * truth, 0.3))
    assert median_error(depth, truth) < 0.02


def test_a_prior_that_disagrees_lends_no_confidence(scenes, three_poses):
    batch, truth = scenes.batch(scenes.scene(), three_poses)
    right = photometric_sweep(batch, NUM_PLANES, prior_at(truth, 0.3))[1]
    wrong = photometric_sweep(batch, NUM_PLANES, prior_at(1.5 * truth, 0.3))[1]
    alone = photometric_sweep(batch, NUM_PLANES)[1]
    assert float(wrong.mean()) <= float(alone.mean()) + 0.05 < float(right.mean())


def test_without_neighbours_the_prior_is_the_answer(scenes):
    batch, truth = scenes.batch(scenes.scene(), [scenes.pose()])
    prior = prior_at(truth, 0.4)
    depth, confidence = photometric_sweep(batch, NUM_PLANES, prior)
    assert torch.equal(depth, prior.depth) and torch.equal(confidence, prior.confidence)


def test_a_network_with_a_sweep_differs_in_depth_and_confidence_alone(scenes, three_poses):
    batch, _ = scenes.batch(scenes.scene(), three_poses)
    plain = build_model(ModelSettings(name="cvm-lite")).predict(batch)
    swept = build_model(ModelSettings(name="cvm-lite", sweep=True)).predict(batch)
    assert not torch.equal(plain.values["depth"], swept.values["depth"])
    for task in ("semantics", "normals", "boundaries"):
        assert torch.equal(plain.values[task], swept.values[task])
    assert swept.scale_status == plain.scale_status
    expected = photometric_sweep(batch, NUM_PLANES, DepthPrior(plain.values["depth"], plain.confidence))
    torch.testing.assert_close((swept.values["depth"], swept.confidence), expected)
