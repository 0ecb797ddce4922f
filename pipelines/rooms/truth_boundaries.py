"""Boundaries: where depth jumps, a surface creases, or a class ends; two pixels wide, one on either side."""

from __future__ import annotations

import math

import torch


def depth_jumps(depth_m: torch.Tensor, step: float) -> torch.Tensor:
    """bool [H,W]: pixels of f32 [H,W] next to a jump of depth by more than `step` of it.

    Inverse depth is linear in pixels along any plane, so its second difference shows jumps and not slopes. Around a
    jump it is as large as the jump on either side; a plane that ends shows the same, which is why both sides count.
    """
    inverse = torch.where(depth_m > 0, 1.0 / depth_m.clamp_min(1e-3), 0.0)
    result = torch.zeros_like(depth_m, dtype=torch.bool)
    for dim in (0, 1):
        size = depth_m.shape[dim]
        before, here, after = (inverse.narrow(dim, start, size - 2) for start in range(3))
        jump = (before + after - 2.0 * here).abs() > step * torch.maximum(torch.maximum(before, after), here)
        result.narrow(dim, 1, size - 2).logical_or_(jump)
    return result


def creases(normals: torch.Tensor, angle_deg: float) -> torch.Tensor:
    """bool [H,W]: pixels whose neighbour's unit normal of f32 [3,H,W] differs by more than the angle."""
    limit = math.cos(math.radians(angle_deg))
    return _either_side(
        (normals[:, 1:] * normals[:, :-1]).sum(0) < limit, (normals[:, :, 1:] * normals[:, :, :-1]).sum(0) < limit
    )


def changes(ids: torch.Tensor) -> torch.Tensor:
    """bool [H,W]: pixels whose neighbour has another id."""
    return _either_side(ids[1:] != ids[:-1], ids[:, 1:] != ids[:, :-1])


def boundaries(
    depth_m: torch.Tensor, shading_normals: torch.Tensor, labels: torch.Tensor, depth_step: float, crease_deg: float
) -> torch.Tensor:
    """u8 [H,W] 1 on boundaries of any kind. Creases are looked for in smooth normals, so that the facets of a curved
    surface are none."""
    found = depth_jumps(depth_m, depth_step) | creases(shading_normals, crease_deg) | changes(labels)
    return found.to(torch.uint8)


def _either_side(down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """Marks both pixels of vertical pairs [H-1,W] and horizontal pairs [H,W-1]."""
    result = torch.zeros((right.shape[0], down.shape[1]), dtype=torch.bool)
    result[1:] |= down
    result[:-1] |= down
    result[:, 1:] |= right
    result[:, :-1] |= right
    return result
