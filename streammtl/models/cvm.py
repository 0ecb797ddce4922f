"""cvm: the cross-view multi-task network at the size of its paper, and what it shares with its smaller forms."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from streammtl.crossview.match_refinement import refined_by_matching
from streammtl.crossview.view_memory import ViewMemory
from streammtl.encoders.registry import build_encoder
from streammtl.errors import CheckpointError
from streammtl.geometry import face_camera
from streammtl.models.cross_view_mtl import CrossViewMtl
from streammtl.models.matching_start import start_matching_from
from streammtl.models.network_settings import PAPER, NetworkSettings
from streammtl.models.precision import reads_bf16
from streammtl.models.predictor import Predictor
from streammtl.models.registry import register_model
from streammtl.models.settings import ModelSettings
from streammtl.models.shipped import UNKNOWN_SCALE_ERROR, ShippedWeights, shipped_weights
from streammtl.models.weights import load_weights
from streammtl.tasks.activations import activate
from streammtl.tasks.registry import task_spec
from streammtl.views import ScaleStatus, TaskOutputs, ViewBatch

TASKS = ("depth", "semantics", "normals", "boundaries")
SAME = math.log1p(0.05)  # in log depth: what counts as right where confidence is concerned


class CrossViewPredictor(Predictor):
    """Metric depth, NYU-40 semantics, normals and boundaries of the reference views; `network` says of what it is made.

    Poses must be metric. Confidence is the probability that depth is within 5 % of the truth, under the predicted
    spread. With a sweep neighbours' patches refine both.
    Without settings.weights it takes those that come with the package, where the network is the one they are for.
    Raises: CheckpointError where there are none unless settings.allow_untrained, or weights that do not fit;
    ConfigError for settings that do not fit each other.
    """

    network_settings: ClassVar[NetworkSettings]
    sweeps: ClassVar[bool] = False  # where settings.sweep leaves it open
    tasks = TASKS
    depth_scale = ScaleStatus.METRIC
    label_space = "nyu40"
    size_multiple = 16

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__(settings)
        if settings.weights is None and not settings.allow_untrained:
            settings = self._with_shipped_weights(settings)
        network = build_network(settings, self.network_settings).to(self.device).eval()
        self.network = network.to(memory_format=torch.channels_last)  # a third less time on a CPU in bfloat16
        self.refines = self.network.cross_view is None
        if not self.refines:
            self.network.cross_view.memory = ViewMemory()
        self._sweep = self.sweeps if settings.sweep is None else settings.sweep
        self._low_precision = reads_bf16(settings.precision, self.device)

    @classmethod
    def scale_error(cls, settings: ModelSettings) -> float:
        """As measured for the weights that come with the package; see benchmarks/scale_error.py."""
        shipped = cls._shipped(settings) if settings.weights is None else None
        return UNKNOWN_SCALE_ERROR if shipped is None else shipped.scale_error

    @classmethod
    def _shipped(cls, settings: ModelSettings) -> ShippedWeights | None:
        """The package's weights for a network of these settings; None where it is not the one they are for."""
        as_trained = cls.network_settings.changed_by(settings) == cls.network_settings
        return shipped_weights(cls.name) if as_trained else None

    def _with_shipped_weights(self, settings: ModelSettings) -> ModelSettings:
        shipped = self._shipped(settings)
        if shipped is None:
            why = "has no trained weights"
            why += " for these settings" if shipped_weights(self.name) is not None else ""
            raise CheckpointError(
                f"model {self.name} {why}: what it predicts would be noise. Give model.weights a safetensors file, "
                "use planesweep, or pass --set model.allow_untrained=true to try the untrained one."
            )
        return settings.model_copy(update={"weights": shipped.path, "weights_sha256": shipped.sha256})

    def _predict(self, batch: ViewBatch) -> TaskOutputs:
        values, confidence = self._seen(batch)
        own_depth = values["depth"] if self.refines else None  # a cross-view module has it from poses
        return self._refined(batch, TaskOutputs(values, confidence, self.depth_scale, own_depth))

    def _refined(self, batch: ViewBatch, alone: TaskOutputs) -> TaskOutputs:
        if not (self._sweep and bool(batch.view_mask[:, 1:].any())):
            return alone
        depth, confidence = refined_by_matching(batch, alone.values["depth"], alone.confidence)
        return replace(alone, values=alone.values | {"depth": depth}, confidence=confidence)

    def _seen(self, batch: ViewBatch) -> tuple[dict[str, Tensor], Tensor]:
        """What the network alone says: values of all tasks, and confidence."""
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._low_precision):
            outputs = self.network(batch)
        values = {task: activate(raw.float(), task_spec(task).activation) for task, raw in outputs.raw.items()}
        values["normals"] = face_camera(values["normals"], batch.K[:, 0])
        return values, laplace_confidence(outputs.log_depth_scale.float())


@register_model("cvm")
class Cvm(CrossViewPredictor):
    """The paper's network: DINOv3 ViT-L, 4.9 M parameters of cross-view module, 128 planes, one decoder branch per
    task. Every table of its ablations is one setting away: match_features, cost_volume, cross_view_features,
    num_planes, plane_spacing, num_neighbours, single_view, encoder.
    """

    network_settings = PAPER


def build_network(settings: ModelSettings, network_settings: NetworkSettings) -> CrossViewMtl:
    """The network with the weights of the settings, or seeded: published weights in the encoder, those of
    settings.matching_weights in the cross-view module, random ones in the rest.

    Raises: CheckpointError, ConfigError.
    """
    chosen = network_settings.changed_by(settings)
    pretrained = settings.pretrained_encoder and settings.weights is None
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = CrossViewMtl(build_encoder(chosen.encoder, pretrained, chosen.encoder_levels), TASKS, chosen)
    if settings.weights is None and settings.matching_weights is not None:
        start_matching_from(network, settings.matching_weights)
    if settings.weights is not None:
        state = load_weights(settings.weights, settings.weights_sha256)
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise CheckpointError(
                f"the tensors of {settings.weights} do not fit {settings.name} with {chosen.cross_view.num_planes} "
                f"planes and encoder {chosen.encoder}; use the settings it was trained with. {error}"
            ) from error
    return network


def laplace_confidence(log_scale: Tensor) -> Tensor:
    """P(|log depth error| < SAME, log 1.05) [B,1,H,W] of a Laplace distribution with that scale."""
    return 1.0 - torch.exp(-SAME * torch.exp(-log_scale))
