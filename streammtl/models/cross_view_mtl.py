"""The multi-view multi-task network: encoder, cross-view module, decoder, heads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from streammtl.crossview.module import CrossView, CrossViewModule, with_known_cameras
from streammtl.decoders.depth_prior import focal_lengths
from streammtl.decoders.frame_motion import FrameMotion, MotionHead
from streammtl.decoders.fusion_decoder import FusionDecoder, HeadDoubling
from streammtl.decoders.heads import DenseHead, FinePlaneDepthHead, LinearDepthHead, PlaneDepthHead
from streammtl.decoders.level_decoder import LevelDecoder
from streammtl.decoders.pyramid_decoder import OUT_STRIDE, PyramidDecoder, has_pyramid_strides, resized
from streammtl.encoders.pyramid import Encoder, FeaturePyramid
from streammtl.encoders.task_routers import TaskRouters
from streammtl.errors import ConfigError
from streammtl.mixers.registry import build_mixer
from streammtl.models.network_settings import LITE, NetworkSettings
from streammtl.tasks.registry import task_spec
from streammtl.tasks.spec import TaskSpec
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class RawOutputs:
    """What losses take: raw head outputs at image size, before activation, of B references.

    Shapes: raw {task: [B,C,H,W]} (depth: log metres); log_depth_scale [B,1,H,W] log of the Laplace scale of log depth.
    cross_view is None for a network without cross-view module; prior_log_depth [B,1,H,W], what the views alone say, for
    one whose depth does not come from planes.
    """

    raw: dict[str, Tensor]
    log_depth_scale: Tensor
    cross_view: CrossView | None
    prior_log_depth: Tensor | None = None


class CrossViewMtl(nn.Module):
    """ViewBatch to RawOutputs of its reference views. `tasks` are registered names and contain "depth".

    The encoder sees the reference views; where matching features are read from it, all views; where a task is about two
    frames, the frame after the reference too (or the reference again, for want of it).
    Exports: `export_program` in streammtl.models.export.
    Source: cross-view MTL (arXiv 2511.20646), figure 2.
    Raises: ConfigError, ShapeError for settings that do not fit the encoder.
    """

    def __init__(self, encoder: Encoder, tasks: tuple[str, ...], settings: NetworkSettings = LITE) -> None:
        super().__init__()
        cross = settings.cross_view
        self.encoder = encoder
        self.cross_view = CrossViewModule(cross, encoder) if cross.enabled else None
        routed = (tasks, encoder.channels, encoder.strides, settings.adapter_paths)
        self.routers = TaskRouters(*routed) if settings.adapter_paths else None
        self.decoder = _build_decoder(encoder, tasks, settings)
        width = self.decoder.width
        context = encoder.channels[-1]
        mixes = settings.mixer != "none"
        self.mixer = build_mixer(settings.mixer, tasks, width, context, settings.mixing) if mixes else None
        from_planes = settings.depth_head == "planes" and cross.cost_volume
        doubled = [t for t in tasks if settings.head_stride < OUT_STRIDE and not (t == "depth" and from_planes)]
        self.doubling = nn.ModuleDict({task: HeadDoubling(width, settings.depthwise) for task in doubled})
        if from_planes:
            given = cross.channels * cross.cross_view_features
            self.depth_head: nn.Module = (
                FinePlaneDepthHead(width, cross.num_planes)
                if cross.volume_stride == OUT_STRIDE
                else PlaneDepthHead(width, cross.num_planes, given)
            )
        else:
            self.depth_head = LinearDepthHead(self._head_width("depth"))
        others = [task_spec(task) for task in tasks if task != "depth"]
        self.motion_tasks = tuple(spec.name for spec in others if spec.frames > 1)
        self.motion = FrameMotion(encoder.channels, encoder.strides) if self.motion_tasks else None
        self.heads = nn.ModuleDict({spec.name: self._head(spec) for spec in others})

    def forward(
        self,
        batch: ViewBatch,
        strides: Mapping[str, int] | None = None,
        every_view: bool = False,
        every_volume: bool = False,
    ) -> RawOutputs:
        """`strides`: tasks whose outputs are wanted at that fraction of the image size, {"semantics": 2}.

        `every_view`: outputs of all B·V views instead of the B references, views running faster, to be judged by the
        labels of `every_view_first(batch)`. `every_volume`: only cross_view is of all views, which costs little and
        gives a loss on matching more to go by.
        """
        size = tuple(batch.images.shape[-2:])
        every = every_view or every_volume
        matched = None if self.cross_view is None else self.cross_view(batch, self.encoder, every)
        only_some = every and not every_view and matched is not None
        cross_view = matched.of_references(batch.images.shape[1]) if only_some else matched
        pyramid = self.encoder(_references(batch, batch.images, every_view))
        features = self.decoder(pyramid if self.routers is None else self.routers(pyramid), cross_view)
        if self.mixer is not None:
            features = self.mixer(features, pyramid.levels[-1])
        features |= {task: double(features[task]) for task, double in self.doubling.items()}
        K = with_known_cameras(batch).K.flatten(0, 1) if every_view else batch.K[:, 0]
        depth = self.depth_head(features["depth"], cross_view, focal_lengths(K))
        raw = {"depth": resized(depth.log_depth, size)}
        moved = self._moved(pyramid, batch, every_view)
        for task, head in self.heads.items():
            stride = (strides or {}).get(task, 1)
            output = head(features[task], *moved) if task in self.motion_tasks else head(features[task])
            raw[task] = resized(output, (size[0] // stride, size[1] // stride))
        prior = None if depth.prior is None else resized(depth.prior.log_depth, size)
        return RawOutputs(raw, resized(depth.log_scale, size), matched, prior)

    def _head_width(self, task: str) -> int:
        return self.doubling[task].width if task in self.doubling else self.decoder.width

    def _head(self, spec: TaskSpec) -> nn.Module:
        width = self._head_width(spec.name)
        if spec.frames > 1:
            return MotionHead(width, spec.channels, self.motion.channels, spec.scales_with_image)
        return DenseHead(width, spec.channels, spec.start)

    def _moved(self, pyramid: FeaturePyramid, batch: ViewBatch, every_view: bool) -> tuple[Tensor, ...]:
        """Motion to the next frame, and features of both; nothing where no task asks for it."""
        if self.motion is None:
            return ()
        if batch.next_images is None:
            return self.motion(pyramid, pyramid)
        return self.motion(pyramid, self.encoder(_references(batch, batch.next_images, every_view)))


def _build_decoder(encoder: Encoder, tasks: tuple[str, ...], settings: NetworkSettings) -> nn.Module:
    given = (tasks, encoder.channels, encoder.strides, settings.cross_view.joined_channels, settings.decoder_width)
    if settings.decoder == "fusion" and not settings.adapter_paths:
        return FusionDecoder(*given, depthwise=settings.depthwise)
    pyramid = settings.decoder == "pyramid" or (settings.decoder is None and has_pyramid_strides(encoder.strides))
    if settings.adapter_paths and (pyramid or settings.decoder == "fusion"):
        raise ConfigError("model.adapter_paths give each task levels of its own; they need model.decoder=levels.")
    return PyramidDecoder(*given) if pyramid else LevelDecoder(*given)


def _references(batch: ViewBatch, images: Tensor, every_view: bool) -> Tensor:
    """Images [N,3,H,W] of the reference views, or of all; black where there is no view."""
    if not every_view:
        return images[:, 0]
    return torch.where(batch.view_mask[..., None, None, None], images, 0.0).flatten(0, 1)
