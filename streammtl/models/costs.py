"""Parameters and floating-point operations of a network, part by part, without running it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from streammtl.encoders.registry import build_encoder
from streammtl.errors import ConfigError
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.cvm import TASKS, CrossViewPredictor
from streammtl.models.predictor import Predictor
from streammtl.models.settings import ModelSettings
from streammtl.views import ViewBatch

SAMPLE_OPERATIONS = 7  # of one bilinear sample: four products, three sums


@dataclass(frozen=True)
class PartCost:
    """One part of a network. `flops` counts a product and a sum as two; elementwise work is not counted.

    `repeats_per_view`: done for the reference only, so that making every view a reference does it V times.
    """

    name: str
    parameters: int
    flops: int
    repeats_per_view: bool = False


@dataclass(frozen=True)
class NetworkCost:
    """All parts of a network for one sample of `views` views of size (height, width)."""

    model: str
    encoder: str
    size: tuple[int, int]
    views: int
    parts: tuple[PartCost, ...]

    @property
    def cross_view(self) -> tuple[PartCost, ...]:
        return tuple(part for part in self.parts if part.name.startswith("cross_view."))

    @property
    def cross_view_flops_every_view(self) -> int:
        """Operations of the cross-view module with every view a reference, as in training on all views."""
        return sum(part.flops * (self.views if part.repeats_per_view else 1) for part in self.cross_view)


def network_cost(model: type[Predictor], settings: ModelSettings, size: tuple[int, int], views: int) -> NetworkCost:
    """The cost of one prediction at batch size 1.

    Raises: ConfigError for a model without a network, or a size it does not take.
    """
    if not issubclass(model, CrossViewPredictor):
        raise ConfigError(f"model {model.name} has no network, so it has no parameters to count; ask for cvm-lite.")
    if size[0] % model.size_multiple or size[1] % model.size_multiple or min(size) <= 0:
        raise ConfigError(f"size {size[0]}x{size[1]} does not fit; use multiples of {model.size_multiple}.")
    chosen = model.network_settings.changed_by(settings)
    with torch.device("meta"):
        network = CrossViewMtl(build_encoder(chosen.encoder, False, chosen.encoder_levels), TASKS, chosen).eval()
    counter = FlopCounterMode(display=False, custom_mapping={torch.ops.aten.grid_sampler_2d: _sampling_flops})
    with torch.no_grad(), counter:
        network(meta_batch(size, views))
    return NetworkCost(model.name, chosen.encoder, size, views, tuple(_parts(network, counter)))


def meta_batch(size: tuple[int, int], views: int) -> ViewBatch:
    """A ViewBatch of one sample that has shapes and no values."""
    with torch.device("meta"):
        return ViewBatch(
            images=torch.empty(1, views, 3, *size),
            K=torch.empty(1, views, 3, 3),
            T_world_cam=torch.empty(1, views, 4, 4, dtype=torch.float64),
            view_mask=torch.empty(1, views, dtype=torch.bool),
            near_m=torch.empty(1),
            far_m=torch.empty(1),
        )


def _parts(network: CrossViewMtl, counter: FlopCounterMode) -> list[PartCost]:
    flops = {name.partition(".")[2]: sum(ops.values()) for name, ops in counter.get_flop_counts().items()}
    modules = dict(network.named_modules())

    def part(label: str, *paths: str, repeats: bool = False) -> PartCost:
        parameters = sum(p.numel() for path in paths if path in modules for p in modules[path].parameters())
        return PartCost(label, parameters, sum(flops.get(path, 0) for path in paths), repeats)

    whole = part("cross_view", "cross_view")
    inside = []
    if network.cross_view is not None:
        inside = [
            part("cross_view.spatial_encoder", "cross_view.encoder"),
            part("cross_view.transformer", "cross_view.transformer"),
            part("cross_view.upsampling", "cross_view.upsample_features", "cross_view.upsample_volume", repeats=True),
        ]
        rest = [whole.parameters - sum(p.parameters for p in inside), whole.flops - sum(p.flops for p in inside)]
        inside.insert(2, PartCost("cross_view.cost_volume", *rest, repeats_per_view=True))
    heads = (*(f"doubling.{task}" for task in network.doubling), *(f"heads.{task}" for task in network.heads))
    after = [part("decoder", "decoder"), part("heads", "depth_head", *heads)]
    if network.mixer is not None:
        after.insert(1, part("mixer", "mixer"))
    if network.routers is not None:
        after.insert(0, part("routers", "routers"))
    total = sum(counter.get_flop_counts()["Global"].values())
    # what matching reads from the encoder counts as matching: the counter books it twice
    encoder = total - whole.flops - sum(p.flops for p in after)
    return [PartCost("encoder", part("encoder", "encoder").parameters, encoder), *inside, *after]


def _sampling_flops(source: tuple[int, ...], grid: tuple[int, ...], *_: Any, **__: Any) -> int:
    samples, height, width, _two = grid
    return SAMPLE_OPERATIONS * samples * height * width * source[1]
