"""Where reference pixels land in source views at hypothesised depths (backward warping)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from streammtl.geometry import pixel_grid, relative_pose, resize_intrinsics
from streammtl.views import ViewBatch

MIN_DEPTH_RATIO = 1e-3  # of the hypothesised depth: nearer to the source camera's plane than this counts as behind it


@dataclass(frozen=True)
class SweepGeometry:
    """Projection of reference pixels into every source view as a function of depth.

    A pixel p at reference depth d lands at the homogeneous point d * direction(p) + offset, with
    direction = K_s R_sr K_r^-1 p and offset = K_s t_sr, so one multiply-add per plane is all there is to compute.

    Shapes: direction [B,S,3,h*w] f32; offset [B,S,3] f32; mask [B,S] bool, False for padded views.
    """

    direction: Tensor
    offset: Tensor
    mask: Tensor
    height: int
    width: int

    @property
    def num_sources(self) -> int:
        return self.mask.shape[1]

    def project(self, depth: Tensor, source: int) -> tuple[Tensor, Tensor, Tensor]:
        """Pixel coordinates u, v and visibility, each [B,...,h*w], of all reference pixels at `depth` in one source
        view.

        depth: anything that broadcasts against [B,...,h*w], e.g. [B,L,1] for planes or [B,1,h*w] for a depth map.
        Points behind the source camera or outside its image are not visible; their u, v are meaningless but finite.
        """
        extra = depth.ndim - 2
        shape = (self.mask.shape[0], *([1] * extra), -1)
        a = [self.direction[:, source, i].reshape(shape) for i in range(3)]
        b = [self.offset[:, source, i].reshape(shape) for i in range(3)]
        z = torch.addcmul(b[2], depth, a[2])
        in_front = z > MIN_DEPTH_RATIO * depth
        inverse_z = torch.where(in_front, z, 1.0).reciprocal()
        u = torch.addcmul(b[0], depth, a[0]) * inverse_z
        v = torch.addcmul(b[1], depth, a[1]) * inverse_z
        inside = (u >= 0) & (u <= self.width - 1) & (v >= 0) & (v <= self.height - 1)
        return u, v, in_front & inside & self.mask[:, source].reshape(shape)

    def visible_range(self, source: int) -> tuple[Tensor, Tensor]:
        """Inverse depths low, high [B,h*w] between which a reference pixel's ray is visible in one source view; low
        exceeds high where it never is.

        In front of the camera and inside its image are five half-spaces, and a line meets those in one stretch.
        """

        def sides(of: Tensor) -> Tensor:  # [B,3,...] to what must not be negative, [B,5,...]
            x, y, z = of.unbind(1)
            return torch.stack((x, (self.width - 1) * z - x, y, (self.height - 1) * z - y, z), 1)

        start, slope = sides(self.direction[:, source]), sides(self.offset[:, source, :, None])
        start[:, 4] -= MIN_DEPTH_RATIO
        crossing = -start / slope
        never = (slope == 0) & (start < 0)
        low = torch.where(slope > 0, crossing, torch.where(never, torch.inf, -torch.inf)).amax(1)
        high = torch.where(slope < 0, crossing, torch.inf).amin(1)
        return torch.where(self.mask[:, source, None], low, torch.inf), high

    def single(self, sample: int) -> SweepGeometry:
        """The geometry of one sample of the batch, without its padded views."""
        keep = self.mask[sample]
        rows = slice(sample, sample + 1)
        return SweepGeometry(
            self.direction[rows][:, keep], self.offset[rows][:, keep], self.mask[rows][:, keep], self.height, self.width
        )


def sweep_geometry(
    batch: ViewBatch,
    size: tuple[int, int],
    views: Tensor | None = None,
    valid: Tensor | None = None,
    reference: int = 0,
) -> SweepGeometry:
    """Geometry between one view of a batch and its neighbours, on a feature grid of `size` (height, width).

    views: i64 [B,S] which views are the sources, None for all but the first; valid: bool [B,S] further limits them.
    Each view is projected with its own K. Padded views may hold anything, NaN included, unless they are the reference.
    """
    own = slice(reference, reference + 1)
    if views is None:
        count = batch.images.shape[1]
        views = torch.arange(1, count, device=batch.K.device).expand(batch.images.shape[0], count - 1)
    rows = torch.arange(views.shape[0], device=views.device)[:, None]
    K = resize_intrinsics(batch.K.double(), tuple(batch.images.shape[-2:]), size)
    mask = batch.view_mask[rows, views]
    mask = mask if valid is None else mask & valid
    K_source = torch.where(mask[..., None, None], K[rows, views], K[:, own])
    T_world_source = torch.where(mask[..., None, None], batch.T_world_cam[rows, views], batch.T_world_cam[:, own])
    T_source_reference = relative_pose(T_world_source, batch.T_world_cam[:, own])
    rays = torch.linalg.inv(K[:, own]) @ pixel_grid(*size, device=K.device, dtype=torch.float64)
    direction = (K_source @ T_source_reference[..., :3, :3]) @ rays
    offset = (K_source @ T_source_reference[..., :3, 3:]).squeeze(-1)
    return SweepGeometry(direction.float(), offset.float(), mask, *size)
