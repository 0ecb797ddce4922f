"""Attention by plain products is the fused kernel's attention."""

import pytest
import torch

from streammtl.crossview import multiview_transformer
from streammtl.crossview.multiview_transformer import attend

AT_ONCE, ONE_BY_ONE, TWO_BY_TWO = 10**9, 1, 2 * 2 * 4 * 20 * 40  # bytes of scores


@pytest.mark.parametrize("mask_shape", [None, (3, 1, 20, 40), (3, 1, 1, 40), (1, 4, 1, 40)])
@pytest.mark.parametrize("scores_bytes", [AT_ONCE, ONE_BY_ONE, TWO_BY_TWO])
def test_plain_products_and_the_fused_kernel_agree_with_gradients(monkeypatch, mask_shape, scores_bytes):
    monkeypatch.setattr(multiview_transformer, "SCORES_BYTES", scores_bytes)
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(3, 4, length, 16, generator=generator) for length in (20, 40, 40)]
    mask = None if mask_shape is None else torch.rand(mask_shape, generator=generator) > 0.4
    exact = [x.clone().requires_grad_() for x in inputs]
    fast = [x.to(torch.bfloat16).requires_grad_() for x in inputs]
    wanted, found = attend(*exact, mask), attend(*fast, mask)
    assert (found.float() - wanted).abs().max() < 0.04
    if mask is not None:
        assert not torch.allclose(wanted, attend(*exact, None), atol=0.1)
    wanted.square().sum().backward()
    found.float().square().sum().backward()
    for a, b in zip(exact, fast, strict=True):
        assert (a.grad - b.grad.float()).norm() < 0.03 * a.grad.norm()
