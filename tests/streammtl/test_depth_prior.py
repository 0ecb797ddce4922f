import math

import pytest
import torch

from streammtl.decoders.depth_prior import DepthPrior, DepthPriorHead, focal_lengths
from streammtl.decoders.heads import FinePlaneDepthHead, LinearDepthHead, PlaneChoice


def features(width: int = 8) -> torch.Tensor:
    return torch.randn(2, width, 6, 8, generator=torch.Generator().manual_seed(0))


def learnt(head: torch.nn.Module) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in head.parameters():
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=generator)
    return head


@pytest.mark.parametrize("head", [DepthPriorHead, LinearDepthHead])
def test_the_same_image_through_a_lens_of_twice_the_focal_length_shows_things_twice_as_far(head):
    head = learnt(head(8))
    near, far = (
        (head(features(), f) if isinstance(head, DepthPriorHead) else head(features(), None, f)).log_depth
        for f in (torch.tensor([200.0, 310.0]), torch.tensor([400.0, 620.0]))
    )
    torch.testing.assert_close(far - near, torch.full_like(near, math.log(2)))


def test_the_focal_length_is_the_mean_of_both_axes():
    K = torch.tensor([[[200.0, 0, 10], [0, 800.0, 20], [0, 0, 1]]])
    assert focal_lengths(K).tolist() == [400.0]


def test_planes_are_the_likelier_the_closer_they_lie_to_the_prior():
    planes = torch.linspace(0.5, 5.0, 10).log()[None]
    prior = DepthPrior(torch.full((1, 1, 1, 1), math.log(2.1)), torch.zeros(1, 1, 1, 1))
    scores = prior.of_planes(planes)[0, :, 0, 0]
    assert int(scores.argmax()) == 3  # 2.0 m
    torch.testing.assert_close(scores, -(planes[0] - math.log(2.1)).abs())


def test_without_a_match_the_prior_decides_and_a_clear_match_overrules_it():
    head = FinePlaneDepthHead(8, 64)
    for parameter in head.planes.parameters():
        torch.nn.init.zeros_(parameter)
    head.prior.linear.bias.data = torch.tensor([math.log(3.0 / 1.6), -3.0])  # 3 m at the usual focal length, 5 %
    planes = torch.linspace(0.5, 8.0, 64)[None].expand(2, -1)
    cross = type("Seen", (), {"hypotheses": planes, "volume": torch.zeros(2, 64, 6, 8)})()
    focal = torch.tensor([256.0, 256.0])
    torch.testing.assert_close(
        head(features(), cross, focal).log_depth.exp().mean(), torch.tensor(3.0), rtol=0.02, atol=0
    )
    cross.volume[:, 40] = 60.0
    torch.testing.assert_close(
        head(features(), cross, focal).log_depth.exp(), planes[:, 40, None, None, None].expand(2, 1, 6, 8)
    )


def test_planes_that_disagree_raise_the_doubt():
    choice = PlaneChoice(8)
    choice.doubt.data.fill_(1.0)
    planes = torch.linspace(0.5, 8.0, 32).log()[None].expand(2, -1)
    prior = DepthPrior(torch.zeros(2, 1, 6, 8), torch.zeros(2, 1, 6, 8))
    scores = torch.zeros(2, 32, 6, 8)
    undecided = choice(scores, planes, features(), prior).log_scale
    scores[:, 7] = 9.0
    decided = choice(scores, planes, features(), prior).log_scale
    assert (decided < undecided - 1.0).all()
