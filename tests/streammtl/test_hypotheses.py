import pytest
import torch

from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.settings import CrossViewSettings
from streammtl.errors import ConfigError, DepthRangeError
from streammtl.models.settings import ModelSettings


def limits(near, far):
    return torch.tensor([near]), torch.tensor([far])


@pytest.mark.parametrize("spacing", ["inverse", "log"])
@pytest.mark.parametrize(("near", "far"), [(0.5, 10.0), (0.0501, 0.06), (0.33, 97.3)])
def test_planes_rise_from_near_to_far_and_stay_between(spacing, near, far):
    planes = depth_hypotheses(*limits(near, far), 64, spacing)[0]
    assert planes[0] == torch.tensor(near)
    assert planes[-1] == torch.tensor(far)
    assert (planes.diff() > 0).all()


def test_inverse_planes_are_even_in_inverse_depth_and_log_planes_in_log_depth():
    inverse = depth_hypotheses(*limits(0.5, 10.0), 64)[0]
    torch.testing.assert_close((1 / inverse).diff(), torch.full((63,), (0.1 - 2.0) / 63), rtol=1e-4, atol=0)
    log = depth_hypotheses(*limits(0.5, 10.0), 64, "log")[0]
    torch.testing.assert_close(log[1:] / log[:-1], torch.full((63,), 20.0 ** (1 / 63)), rtol=1e-4, atol=0)


def test_the_default_puts_two_fifths_of_the_planes_between_one_and_five_metres():
    settings = ModelSettings()
    planes = depth_hypotheses(*limits(settings.near_m, settings.far_m), CrossViewSettings().num_planes)[0]
    assert ((planes >= 1) & (planes <= 5)).float().mean() >= 0.4


def test_every_sample_has_its_own_range():
    planes = depth_hypotheses(torch.tensor([0.5, 2.0]), torch.tensor([10.0, 4.0]), 16)
    torch.testing.assert_close(planes[1], depth_hypotheses(*limits(2.0, 4.0), 16)[0])


@pytest.mark.parametrize(("near", "far"), [(0.0001, 10.0), (0.05, 10.0), (2.0, 1.0), (1.0, 1.0), (float("nan"), 5.0)])
def test_useless_ranges_are_refused(near, far):
    with pytest.raises(DepthRangeError):
        depth_hypotheses(*limits(near, far), 64)


def test_a_range_without_end_is_refused():
    with pytest.raises(DepthRangeError, match="not finite"):
        depth_hypotheses(*limits(1.0, float("inf")), 64)


def test_unknown_spacing_and_too_few_planes_are_refused():
    with pytest.raises(ConfigError, match="inverse"):
        depth_hypotheses(*limits(0.5, 10.0), 64, "uniform")
    with pytest.raises(ConfigError, match="num_planes"):
        depth_hypotheses(*limits(0.5, 10.0), 1)
