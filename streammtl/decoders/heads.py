"""Heads: from a task's features to its raw outputs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streammtl.crossview.module import CrossView
from streammtl.decoders.depth_prior import DepthPrior, DepthPriorHead, usual_log_depth
from streammtl.decoders.pyramid_decoder import conv_norm, resized

NARROWEST = 1e-2  # spread of log depth over the planes, below which they agree


class DenseHead(nn.Module):
    """Raw outputs [B,channels,h,w] by one linear map per pixel, which begins near `start` where that is given."""

    def __init__(self, width: int, channels: int, start: tuple[float, ...] = ()) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, channels, 1)
        if start:
            with torch.no_grad():
                self.linear.bias.copy_(torch.tensor(start))

    def forward(self, features: Tensor) -> Tensor:
        return self.linear(features)


@dataclass(frozen=True)
class HeadDepth:
    """Log depth (metres) and the log of its Laplace scale, both [B,1,h,w]; what the view alone says, where asked."""

    log_depth: Tensor
    log_scale: Tensor
    prior: DepthPrior | None = None


class PlaneChoice(nn.Module):
    """Scores of planes [B,L,h,w] to HeadDepth on the grid of the features [B,width,H',W'].

    Depth is the mean log hypothesis under the scores, and a per-pixel residual, which adds edges and leaves the
    near-far range where it must. The scale says how far log depth may be off: planes that disagree raise it.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.residual = nn.Conv2d(width, 2, 1)
        self.doubt = nn.Parameter(torch.zeros(()))
        nn.init.zeros_(self.residual.weight)
        nn.init.zeros_(self.residual.bias)

    def forward(self, scores: Tensor, log_planes: Tensor, features: Tensor, prior: DepthPrior) -> HeadDepth:
        probability = torch.softmax(scores.float(), 1)
        planes = log_planes[:, :, None, None]
        mean = (probability * planes).sum(1, True)  # not by einsum: autocast would round depth to some 0.4 %
        variance = (probability * (planes - mean).square()).sum(1, True)
        spread = variance.clamp(min=NARROWEST**2).log() / 2
        size = features.shape[-2:]
        residual, log_scale = self.residual(features).chunk(2, 1)
        return HeadDepth(resized(mean, size) + residual, log_scale + self.doubt * resized(spread, size), prior)


class PlaneDepthHead(nn.Module):
    """Depth out of a volume coarser than the decoder's features: a small network reads the volume and the matching
    features, and what the view alone says has its vote."""

    def __init__(self, width: int, num_planes: int, cross_channels: int) -> None:
        super().__init__()
        self.planes = nn.Sequential(
            conv_norm(cross_channels + num_planes, width), conv_norm(width, width), nn.Conv2d(width, num_planes, 1)
        )
        self.prior = DepthPriorHead(width)
        self.choice = PlaneChoice(width)

    def forward(self, features: Tensor, cross_view: CrossView, focal_px: Tensor) -> HeadDepth:
        prior = self.prior(features, focal_px)
        size = cross_view.volume.shape[-2:]
        coarse = DepthPrior(resized(prior.log_depth, size), resized(prior.log_spread, size))
        log_planes = cross_view.hypotheses.log()
        scores = self.planes(cross_view.joined) + cross_view.volume + coarse.of_planes(log_planes)
        return self.choice(scores, log_planes, features, prior)


class FinePlaneDepthHead(nn.Module):
    """Depth out of a volume as fine as the decoder's features, at 1/4: those choose between its planes."""

    def __init__(self, width: int, num_planes: int) -> None:
        super().__init__()
        self.planes = nn.Sequential(conv_norm(width + num_planes, width), nn.Conv2d(width, num_planes, 1))
        self.prior = DepthPriorHead(width)
        self.choice = PlaneChoice(width)

    def forward(self, features: Tensor, cross_view: CrossView, focal_px: Tensor) -> HeadDepth:
        prior = self.prior(features, focal_px)
        log_planes = cross_view.hypotheses.log()
        scores = self.planes(torch.cat((features, cross_view.volume), 1)) + cross_view.volume
        return self.choice(scores + prior.of_planes(log_planes), log_planes, features, prior)


class LinearDepthHead(nn.Module):
    """Depth by one linear map per pixel, as the paper's heads, per focal length."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Conv2d(width, 2, 1)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)

    def forward(self, features: Tensor, cross_view: CrossView | None, focal_px: Tensor) -> HeadDepth:
        log_depth, log_scale = self.linear(features).chunk(2, 1)
        return HeadDepth(log_depth + usual_log_depth(focal_px), log_scale)
