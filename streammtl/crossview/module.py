"""The cross-view module: what the neighbours of a view say about it."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from streammtl.crossview.choices import MatchFeatures, SingleView
from streammtl.crossview.cost_volume import build_cost_volume
from streammtl.crossview.encoder_features import EncoderFeatures
from streammtl.crossview.fine_features import FineFeatures
from streammtl.crossview.hypotheses import depth_hypotheses
from streammtl.crossview.learned_upsampling import LearnedUpsampling
from streammtl.crossview.metadata import MetadataCostVolume, view_placement
from streammtl.crossview.multiview_transformer import MultiViewTransformer
from streammtl.crossview.neighbours import best_neighbours
from streammtl.crossview.settings import CrossViewSettings
from streammtl.crossview.spatial_encoder import STRIDE, SpatialEncoder
from streammtl.crossview.view_memory import ViewMemory
from streammtl.crossview.warp import sweep_geometry
from streammtl.encoders.pyramid import Encoder
from streammtl.errors import ConfigError
from streammtl.views import ViewBatch


@dataclass(frozen=True)
class CrossView:
    """Of the reference views. Shapes: features [B,C,h,w] on the 1/8 grid; hypotheses [B,L] metres; on the volume's own
    grid, 1/8 or 1/4: volume [B,L,v,w]; valid bool [B,L,v,w]: some neighbour sees that point; entropy [B,1,v,w] in [0,1]
    of the volume over depth.

    What the settings leave out has no channels: C = 0 without features; volume and valid L = 0 without a volume, and
    entropy is 1. `upsampled` [B,C+L,f h,f w]: features and volume by learned upsampling, where the module has it."""

    features: Tensor
    volume: Tensor
    hypotheses: Tensor
    valid: Tensor
    entropy: Tensor
    upsampled: Tensor | None = None

    @property
    def joined(self) -> Tensor:
        """Features and volume [B,C+L,h,w] on the 1/8 grid, to which a finer volume is averaged."""
        size = self.features.shape[-2:]
        same = self.volume.shape[-2:] == size
        return torch.cat((self.features, self.volume if same else F.adaptive_avg_pool2d(self.volume, size)), 1)

    def of_references(self, views: int) -> CrossView:
        """The first of every `views` samples: of B·V views, views running faster, the references."""
        maps = {f.name: getattr(self, f.name) for f in fields(self)}
        return CrossView(**{name: None if tensor is None else tensor[::views] for name, tensor in maps.items()})


class CrossViewModule(nn.Module):
    """ViewBatch to CrossView: spatial encoder, multi-view transformer, plane-sweep cost volume.

    Each reference is compared with its best neighbours. Where no neighbour sees a point the volume holds a learned
    "no match" score instead of a correlation, so a single image gives a constant and not a false certainty.
    `encoder`: the network's own, which match features other than `own` are read from; it stays the caller's.

    Source: cross-view MTL (arXiv 2511.20646), section 3.2. Departures: depth limits in metres, half-pixel correct
    intrinsics, masked averages, neighbours by parallax, a volume of the reference views only.
    Raises: ConfigError for match features without an encoder that has them.
    """

    def __init__(self, settings: CrossViewSettings, encoder: Encoder | None = None) -> None:
        super().__init__()
        self.settings = settings
        if settings.match_features is MatchFeatures.OWN:
            self.encoder = SpatialEncoder(settings.channels, settings.encoder_widths)
        elif encoder is None:
            raise ConfigError(f"match_features={settings.match_features} needs the network's encoder; use own.")
        else:
            self.encoder = EncoderFeatures(encoder, settings.match_features, settings.channels)
        self.memory: ViewMemory | None = None  # for whoever predicts with weights that stay
        self.transformer = MultiViewTransformer(settings.channels, settings.layers)
        fine = settings.cost_volume and settings.volume_stride < STRIDE
        self.fine = (
            FineFeatures(settings.channels, settings.encoder_widths[1], settings.fine_channels) if fine else None
        )
        if settings.cost_volume:
            self.no_match = nn.Parameter(torch.zeros(settings.num_planes))
            self.metadata = MetadataCostVolume() if settings.plane_metadata else None
        if settings.upsampling > 1 and settings.cross_view_features:
            self.upsample_features = LearnedUpsampling(settings.channels, settings.upsampling)
        if settings.upsampling > 1 and settings.cost_volume:
            self.upsample_volume = LearnedUpsampling(settings.num_planes, settings.upsampling)

    def forward(self, batch: ViewBatch, encoder: Encoder | None = None, every_view: bool = False) -> CrossView:
        """`encoder` must be given where match features are read from it.

        `every_view`: each view of a sample is a reference in turn, as for a loss on all views: all shapes then have
        B·V samples, views running faster.
        """
        batch = with_known_cameras(batch)
        hypotheses = depth_hypotheses(batch.near_m, batch.far_m, self.settings.num_planes, str(self.settings.spacing))
        features, matched, neighbours, valid = self.view_features(batch, encoder)
        references = range(batch.view_mask.shape[1]) if every_view else range(1)
        swept = [self.volume(batch, matched, neighbours, valid, hypotheses, view) for view in references]
        volume, seen = (samples_of_views(maps) for maps in zip(*swept, strict=True))
        reference = features[:, : len(references)].flatten(0, 1)
        entropy = normalised_entropy(volume) if self.settings.cost_volume else torch.ones_like(reference[:, :1])
        given = reference if self.settings.cross_view_features else reference[:, :0]
        planes = hypotheses.repeat_interleave(len(references), 0)
        return CrossView(given, volume, planes, seen, entropy, self.upsampled(given, volume))

    def view_features(self, batch: ViewBatch, encoder: Encoder | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Features of all views: [B,V,C,h,w] at 1/8, and those that the volume is made of, finer ones or the same;
        their neighbours [B,V,k] and which of those are valid [B,V,k]."""
        mask = batch.view_mask
        images = torch.where(mask[..., None, None, None], batch.images, 0.0).flatten(0, 1)
        detail = None
        if not isinstance(self.encoder, SpatialEncoder):
            features = self.encoder(encoder, images)
        elif self.memory is None or images.device.type != "cpu" or torch.compiler.is_compiling():
            features, detail = self.encoder(images)
        else:
            features, detail = self.memory(self.encoder, images)
        count = max(1, min(self.settings.num_neighbours, mask.shape[1] - 1))
        neighbours, valid = best_neighbours(batch.T_world_cam, mask, count, self.settings.neighbour_rule)
        if self.settings.single_view is SingleView.DUPLICATE:
            neighbours, valid = itself_for_lonely_views(neighbours, valid)
        features = self.transformer(features.unflatten(0, mask.shape), neighbours, valid)
        if self.fine is None:
            return features, features, neighbours, valid
        matched = self.fine(features.flatten(0, 1), detail).unflatten(0, mask.shape)
        return features, matched, neighbours, valid

    def volume(
        self, batch: ViewBatch, features: Tensor, neighbours: Tensor, valid: Tensor, hypotheses: Tensor, view: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Scores [B,L,h,w] of a view of every sample against its neighbours, and where some neighbour sees them; L = 0
        without a cost volume."""
        if not self.settings.cost_volume:
            empty = features[:, view, :0]
            return empty, empty.bool()
        size = tuple(features.shape[-2:])
        chosen = neighbours[:, view]
        geometry = sweep_geometry(batch, size, chosen, valid[:, view], view)
        rows = torch.arange(chosen.shape[0], device=chosen.device)[:, None]
        sweep = (features[:, view], features[rows, chosen], geometry, hypotheses)
        if self.metadata is None:
            built = build_cost_volume(*sweep)
        else:
            built = self.metadata(*sweep, view_placement(batch, size, chosen, geometry.mask, hypotheses, view))
        return torch.where(built.valid, built.scores, self.no_match.view(1, -1, 1, 1)), built.valid

    def upsampled(self, features: Tensor, volume: Tensor) -> Tensor | None:
        """Features and volume [B,C+L,f h,f w], each by its own learned upsampling; None without any."""
        if self.settings.upsampling == 1:
            return None
        maps = []
        if self.settings.cross_view_features:
            maps.append(self.upsample_features(features))
        if self.settings.cost_volume:
            maps.append(self.upsample_volume(volume))
        return torch.cat(maps, 1)


def samples_of_views(maps: tuple[Tensor, ...]) -> Tensor:
    """Maps [B,...] of V views as [B·V,...], views running faster."""
    return maps[0] if len(maps) == 1 else torch.stack(maps, 1).flatten(0, 1)


def with_known_cameras(batch: ViewBatch) -> ViewBatch:
    """The batch with view 0's camera for views that are not there, whose own may be anything."""
    there = batch.view_mask[..., None, None]
    return replace(
        batch,
        K=torch.where(there, batch.K, batch.K[:, :1]),
        T_world_cam=torch.where(there, batch.T_world_cam, batch.T_world_cam[:, :1]),
    )


def itself_for_lonely_views(neighbours: Tensor, valid: Tensor) -> tuple[Tensor, Tensor]:
    """Neighbours [B,V,k] and validity [B,V,k] with the view itself as the only neighbour of a view without any."""
    lonely = ~valid.any(-1)
    itself = torch.arange(neighbours.shape[1], device=neighbours.device).expand_as(lonely)
    neighbours, valid = neighbours.clone(), valid.clone()
    neighbours[..., 0] = torch.where(lonely, itself, neighbours[..., 0])
    valid[..., 0] |= lonely
    return neighbours, valid


def normalised_entropy(scores: Tensor) -> Tensor:
    """Entropy [B,1,h,w] of softmax(scores) over the planes [B,L,h,w], as a fraction of the largest possible."""
    log_probability = torch.log_softmax(scores, 1)
    entropy = -(log_probability.exp() * log_probability).sum(1, keepdim=True)
    return entropy / torch.log(torch.tensor(float(scores.shape[1]), device=scores.device))
