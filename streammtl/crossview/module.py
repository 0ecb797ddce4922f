"""The cross-view module: what the neighbours of a view say about it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streammtl.crossview.cost_volume import build_cost_volume
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.multiview_transformer import MultiViewTransformer
from streammtl.crossview.neighbours import best_neighbours
from streammtl.crossview.spatial_encoder import STRIDE, SpatialEncoder
from streammtl.crossview.warp import sweep_geometry
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class CrossView:
    """Of the reference views, on the 1/8 grid. Shapes: features [B,C,h,w]; volume [B,L,h,w]; hypotheses [B,L] metres;
    valid bool [B,L,h,w]: some neighbour sees that point; entropy [B,1,h,w] in [0,1] of the volume over depth."""

    features: Tensor
    volume: Tensor
    hypotheses: Tensor
    valid: Tensor
    entropy: Tensor


class CrossViewModule(nn.Module):
    """ViewBatch to CrossView: spatial encoder, multi-view transformer, plane-sweep cost volume.

    Each reference is compared with its best `num_neighbours` views. Where no neighbour sees a point the volume holds a
    learned "no match" score instead of a correlation, so a single image gives a constant and not a false certainty.

    Source: cross-view MTL (arXiv 2511.20646), section 3.2. Departures: depth limits in metres, half-pixel correct
    intrinsics, masked averages, neighbours by parallax.
    """

    def __init__(self, num_planes: int = 64, channels: int = 64, num_neighbours: int = 2) -> None:
        super().__init__()
        self.num_planes, self.channels, self.num_neighbours = num_planes, channels, num_neighbours
        self.encoder = SpatialEncoder(channels)
        self.transformer = MultiViewTransformer(channels)
        self.no_match = nn.Parameter(torch.zeros(num_planes))

    def forward(self, batch: ViewBatch) -> CrossView:
        height, width = batch.images.shape[-2:]
        size = (height // STRIDE, width // STRIDE)
        mask = batch.view_mask
        images = torch.where(mask[..., None, None, None], batch.images, 0.0)
        features = self.encoder(images.flatten(0, 1)).unflatten(0, mask.shape)
        neighbours, neighbour_valid = best_neighbours(batch.T_world_cam, mask, self.num_neighbours)
        features = self.transformer(features, neighbours, neighbour_valid)

        chosen = neighbours[:, 0]
        geometry = sweep_geometry(batch, size, chosen, neighbour_valid[:, 0])
        hypotheses = depth_hypotheses(batch.near_m, batch.far_m, self.num_planes)
        rows = torch.arange(mask.shape[0], device=mask.device)[:, None]
        built = build_cost_volume(features[:, 0], features[rows, chosen], geometry, hypotheses)
        volume = torch.where(built.valid, built.scores, self.no_match.view(1, -1, 1, 1))
        return CrossView(features[:, 0], volume, hypotheses, built.valid, normalised_entropy(volume))


def normalised_entropy(scores: Tensor) -> Tensor:
    """Entropy [B,1,h,w] of softmax(scores) over the planes [B,L,h,w], as a fraction of the largest possible."""
    log_probability = torch.log_softmax(scores, 1)
    entropy = -(log_probability.exp() * log_probability).sum(1, keepdim=True)
    return entropy / torch.log(torch.tensor(float(scores.shape[1]), device=scores.device))
