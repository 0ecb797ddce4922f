"""Enlargement in training is PyTorch's, values and gradients."""

import pytest
import torch
import torch.nn.functional as F

from streammtl.decoders.bilinear import enlarged


@pytest.mark.parametrize("factor", [0.5, 2.0, 3.5, 4.0])
def test_enlargement_in_bfloat16_is_that_of_pytorch_with_its_gradient(factor):
    generator = torch.Generator().manual_seed(0)
    exact = torch.randn(2, 3, 6, 8, generator=generator).to(torch.bfloat16).float().requires_grad_()
    rounded = exact.detach().to(torch.bfloat16).requires_grad_()
    wanted = F.interpolate(exact, scale_factor=factor, mode="bilinear", align_corners=False)
    found = enlarged(rounded, factor)
    torch.testing.assert_close(found.float(), wanted, atol=0.03, rtol=0.02)
    weight = torch.randn(wanted.shape, generator=generator)
    (wanted * weight).sum().backward()
    (found.float() * weight).sum().backward()
    torch.testing.assert_close(rounded.grad.float(), exact.grad, atol=0.1, rtol=0.02)


def test_whole_numbers_and_float32_stay_exact():
    x = torch.arange(12.0).view(1, 1, 3, 4).requires_grad_()
    assert torch.equal(enlarged(x, 2.0), F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False))
    constant = torch.full((1, 2, 5, 7), 3.0, dtype=torch.bfloat16).requires_grad_()
    assert (enlarged(constant, 4.0) == 3).all()
