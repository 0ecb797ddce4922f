"""Scores of a plane sweep in one kernel on CUDA: nothing but features and scores ever lies in memory.

Imported only where it is used, since Triton comes with the CUDA builds of PyTorch alone.
"""

from __future__ import annotations

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor

from streammtl.crossview.correlation import Landing, all_pairs_scores
from streammtl.crossview.warp import MIN_DEPTH_RATIO, SweepGeometry

BLOCK_PIXELS, BLOCK_PLANES, BLOCK_CHANNELS = 8, 8, 64


@triton.jit
def sweep_kernel(
    reference,  # [B,h*w,C]
    source,  # [B,h*w,C]
    direction,  # f32 [B,3,h*w]
    offset,  # f32 [B,3]
    inverse_depths,  # f32 [B,L]
    scores,  # f32 [B,L,h*w]
    planes,
    height,
    width,
    channels,
    nearest,
    PIXELS: tl.constexpr,
    PLANES: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """One program: some pixels of one sample at some planes."""
    count = height * width
    sample = tl.program_id(2)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    plane = tl.program_id(1) * PLANES + tl.arange(0, PLANES)
    here, swept = pixel < count, plane < planes
    ray = direction + sample * 3 * count + pixel
    x = tl.load(ray, here, 0.0)[:, None]
    y = tl.load(ray + count, here, 0.0)[:, None]
    z = tl.load(ray + 2 * count, here, 1.0)[:, None]
    inverse = tl.load(inverse_depths + sample * planes + plane, swept, 1.0)[None, :]
    depth = tl.maximum(z + tl.load(offset + sample * 3 + 2) * inverse, nearest)
    # beyond the image everything is alike, and far beyond it numbers would not fit
    u = tl.minimum(tl.maximum((x + tl.load(offset + sample * 3) * inverse) / depth, -2.0), width + 1.0)
    v = tl.minimum(tl.maximum((y + tl.load(offset + sample * 3 + 1) * inverse) / depth, -2.0), height + 1.0)
    column, row = tl.floor(u).to(tl.int32), tl.floor(v).to(tl.int32)
    first = sample.to(tl.int64) * count
    total = tl.zeros((PIXELS, PLANES), tl.float32)
    for start in range(0, channels, CHANNELS):
        channel = start + tl.arange(0, CHANNELS)
        known = channel < channels
        at = (first + pixel)[:, None] * channels + channel[None, :]
        wanted = tl.load(reference + at, here[:, None] & known[None, :], 0.0).to(tl.float32)
        found = tl.zeros((PIXELS, PLANES, CHANNELS), tl.float32)
        for corner in tl.static_range(4):
            c, r = column + corner % 2, row + corner // 2
            inside = (c >= 0) & (c < width) & (r >= 0) & (r < height)
            weight = (1 - tl.abs(u - c)) * (1 - tl.abs(v - r))
            at = (first + r * width + c)[:, :, None] * channels + channel[None, None, :]
            vector = tl.load(source + at, inside[:, :, None] & known[None, None, :], 0.0).to(tl.float32)
            found += weight[:, :, None] * vector
        total += tl.sum(wanted[:, None, :] * found, 2)
    target = scores + (sample.to(tl.int64) * planes + plane)[None, :] * count + pixel[:, None]
    tl.store(target, total, here[:, None] & swept[None, :])


class _FusedSweep(torch.autograd.Function):
    """The kernel forwards; backwards all products once more, as `all_pairs_scores` has them."""

    @staticmethod
    def forward(
        ctx: Any, reference: Tensor, source: Tensor, rays: tuple, landing: Landing, budget_bytes: int
    ) -> Tensor:
        ctx.save_for_backward(reference, source)
        ctx.landing, ctx.budget_bytes = landing, budget_bytes
        return _launch(reference, source, *rays)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs = [tensor.detach().requires_grad_() for tensor in ctx.saved_tensors]
        with torch.enable_grad():
            scores = all_pairs_scores(*inputs, ctx.landing, ctx.budget_bytes)
        return (*torch.autograd.grad(scores, inputs, gradient), None, None, None)


def fused_scores(
    reference: Tensor,
    source: Tensor,
    geometry: SweepGeometry,
    index: int,
    inverse_depths: Tensor,
    landing: Landing,
    budget_bytes: int,
) -> Tensor:
    """Products <F_ref(p), F_src(p')> [B,L,h*w] f32; what points that are not visible get means nothing.

    Shapes: reference, source [B,C,h,w]; inverse_depths f32 [B,L]; landing and budget_bytes are for gradients alone.
    """
    rays = (geometry.direction[:, index].contiguous(), geometry.offset[:, index].contiguous(), inverse_depths)
    return _FusedSweep.apply(reference, source, rays, landing, budget_bytes)


def _launch(reference: Tensor, source: Tensor, direction: Tensor, offset: Tensor, inverse_depths: Tensor) -> Tensor:
    samples, channels, height, width = reference.shape
    planes = inverse_depths.shape[1]
    vectors = [maps.flatten(2).transpose(1, 2).contiguous() for maps in (reference, source)]
    scores = torch.empty(samples, planes, height * width, device=reference.device)
    grid = (triton.cdiv(height * width, BLOCK_PIXELS), triton.cdiv(planes, BLOCK_PLANES), samples)
    sweep_kernel[grid](
        *vectors,
        direction,
        offset,
        inverse_depths.contiguous(),
        scores,
        planes,
        height,
        width,
        channels,
        MIN_DEPTH_RATIO,
        PIXELS=BLOCK_PIXELS,
        PLANES=BLOCK_PLANES,
        CHANNELS=min(BLOCK_CHANNELS, triton.next_power_of_2(channels)),
    )
    return scores
