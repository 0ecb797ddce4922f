"""The multi-view multi-task network: encoder, cross-view module, decoder, heads."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from streammtl.crossview.module import CrossView, CrossViewModule
from streammtl.decoders.heads import DenseHead, PlaneDepthHead
from streammtl.decoders.pyramid_decoder import PyramidDecoder, resized
from streammtl.encoders.pyramid import Encoder
from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class RawOutputs:
    """What losses take: raw head outputs at image size, before activation.

    Shapes: raw {task: [B,C,H,W]} (depth: log metres); log_depth_scale [B,1,H,W] log of the Laplace scale of log depth.
    """

    raw: dict[str, Tensor]
    log_depth_scale: Tensor
    cross_view: CrossView


class CrossViewMtl(nn.Module):
    """ViewBatch to RawOutputs of its reference views. `tasks` are registered names and contain "depth".

    Source: cross-view MTL (arXiv 2511.20646), figure 2.
    """

    def __init__(
        self, encoder: Encoder, tasks: tuple[str, ...], num_planes: int = 64, cross_channels: int = 64, width: int = 96
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.cross_view = CrossViewModule(num_planes, cross_channels)
        joined = cross_channels + num_planes
        self.decoder = PyramidDecoder(tasks, encoder.channels, encoder.strides, joined, width)
        self.depth_head = PlaneDepthHead(width, num_planes, cross_channels)
        dense = {task: DenseHead(width, task_spec(task).channels) for task in tasks if task != "depth"}
        self.heads = nn.ModuleDict(dense)

    def forward(self, batch: ViewBatch) -> RawOutputs:
        size = batch.images.shape[-2:]
        cross_view = self.cross_view(batch)
        features = self.decoder(self.encoder(batch.images[:, 0]), cross_view)
        log_depth, log_scale = self.depth_head(features["depth"], cross_view)
        raw = {"depth": resized(log_depth, size)}
        raw.update({task: resized(head(features[task]), size) for task, head in self.heads.items()})
        return RawOutputs(raw, resized(log_scale, size), cross_view)
