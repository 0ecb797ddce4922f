"""A network's depth and a photometric sweep made one: images decide where they show something, else the network."""

import numpy as np
import pytest
import torch

from streammtl.crossview.match_refinement import merged, refined_by_matching
from streammtl.crossview.photometric_sweep import photometric_sweep
from streammtl.models.registry import build_model
from streammtl.models.settings import ModelSettings


def as_map(truth):
    return torch.as_tensor(truth, dtype=torch.float32)[None, None]


def median_error(depth, truth):
    return float(np.median(np.abs(depth[0, 0].numpy() - truth) / truth))


@pytest.fixture
def three_poses(scenes):
    return [scenes.pose(), scenes.pose(x=-0.15), scenes.pose(x=0.15)]


def test_where_images_show_nothing_depth_is_that_of_the_network(scenes, three_poses):
    batch, truth = scenes.batch(scenes.scene(contrast=0.0), three_poses)
    depth, _ = refined_by_matching(batch, as_map(truth), torch.full_like(as_map(truth), 0.6))
    alone, _ = photometric_sweep(batch)
    assert median_error(depth, truth) < 0.02 < median_error(alone, truth)


@pytest.mark.parametrize("factor", [0.7, 1.2])
def test_texture_overrules_a_network_that_is_off(scenes, three_poses, factor):
    batch, truth = scenes.batch(scenes.scene(), three_poses)
    depth, confidence = refined_by_matching(batch, factor * as_map(truth), torch.full_like(as_map(truth), 0.3))
    assert median_error(depth, truth) < 0.02
    assert float(confidence.median()) > 0.5


def test_without_neighbours_the_network_has_the_word(scenes):
    batch, truth = scenes.batch(scenes.scene(), [scenes.pose()])
    given = as_map(truth), torch.full_like(as_map(truth), 0.4)
    depth, confidence = refined_by_matching(batch, *given)
    assert torch.equal(depth, given[0]) and torch.equal(confidence, given[1])


@pytest.mark.parametrize(
    ("match", "match_confidence", "corrected", "confidence", "expected"),
    [
        (2.0, 0.6, 2.05, 0.8, (2.0, 0.6)),  # they agree: the match is the more exact
        (2.0, 0.6, 2.5, 0.3, (2.0, 0.42)),  # a doubtful correction leaves doubt
        (2.0, 0.6, 2.5, 0.8, (2.5, 0.8)),  # a sure one wins
        (2.0, 0.2, 2.05, 0.6, (2.05, 0.6)),  # a poor match does not count
        (2.0, 0.2, 2.5, 0.4, (2.5, 0.0)),  # neither is known well enough to build on
    ],
)
def test_of_two_depths_the_likelier_one_is_taken(match, match_confidence, corrected, confidence, expected):
    found = merged(*(torch.tensor([[x]]) for x in (match, match_confidence, corrected, confidence)))
    torch.testing.assert_close(found, tuple(torch.tensor([[x]]) for x in expected))


@pytest.mark.parametrize("name", ["cvm-lite", "m2h-lite"])
def test_depth_and_confidence_with_a_sweep_are_those_of_the_network_refined(scenes, three_poses, name):
    batch, _ = scenes.batch(scenes.scene(), three_poses)
    plain, swept = (build_model(ModelSettings(name=name, sweep=sweep)).predict(batch) for sweep in (False, True))
    expected = refined_by_matching(batch, plain.values["depth"], plain.confidence)
    torch.testing.assert_close((swept.values["depth"], swept.confidence), expected)
    for task in ("semantics", "normals", "boundaries"):
        torch.testing.assert_close(swept.values[task], plain.values[task])
    assert swept.scale_status == plain.scale_status


def test_a_view_without_neighbours_is_not_refined(scenes):
    batch, _ = scenes.batch(scenes.scene(), [scenes.pose()])
    swept, plain = (build_model(ModelSettings(name="m2h-lite", sweep=s)).predict(batch) for s in (True, False))
    torch.testing.assert_close(swept.values, plain.values)
    assert torch.equal(swept.confidence, plain.confidence)
