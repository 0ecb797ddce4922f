"""Attention by plain products is the fused kernel's attention."""

import pytest
import torch

from streammtl.crossview.multiview_transformer import attend


@pytest.mark.parametrize("masked", [False, True])
def test_plain_products_and_the_fused_kernel_agree_with_gradients(masked):
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(3, 4, length, 16, generator=generator) for length in (20, 40, 40)]
    mask = torch.rand(3, 1, 20, 40, generator=generator) > 0.4 if masked else None
    exact = [x.clone().requires_grad_() for x in inputs]
    fast = [x.to(torch.bfloat16).requires_grad_() for x in inputs]
    wanted, found = attend(*exact, mask), attend(*fast, mask)
    assert (found.float() - wanted).abs().max() < 0.04
    if masked:
        assert not torch.allclose(wanted, attend(*exact, None), atol=0.1)
    wanted.square().sum().backward()
    found.float().square().sum().backward()
    for a, b in zip(exact, fast, strict=True):
        assert (a.grad - b.grad.float()).norm() < 0.03 * a.grad.norm()
