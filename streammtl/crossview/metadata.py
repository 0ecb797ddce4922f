"""Cost volumes that weigh views by more than their matching score: viewing angle, distance, depth."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from streammtl.crossview.cost_volume import CostVolume, view_scores
from streammtl.crossview.warp import SweepGeometry
from streammtl.geometry import pixel_grid, relative_pose, resize_intrinsics
from streammtl.views import ViewBatch

CLUES = 7
SMALLEST = 1e-6


class MetadataCostVolume(nn.Module):
    """Cost volume with a small network that sees, for every point and view, how the view sees it.

    Per view it gives a weight and a correction of the score; views that see the point are averaged with those weights.
    Starts as the plain mean. Any number and order of views; views that do not see a point do not count.
    Source: SimpleRecon (arXiv 2208.14743), section 3.2. Departures: one network for all views instead of one over a
    fixed list of them, no feature vectors among its inputs, and the matching score stays in the sum.
    """

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.network = nn.Sequential(
            nn.Linear(CLUES, width), nn.GELU(), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 2)
        )
        nn.init.zeros_(self.network[-1].weight)
        nn.init.zeros_(self.network[-1].bias)

    def forward(
        self, reference: Tensor, sources: Tensor, geometry: SweepGeometry, hypotheses: Tensor, placement: Tensor
    ) -> CostVolume:
        """As build_cost_volume. placement [B,S,L,h,w,5]: `view_placement` of the same views and hypotheses."""
        scores, visible = _scores_of_views(reference, sources, geometry, hypotheses)
        views = visible.float().sum(1)
        present = geometry.mask.sum(1).clamp(min=1).view(-1, 1, 1, 1, 1)
        share = (views[:, None] / present).expand_as(scores)
        clues = torch.cat((torch.stack((scores, share), -1), placement), -1)
        weight, correction = self.network(clues).unbind(-1)
        # softmax over nothing is NaN: where no view sees the point, all take part and none counts
        taking_part = visible | (views == 0)[:, None]
        weight = torch.where(taking_part, weight, -torch.inf).softmax(1)
        return CostVolume(torch.where(visible, weight * (scores + correction), 0.0).sum(1), views)


def _scores_of_views(
    reference: Tensor, sources: Tensor, geometry: SweepGeometry, hypotheses: Tensor
) -> tuple[Tensor, Tensor]:
    """Scores [B,S,L,h,w] and visibility of every view on its own."""
    present = torch.where(geometry.mask[..., None, None, None], sources, 0.0)
    views = [view_scores(reference, present[:, s], geometry, s, hypotheses) for s in range(geometry.num_sources)]
    scores, visible = (torch.stack(maps, 1) for maps in zip(*views, strict=True))
    return scores * reference.shape[1] ** -0.5, visible


def view_placement(
    batch: ViewBatch, size: tuple[int, int], views: Tensor, valid: Tensor, hypotheses: Tensor, reference: int = 0
) -> Tensor:
    """How each view is placed towards each point of a sweep: [B,S,L,h,w,5] f32 of

    the angle between the rays of both views (radians), log of the depth in the source view by that in the reference,
    the distance of the centres by the depth, the rotation 2 (1 - tr(R) / 3) between the views, and log depth.

    Shapes: views i64 [B,S] which views are the sources, valid bool [B,S]; hypotheses [B,L]. Zeros where not valid.
    """
    rows = torch.arange(views.shape[0], device=views.device)[:, None]
    T_world_reference = batch.T_world_cam[:, reference, None]
    poses = torch.where(valid[..., None, None], batch.T_world_cam[rows, views], T_world_reference)
    T_reference_source = relative_pose(T_world_reference, poses)
    K = resize_intrinsics(batch.K[:, reference].double(), tuple(batch.images.shape[-2:]), size)
    rays = torch.linalg.inv(K) @ pixel_grid(*size, device=K.device, dtype=torch.float64)  # [B,3,hw]
    depths = hypotheses[:, None, :, None].float()  # [B,1,L,1]
    rays, centre = rays.float(), T_reference_source[..., :3, 3].float()  # [B,3,hw], [B,S,3]
    points = rays[:, None, None] * depths[..., None, :]  # [B,1,L,3,hw]
    towards = points - centre[:, :, None, :, None]  # [B,S,L,3,hw]
    across = torch.linalg.cross(points.expand_as(towards), towards, dim=3).norm(dim=3)
    angle = torch.atan2(across, (points * towards).sum(3))
    axis = T_reference_source[..., :3, 2].float()  # of the source camera, in the reference
    ahead = torch.einsum("bslcp,bsc->bslp", towards, axis) / depths
    trace = T_reference_source[..., :3, :3].diagonal(dim1=-2, dim2=-1).sum(-1).float()
    rotation = (2.0 * (1.0 - trace / 3.0)).clamp(min=0.0)[..., None, None]
    distance = centre.norm(dim=-1)[..., None, None] / depths
    clues = (angle, ahead.clamp(min=SMALLEST).log(), distance, rotation, depths.log())
    placed = torch.stack([clue.expand_as(angle) for clue in clues], -1)  # [B,S,L,hw,5]
    return torch.where(valid[..., None, None, None], placed, 0.0).unflatten(3, size)
