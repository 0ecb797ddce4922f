"""The multi-view multi-task network: encoder, cross-view module, decoder, heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from streammtl.crossview.module import CrossView, CrossViewModule
from streammtl.decoders.heads import DenseHead, LinearDepthHead, PlaneDepthHead
from streammtl.decoders.level_decoder import LevelDecoder
from streammtl.decoders.pyramid_decoder import PyramidDecoder, has_pyramid_strides, resized
from streammtl.encoders.pyramid import Encoder
from streammtl.models.network_settings import LITE, NetworkSettings
from streammtl.tasks.registry import task_spec
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class RawOutputs:
    """What losses take: raw head outputs at image size, before activation.

    Shapes: raw {task: [B,C,H,W]} (depth: log metres); log_depth_scale [B,1,H,W] log of the Laplace scale of log depth.
    cross_view is None for a network without cross-view module.
    """

    raw: dict[str, Tensor]
    log_depth_scale: Tensor
    cross_view: CrossView | None


class CrossViewMtl(nn.Module):
    """ViewBatch to RawOutputs of its reference views. `tasks` are registered names and contain "depth".

    The encoder sees the reference views; where matching features are read from it, all views.
    Exports: not by torch.export, since which views are there and where their points land decide what is computed.
    Source: cross-view MTL (arXiv 2511.20646), figure 2.
    Raises: ConfigError, ShapeError for settings that do not fit the encoder.
    """

    def __init__(self, encoder: Encoder, tasks: tuple[str, ...], settings: NetworkSettings = LITE) -> None:
        super().__init__()
        cross = settings.cross_view
        joined = cross.joined_channels
        self.encoder = encoder
        self.cross_view = CrossViewModule(cross, encoder) if cross.enabled else None
        pyramid = settings.decoder == "pyramid" or (settings.decoder is None and has_pyramid_strides(encoder.strides))
        decoder = PyramidDecoder if pyramid else LevelDecoder
        self.decoder = decoder(tasks, encoder.channels, encoder.strides, joined, settings.decoder_width)
        width = self.decoder.width
        if settings.depth_head == "planes" and cross.cost_volume:
            given = cross.channels * cross.cross_view_features
            self.depth_head: nn.Module = PlaneDepthHead(width, cross.num_planes, given)
        else:
            self.depth_head = LinearDepthHead(width)
        dense = {task: DenseHead(width, task_spec(task).channels) for task in tasks if task != "depth"}
        self.heads = nn.ModuleDict(dense)

    def forward(self, batch: ViewBatch, strides: Mapping[str, int] | None = None) -> RawOutputs:
        """`strides`: tasks whose outputs are wanted at that fraction of the image size, {"semantics": 2}."""
        size = tuple(batch.images.shape[-2:])
        cross_view = None if self.cross_view is None else self.cross_view(batch, self.encoder)
        features = self.decoder(self.encoder(batch.images[:, 0]), cross_view)
        log_depth, log_scale = self.depth_head(features["depth"], cross_view)
        raw = {"depth": resized(log_depth, size)}
        for task, head in self.heads.items():
            stride = (strides or {}).get(task, 1)
            raw[task] = resized(head(features[task]), (size[0] // stride, size[1] // stride))
        return RawOutputs(raw, resized(log_scale, size), cross_view)
